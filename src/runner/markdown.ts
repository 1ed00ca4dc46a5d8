import { stripVTControlCharacters } from 'node:util'
import { INVISIBLE } from '../predictions/invisible.ts'
import { clip } from '../predictions/text.ts'
import { linesWithin } from './format.ts'
import { BLANKS, foldLineEnds, LINE_END } from './untrusted.ts'

/*
 * Untrusted text as GitHub-flavored Markdown, in which it makes no link, mail address, mention, markup or image, and
 * stays readable in the source: only what can act is escaped.
 */

/** Characters of a block of text that are shown. */
export const LONGEST_TEXT = 20_000

const withoutInvisible = (text: string) =>
  stripVTControlCharacters(text)
    .replace(BLANKS, (blanks) => foldLineEnds(blanks, ' '))
    .replace(INVISIBLE, '')

/** What begins markup. Before a letter a backslash is a backslash, and within a word an underscore is one. */
const MARKUP = /(?<markup>[`*[~]|\\(?=[!-/:-@[-`{-~]|$)|_(?![\p{L}\p{N}])|(?<![\p{L}\p{N}])_)/u
/** What begins tags, entities and mathematics, and ends the cell of a table, in some renderers also if it is escaped. */
const ENTITY = /(?<entity>[<>|$]|&(?=#?\w{1,40};))/u
/** `https://` and `www.` are links if the source has them so; `javascript:` has no business in a summary. */
const AUTOLINK = /(?<autolink>:(?=\/\/)|(?<=script):|(?<=www)\.)/u
/**
 * GitHub searches for mentions, mail addresses, references and emoji (but not `10:30:00`) in each rendered text,
 * when no escape is left: a tag after the character cuts the text in two.
 */
const RENDERED = /(?<rendered>[@#]|:(?!\d{1,2}:)(?=[\w+-]{1,100}:))/u
const ACTING = new RegExp([MARKUP, ENTITY, AUTOLINK, RENDERED].map(({ source }) => source).join('|'), 'giu')
const CUT = '<b></b>'

/** Untrusted text within a line of Markdown: a paragraph, a cell of a table, the text of a link. */
export const inline = (text: string, limit = 500): string =>
  withoutInvisible(clip(text, limit)).replace(ACTING, (character, ...found) => {
    const kind = found.at(-1) as Record<string, string | undefined>
    if (kind.entity !== undefined) return entity(character)
    return kind.rendered === undefined ? `\\${character}` : `${character}${CUT}`
  })

/** Untrusted text as code in a line: between backticks if nothing in it could act. */
export function code(text: string, limit = 500): string {
  const line = withoutInvisible(clip(text, limit)).trim()
  if (line === '') return ''
  const escaped = inline(line, line.length)
  return escaped === line ? `\`${line}\`` : `<code>${escaped}</code>`
}

/** Untrusted text of several lines. In this block of HTML, which ends with its tag, nothing is Markdown. */
export const pre = (text: string): string =>
  `<pre>${clip(text, LONGEST_TEXT)
    .split(LINE_END)
    .map((line) =>
      withoutInvisible(line)
        .replace(/[&<>]|(?<=script):/gi, entity)
        .replaceAll('@', `@${CUT}`),
    )
    .join('\n')}</pre>`

/** Untrusted text in an attribute between double quotes, also in the cell of a table. */
const attribute = (text: string) => withoutInvisible(text).replace(/[&<>"'`|\\]|(?<=script):/gi, entity)

const entity = (character: string) =>
  ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[character] ?? `&#${character.codePointAt(0)};`

const LONGEST_URL = 4000

/** A link to a URL that has been parsed as http or https. The text must not look like another host: see {@link nameOf}. */
export const link = (url: string, text = nameOf(url)): string =>
  `<a href="${attribute(clip(url, LONGEST_URL))}">${inline(text, 200)}</a>`

/** A picture that leads to itself. @param width in pixels */
export const thumbnail = (url: string, width: number): string => {
  const address = attribute(clip(url, LONGEST_URL))
  return `<a href="${address}"><img src="${address}" alt="${attribute(nameOf(url))}" width="${width}"></a>`
}

/** Names that no host has: one dot, and after it an ending that is no top-level domain, as `zip` and `mov` are. */
const ENDINGS = 'png|jpe?g|webp|gif|avif|svg|mp4|webm|mkv|mp3|wav|ogg|opus|flac|m4a|txt|json|csv|pdf|glb'
const FILE_NAME = new RegExp(String.raw`^[\p{L}\p{N}\p{M}_() +\-]+\.(?:${ENDINGS})$`, 'iu')

/** What a URL is called: the name of its file, or its host and the last part of its path if that could be taken for a host. */
export function nameOf(url: string): string {
  const { host, pathname } = new URL(url)
  const last = pathname.split('/').at(-1) ?? ''
  const name = clip(decoded(last), 80)
  if (FILE_NAME.test(name)) return name
  return last === '' ? host : `${host}/…/${clip(last, 80)}`
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** @param align how the columns are aligned, as Markdown says it */
export const table = (
  head: readonly string[],
  rows: readonly (readonly string[])[],
  bytes = 500_000,
  align: '---' | ':-:' = '---',
): string =>
  `| ${head.join(' | ')} |\n|${` ${align} |`.repeat(head.length)}\n${limited(
    rows.map((row) => `| ${row.join(' | ')} |`),
    bytes,
    'rows',
  )}`

/** As many lines as fit into that many bytes, and a last one that counts the rest. */
export function limited(lines: readonly string[], bytes: number, what: string): string {
  const kept = linesWithin(lines, bytes)
  return kept.length === lines.length
    ? lines.join('\n')
    : `${kept.join('\n')}\n\n… and ${lines.length - kept.length} more ${what}`
}
