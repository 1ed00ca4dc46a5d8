import { summary } from '@actions/core'
import { outputFiles, outputText, outputUrls } from '../predictions/output.ts'
import { isExpired, predictTime, totalTime } from '../predictions/prediction.ts'
import { errorText } from '../predictions/prediction-error.ts'
import type { Judged } from '../predictions/verdict.ts'
import { type Delivery, nothingDelivered } from './delivery.ts'
import { messageOf } from './failure.ts'
import { duration, fileSize, linesWithin } from './format.ts'
import { warn } from './print.ts'
import { BLANKS, foldLineEnds } from './untrusted.ts'

/**
 * Characters of a text that are shown. GitHub shows nothing of a step whose summary is longer than 1 MiB, so each part
 * has its share of that: 500 kB for a table of predictions, 300 kB for one of files, 200 kB for a list of addresses,
 * 100 kB each for pictures and for failures.
 */
const LONGEST_TEXT = 20_000
const THUMBNAILS = 12

/**
 * Foreign text for Markdown: every character that means something in HTML or Markdown, an `@` and a line end
 * included, as an entity, which can begin nothing.
 */
function escapeText(text: string, limit = 500): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text
  return cut
    .toWellFormed()
    .replace(BLANKS, (blanks) => foldLineEnds(blanks, ' '))
    .replace(/[^\p{L}\p{N}\p{M} …]/gu, entity)
}

const entity = (character: string) => {
  const code = character.codePointAt(0) ?? 0
  // Control characters and those that change the direction of text have no place in a summary.
  if (
    code < 32 ||
    (code >= 127 && code < 160) ||
    (code >= 0x200b && code <= 0x200f) ||
    (code >= 0x202a && code <= 0x202e) ||
    (code >= 0x2066 && code <= 0x2069)
  )
    return ''
  return code > 127 ? character : `&#${code};`
}

/** Foreign text in a code element, in which GitHub makes no mention and no link of anything. */
const code = (text: string, limit?: number) => `<code>${escapeText(text, limit)}</code>`

/** An id is no foreign text: the input allows letters, digits, `-` and `_` alone. */
const idOf = ({ id }: { id: string }) => `\`${id}\``

/** Foreign text of several lines; every line end is an entity, because an empty line would end the HTML block. */
const pre = (text: string) =>
  `<pre>${text
    .slice(0, LONGEST_TEXT)
    .split(/\r\n|\n|\r/)
    .map((line) => escapeText(line, LONGEST_TEXT))
    .join('&#10;')}${text.length > LONGEST_TEXT ? '…' : ''}</pre>`

/** A link to an address that has been parsed as http or https. */
function link(url: string): string {
  const name = fileName(url)
  return `<a href="${escapeText(url, 4000)}">${escapeText(name, 80)}</a>`
}

/** A picture that leads to itself. */
const thumbnail = (url: string) =>
  `<a href="${escapeText(url, 4000)}"><img src="${escapeText(url, 4000)}" alt="${escapeText(fileName(url), 80)}" width="200"></a>`

function fileName(url: string): string {
  const { hostname, pathname } = new URL(url)
  const last = pathname.split('/').at(-1) || hostname
  try {
    return decodeURIComponent(last)
  } catch {
    return last
  }
}

/** The first pictures of these addresses, side by side. */
const gallery = (urls: readonly string[]) => limited(urls.slice(0, THUMBNAILS).map(thumbnail), 100_000, 'pictures')

const isPicture = (url: string) => /\.(png|jpe?g|webp|gif|avif)$/i.test(new URL(url).pathname)

const ICONS: Readonly<Record<string, string>> = { succeeded: '✅', failed: '❌', canceled: '🚫', aborted: '🚫' }
const icon = ({ outcome }: Judged) =>
  outcome.end === 'ended' ? (ICONS[outcome.status] ?? '❌') : outcome.end === 'timeout' ? '⏳' : '❌'

/**
 * The job summary in Markdown: what ran, what came out, what went wrong. At most a megabyte, however large the outputs.
 */
export function summaryOf(judged: readonly Judged[], delivery: Delivery = nothingDelivered): string {
  const [only] = judged
  // Pictures on a release stay; those at the addresses of the API go blank after an hour.
  const lasting = delivery.releaseUrls.some((url) => url !== undefined)
  const body = judged.length === 1 && only ? oneSummary(only, lasting) : tableSummary(judged)
  return [body, filesSection(delivery)].filter(Boolean).join('\n')
}

/** The saved files and where they went; what could not be saved. */
function filesSection({ files, artifacts, releaseUrls, failures }: Delivery): string {
  if (files.length === 0 && failures.length === 0) return ''
  const lasting = files
    .map(({ name }, i) => [name, releaseUrls[i]] as const)
    .filter((entry): entry is readonly [string, string] => entry[1] !== undefined)
  const byName = new Map([...artifacts.map(({ name, url }) => [name, url] as const), ...lasting])
  const pictures = files.flatMap(({ type }, i) =>
    type.startsWith('image/') && releaseUrls[i] !== undefined ? [releaseUrls[i]] : [],
  )
  const rows = files.map(({ name, type, size, sha256, width, height }) => [
    byName.has(name)
      ? `<a href="${escapeText(byName.get(name) ?? '', 500)}">${escapeText(name, 200)}</a>`
      : code(name, 200),
    escapeText(type, 100),
    width === undefined ? '' : `${width} × ${height}`,
    fileSize(size),
    `<code>${sha256}</code>`,
  ])
  const [artifact] = artifacts
  const sections = [
    '**Files**',
    gallery(pictures),
    rows.length === 0 ? '' : table(['File', 'Type', 'Pixels', 'Size', 'SHA-256'], rows, 300_000),
    artifact && artifacts.length === 1
      ? `Artifact: <a href="${escapeText(artifact.url, 500)}">${escapeText(artifact.name, 255)}</a> (${fileSize(artifact.size)})`
      : '',
    limited(
      failures.map(({ message }) => `- ❌ ${escapeText(message, 600)}`),
      100_000,
      'failures',
    ),
  ]
  return `${sections.filter(Boolean).join('\n\n')}\n`
}

function oneSummary(judged: Judged, lasting: boolean): string {
  const { outcome, verdict } = judged
  const prediction = outcome.answer?.prediction
  const predict = prediction && predictTime(prediction)
  const total = prediction && totalTime([prediction])
  const rows: [string, string | undefined][] = [
    ['Model', prediction?.model === undefined ? undefined : code(prediction.model)],
    [
      'Version',
      prediction?.version === undefined || prediction.version === 'hidden' ? undefined : code(prediction.version, 80),
    ],
    ['Status', code(outcome.status || 'never seen')],
    ['Predict time', predict === undefined ? undefined : `${seconds(predict)}, which is what the API charges by`],
    ['Total time', total === undefined ? undefined : seconds(total)],
    ['Waited', duration(outcome.waited)],
    ['Created', prediction?.created_at === undefined ? undefined : code(prediction.created_at, 40)],
  ]
  const sections = [
    `### ${icon(judged)} ${headline(judged)}`,
    table(
      ['Prediction', idOf(outcome)],
      rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
    verdict.ok
      ? verdict.warning === undefined
        ? ''
        : `> [!WARNING]\n> ${escapeText(verdict.warning, 2000)}`
      : `**What went wrong**\n\n${pre(verdict.message)}`,
    prediction ? outputSection(prediction.output, isExpired(prediction), lasting) : '',
  ]
  return `${sections.filter(Boolean).join('\n\n')}\n`
}

const HEADLINES = {
  timeout: 'Prediction not finished in time',
  refused: 'No prediction',
  interrupted: 'Wait interrupted',
  crashed: 'Wait ended by a bug',
} as const

function headline({ outcome: { end, status, cancellation } }: Judged): string {
  if (end === 'ended') return `Prediction ${status}`
  return cancellation?.end === 'canceled' ? 'Prediction timed out and canceled' : HEADLINES[end]
}

const seconds = (value: number) => `${Number(value.toFixed(3))} s`

function outputSection(output: unknown, expired: boolean, lasting: boolean): string {
  const urls = outputUrls(output)
  const inline = outputFiles(output).length - urls.length
  const text = outputText(output)
  const parts: string[] = []
  if (urls.length > 0) {
    if (!lasting) parts.push(gallery(urls.filter(isPicture)))
    parts.push(
      limited(
        urls.map((url) => `- ${link(url)}`),
        200_000,
        'files',
      ),
    )
    parts.push('> These addresses work until one hour after the end of the prediction.')
  }
  if (inline > 0)
    parts.push(`${inline} ${inline === 1 ? 'file is' : 'files are'} part of the output itself, as data: URIs.`)
  if (text !== undefined && text !== '') parts.push(pre(text))
  else if (parts.length === 0 && output !== undefined && output !== null) parts.push(pre(readable(output)))
  if (parts.length === 0) parts.push(expired ? 'Deleted by the API.' : 'None.')
  return ['**Output**', ...parts.filter(Boolean)].join('\n\n')
}

/** As JSON; indented only where that cannot make a few megabytes, nested deeply, longer than a string can be. */
function readable(output: unknown): string {
  const json = JSON.stringify(output)
  return json.length > LONGEST_TEXT ? json : JSON.stringify(output, null, 2)
}

function tableSummary(judged: readonly Judged[]): string {
  const green = judged.filter(({ verdict }) => verdict.ok).length
  const times = judged.flatMap(({ outcome }) => (outcome.answer ? (predictTime(outcome.answer.prediction) ?? []) : []))
  const sum = times.reduce((total, time) => total + time, 0)
  const rows = judged.map((each) => {
    const { outcome, verdict } = each
    const prediction = outcome.answer?.prediction
    const predict = prediction && predictTime(prediction)
    const urls = outputUrls(prediction?.output)
    const shown = urls.slice(0, 3).map(link).join(' ')
    const text = outputText(prediction?.output)
    const output =
      urls.length > 0
        ? `${shown}${urls.length > 3 ? ` and ${urls.length - 3} more` : ''}`
        : text === undefined
          ? ''
          : escapeText(text, 120)
    const error = verdict.ok
      ? ''
      : escapeText(outcome.end === 'ended' ? errorText(prediction?.error) || outcome.status : verdict.message, 300)
    return [
      `${icon(each)} ${idOf(outcome)}`,
      prediction?.model === undefined ? '' : code(prediction.model, 80),
      escapeText(outcome.status || 'never seen', 40),
      predict === undefined ? '' : seconds(predict),
      [output, error].filter(Boolean).join(' '),
    ]
  })
  const sections = [
    `### ${green === judged.length ? '✅' : '❌'} ${green} of ${judged.length} predictions succeeded`,
    times.length === 0 ? '' : `Predict time, which is what the API charges by: ${seconds(sum)} in all.`,
    table(['Prediction', 'Model', 'Status', 'Predict time', 'Output'], rows),
    judged.some(({ outcome }) => outputUrls(outcome.answer?.prediction.output).length > 0)
      ? '> The addresses of outputs work until one hour after the end of their prediction.'
      : '',
  ]
  return `${sections.filter(Boolean).join('\n\n')}\n`
}

const table = (head: readonly string[], rows: readonly (readonly string[])[], bytes = 500_000) =>
  `| ${head.join(' | ')} |\n|${' --- |'.repeat(head.length)}\n${limited(
    rows.map((row) => `| ${row.join(' | ')} |`),
    bytes,
    'rows',
  )}`

/** As many lines as fit into that many bytes, and a last one that counts the rest. */
function limited(lines: readonly string[], bytes: number, what: string): string {
  const kept = linesWithin(lines, bytes)
  return kept.length === lines.length
    ? lines.join('\n')
    : `${kept.join('\n')}\n\n… and ${lines.length - kept.length} more ${what}`
}

/** Adds to the summary of the job; a summary that cannot be made or written is a warning, never a failure. */
export async function writeSummary(markdown: () => string): Promise<void> {
  try {
    await summary.addRaw(markdown(), true).write()
  } catch (error) {
    warn(`The job summary could not be written: ${messageOf(error)}`)
  }
}
