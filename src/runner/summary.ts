import { summary } from '@actions/core'
import type { SavedFile } from '../predictions/files/save.ts'
import type { OutputView } from '../predictions/output.ts'
import {
  hasNoOutput,
  isExpired,
  type Prediction,
  predictTime,
  RETENTION,
  statusOf,
  totalTime,
} from '../predictions/prediction.ts'
import { errorText } from '../predictions/prediction-error.ts'
import { outputViewOf } from '../predictions/stored-answer.ts'
import { sentences } from '../predictions/text.ts'
import type { Judged } from '../predictions/verdict.ts'
import { type Delivery, nothingDelivered } from './delivery.ts'
import { type Entry, isJudged } from './entry.ts'
import { messageOf } from './failure.ts'
import { counted, duration, fileSize, linesWithin, seconds } from './format.ts'
import { code, inline, LONGEST_TEXT, limited, link, pre, table, thumbnail } from './markdown.ts'
import { warn } from './print.ts'
import { tallyOf } from './tally.ts'

const isGreen = (entry: Entry) => (isJudged(entry) ? entry.verdict.ok : entry.status === 'skipped')

/*
 * GitHub shows nothing of a step whose summary is longer than 1 MiB, so each part has its share of that: together at
 * most 950 kB.
 */
const TROUBLES_SHARE = 100_000
const PICTURES_SHARE = 100_000
const OUTPUTS_SHARE = 300_000
const FILES_SHARE = 150_000
const DETAILS_SHARE = 150_000
const DIGESTS_SHARE = 100_000

/** Characters kept of what others wrote, in a cell of a table. */
const LONGEST_STATUS = 40
const LONGEST_TIME = 40
const LONGEST_NAME = 80
const LONGEST_TYPE = 100
const LONGEST_CELL_TEXT = 120
const LONGEST_FILE_NAME = 200
const LONGEST_CELL_ERROR = 300

/** Pictures that are shown, and their width in pixels. */
const THUMBNAILS = 12
const WIDTHS = { only: 480, several: 240 }
/** Links in one cell. */
const MOST_LINKS = 3
/** Characters of what went wrong, of the only prediction and of one of many. */
const LONGEST_TROUBLE = { only: 2000, several: 600 }

/**
 * The job summary in Markdown: how it went and what went wrong, the pictures, the facts in one line, the files; what is
 * rarely needed is collapsed. At most a megabyte, however large the outputs.
 * @param requests how many were made, in words
 */
export function summaryOf(entries: readonly Entry[], delivery: Delivery = nothingDelivered, requests = ''): string {
  const judged = entries.filter(isJudged)
  const [only] = entries.length === 1 ? judged : []
  const sections = [
    heading(entries, only, delivery),
    troubles(entries, delivery),
    warnings(judged),
    gallery(judged, delivery),
    inOneLine([...(only ? factsOfOne(only) : factsOfMany(entries, judged)), requests]),
    only ? outputOfOne(only, delivery) : outputsOfMany(entries, delivery),
    expiry(judged, delivery),
    only ? filesOf(delivery) : '',
    artifactOf(delivery),
    details(judged, delivery),
  ]
  return `${sections.filter(Boolean).join('\n\n')}\n`
}

const ICONS: Readonly<Record<string, string>> = { succeeded: '✅', failed: '❌', canceled: '🚫', aborted: '🚫' }

function icon(entry: Entry): string {
  if (!isJudged(entry)) return entry.status === 'skipped' ? '⏭️' : '❌'
  if (entry.outcome.end === 'timeout') return '⏳'
  return (entry.outcome.end === 'ended' ? ICONS[entry.outcome.status] : undefined) ?? '❌'
}

/** Added to the heading if something else has failed: it must not look green over a failed step. */
const BUT = ', but not everything worked'

function heading(entries: readonly Entry[], only: Judged | undefined, { failures }: Delivery): string {
  const isAllGreen = entries.every(isGreen)
  const isWhole = failures.length === 0
  if (only) {
    const hasOtherFailure = isAllGreen && !isWhole
    return `### ${hasOtherFailure ? '❌' : icon(only)} ${headline(only)}${hasOtherFailure ? BUT : ''}`
  }
  if (entries.length === 0) {
    return isWhole ? '### No predictions: there are no inputs' : `### ❌ No predictions: there are no inputs${BUT}`
  }
  const mark = isAllGreen && isWhole ? '✅' : '❌'
  const wanted = entries.filter((entry) => isJudged(entry) || entry.status !== 'skipped')
  const skipped = entries.length - wanted.length
  const result = `${wanted.filter(isGreen).length} of ${wanted.length} predictions succeeded`
  const parts = [wanted.length > 0 ? result : 'No predictions started', skipped > 0 ? `${skipped} skipped` : '']
  return `### ${mark} ${parts.filter(Boolean).join(', ')}${isWhole ? '' : BUT}`
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

/** An ID is no untrusted text: the input allows only letters, digits, `-` and `_`. */
const idOf = ({ id }: { id: string }) => `\`${id}\``

const labelOf = (entry: Entry) =>
  entry.name === undefined && isJudged(entry) ? idOf(entry.outcome) : inline(entry.name ?? '', LONGEST_NAME)

/** What made the step fail, each as a line that the page wraps. */
function troubles(entries: readonly Entry[], { failures }: Delivery): string {
  const limit = entries.length === 1 ? LONGEST_TROUBLE.only : LONGEST_TROUBLE.several
  const messages = [
    ...entries.filter((entry) => !isGreen(entry)).map((entry) => troubleOf(entry, limit, entries.length === 1)),
    ...failures.map(({ message }) => inline(message, limit)),
  ]
  if (messages.length === 0) return ''
  const lines = limited(
    messages.map((message) => `> - ${message}`),
    TROUBLES_SHARE,
    'failures',
  )
  return `> [!CAUTION]\n> **What went wrong**\n${lines}`
}

function troubleOf(entry: Entry, limit: number, isOnly: boolean): string {
  if (!isJudged(entry)) return `${labelOf(entry)}: ${inline(entry.error ?? '', limit)}`
  const message = sentences(!entry.verdict.ok && entry.verdict.message, entry.refusal)
  if (isOnly || entry.name === undefined) return inline(message, limit)
  return `${labelOf(entry)}: ${inline(message, limit)}`
}

function warnings(judged: readonly Judged[]): string {
  const texts = judged.flatMap(({ verdict }) =>
    verdict.ok && verdict.warning !== undefined ? [inline(verdict.warning, LONGEST_TROUBLE.several)] : [],
  )
  if (texts.length === 0) return ''
  return `> [!WARNING]\n${limited(
    texts.map((text) => `> - ${text}`),
    TROUBLES_SHARE / 2,
    'warnings',
  )}`
}

const isPicture = (url: string) => /\.(png|jpe?g|webp|gif|avif)$/i.test(URL.parse(url)?.pathname ?? '')

/** The pictures of a prediction: on the release, where they stay, or else at the API, where they go blank. */
function picturesOf({ outcome }: Judged, { files, releaseUrls }: Delivery): string[] {
  const lasting = files.flatMap(({ predictionId, type }, i) =>
    predictionId === outcome.id && type.startsWith('image/') ? (releaseUrls[i] ?? []) : [],
  )
  return lasting.length > 0 ? lasting : outputViewOf(outcome.answer).urls.filter(isPicture)
}

/** The first pictures, under the names of their inputs if they have some. */
function gallery(judged: readonly Judged[], delivery: Delivery): string {
  const all = judged.flatMap((each) => picturesOf(each, delivery).map((url) => ({ name: each.name, url })))
  const width = all.length === 1 ? WIDTHS.only : WIDTHS.several
  const shown = all.slice(0, THUMBNAILS)
  const kept = linesWithin(
    shown.map(({ url }) => thumbnail(url, width)),
    PICTURES_SHARE,
  )
  const rest = all.length > kept.length ? `\n\n… and ${counted(all.length - kept.length, 'more picture')}` : ''
  const isNamed = judged.length > 1 && shown.some(({ name }) => name !== undefined)
  if (!isNamed) return kept.length === 0 ? '' : `${kept.join('\n')}${rest}`
  const columns = columnsFor(kept.length)
  const names = inRows(
    kept.map((_, i) => inline(shown[i]?.name ?? '', LONGEST_NAME)),
    columns,
  )
  const pictures = inRows(kept, columns)
  const [head = [], ...rows] = names.flatMap((row, i) => [i === 0 ? row : row.map(bold), pictures[i] ?? []])
  return `${table(head, rows, PICTURES_SHARE, ':-:')}${rest}`
}

/** Four or three in a row, whichever fills the last row better. */
function columnsFor(count: number): number {
  if (count <= 4) return count
  const unfilled = (columns: number) => (columns - (count % columns)) % columns
  return unfilled(3) < unfilled(4) ? 3 : 4
}

/** As the cells of a head are. */
const bold = (text: string) => `<b>${text}</b>`

const inRows = (cells: readonly string[], columns: number): string[][] =>
  Array.from({ length: Math.ceil(cells.length / columns) }, (_, i) => cells.slice(i * columns, (i + 1) * columns))

const inOneLine = (parts: readonly string[]) => parts.filter(Boolean).join(' · ')
const labeled = (label: string, value: string) => (value === '' ? '' : `${label} ${value}`)

function factsOfOne(only: Judged): string[] {
  const prediction = only.outcome.answer?.prediction
  const wasTriedAgain = only.earlier !== undefined && only.earlier.length > 0
  const ran = prediction ? [labeled('predict time', seconds(predictTime(prediction)))] : []
  return [
    code(prediction?.model ?? ''),
    ...(wasTriedAgain ? tallyOf([only]) : ran),
    prediction ? labeled('total', seconds(totalTime([prediction]))) : '',
  ]
}

function factsOfMany(entries: readonly Entry[], judged: readonly Judged[]): string[] {
  const models = new Set(judged.flatMap(({ outcome }) => outcome.answer?.prediction.model ?? []))
  const [model = ''] = models
  return [models.size === 1 ? code(model) : '', ...tallyOf(entries)]
}

/** A note if links or pictures of the API are shown; empty if there are none, or if none of them expires. */
function expiry(judged: readonly Judged[], delivery: Delivery): string {
  const saved = new Set(delivery.files.map(({ predictionId }) => predictionId))
  const kept = new Set(delivery.files.flatMap(({ predictionId }, i) => (delivery.releaseUrls[i] ? [predictionId] : [])))
  const shown = judged.filter(({ outcome }) => {
    const { urls } = outputViewOf(outcome.answer)
    return saved.has(outcome.id) ? !kept.has(outcome.id) && urls.some(isPicture) : urls.length > 0
  })
  if (shown.length === 0) return ''
  const hasLinks = shown.some(({ outcome }) => !saved.has(outcome.id))
  const what = hasLinks ? 'The links above point to the API' : 'The pictures above come from the API'
  const isUnknown = shown.some(({ outcome }) => outcome.answer?.linkLife === 'unknown')
  const when = isUnknown ? ', at a time that it does not document.' : ` ${RETENTION} of the prediction.`
  return `> ${what}, which deletes its files${when}`
}

/** The output of the only prediction: links unless its files were saved, its text, or a note that there is none. */
function outputOfOne({ outcome }: Judged, { files }: Delivery): string {
  const prediction = outcome.answer?.prediction
  if (!prediction) return ''
  const view = outputViewOf(outcome.answer)
  const { urls, embedded } = view
  const links = limited(
    urls.map((url) => `- ${link(url)}`),
    OUTPUTS_SHARE / 2,
    'files',
  )
  return [
    files.length > 0 ? '' : links,
    embedded > 0
      ? `${embedded} ${embedded === 1 ? 'file is' : 'files are'} part of the output itself, as data: URIs.`
      : '',
    textOf(prediction, view),
  ]
    .filter(Boolean)
    .join('\n\n')
}

function textOf(prediction: Prediction, { text = '', urls, embedded, json }: OutputView): string {
  const { output } = prediction
  if (text !== '') return pre(text)
  if (urls.length + embedded > 0) return ''
  // Indented only if that cannot make a few megabytes, nested deeply, longer than a string can be.
  if (!hasNoOutput(prediction)) return pre(json.length > LONGEST_TEXT ? json : JSON.stringify(output, null, 2))
  if (isExpired(prediction)) return 'Deleted by the API.'
  return statusOf(prediction) === 'succeeded' ? 'No output.' : ''
}

function outputsOfMany(entries: readonly Entry[], delivery: Delivery): string {
  const filesBy = Map.groupBy(linksOf(delivery), ({ file }) => file.predictionId)
  const rows = entries.map((entry) => [
    `${icon(entry)} ${labelOf(entry)}`,
    inline(isJudged(entry) ? entry.outcome.status || 'unknown' : entry.status, LONGEST_STATUS),
    outputCell(entry, filesBy.get(isJudged(entry) ? entry.outcome.id : '') ?? []),
  ])
  return table(['Prediction', 'Status', 'Output'], rows, OUTPUTS_SHARE)
}

function outputCell(entry: Entry, files: readonly { shown: string }[]): string {
  if (!isJudged(entry)) return entry.error === undefined ? 'Its files exist.' : inline(entry.error, LONGEST_CELL_ERROR)
  const { outcome, verdict } = entry
  const output = outputViewOf(outcome.answer)
  const links = files.length > 0 ? files.map(({ shown }) => shown) : output.urls.map((url) => link(url))
  const more = links.length > MOST_LINKS ? `and ${links.length - MOST_LINKS} more` : ''
  const text = links.length > 0 ? '' : inline(output.text ?? '', LONGEST_CELL_TEXT)
  const said = errorText(outcome.answer?.prediction.error) || outcome.status
  const error = verdict.ok ? '' : inline(outcome.end === 'ended' ? said : verdict.message, LONGEST_CELL_ERROR)
  return [...links.slice(0, MOST_LINKS), more, text, error].filter(Boolean).join(' ')
}

/** The saved files, each as a link to where it is kept, or only its name if it is on the runner. */
function linksOf({ files, artifacts, releaseUrls }: Delivery): { file: SavedFile; shown: string }[] {
  const byName = new Map(artifacts.map(({ name, url }) => [name, url] as const))
  return files.map((file, i) => {
    const url = releaseUrls[i] ?? byName.get(file.name)
    return { file, shown: url === undefined ? code(file.name, LONGEST_FILE_NAME) : link(url, file.name) }
  })
}

/** The saved files and where they went. */
function filesOf(delivery: Delivery): string {
  const lines = linksOf(delivery).map(({ file, shown }) => `- ${inOneLine([shown, ...kindOf(file)])}`)
  return limited(lines, FILES_SHARE, 'files')
}

const kindOf = ({ type, size, width, height }: SavedFile): string[] => [
  inline(type, LONGEST_TYPE),
  width === undefined ? '' : `${width} × ${height}`,
  fileSize(size),
]

function artifactOf({ artifacts }: Delivery): string {
  const [artifact] = artifacts
  if (!artifact || artifacts.length > 1) return ''
  return `Artifact: ${link(artifact.url, artifact.name)} (${fileSize(artifact.size)})`
}

/** IDs, versions, times and digests, collapsed. */
function details(judged: readonly Judged[], { files }: Delivery): string {
  if (judged.length === 0) return ''
  const digests = files.map((file) => [
    code(file.name, LONGEST_FILE_NAME),
    ...kindOf(file),
    `<code>${file.sha256}</code>`,
  ])
  return [
    '<details><summary>IDs, versions, times and digests</summary>',
    table(
      ['Prediction', 'Model', 'Version', 'Created', 'Predict time', 'Total', 'Waited'],
      judged.map(detailsOf),
      DETAILS_SHARE,
    ),
    files.length === 0 ? '' : table(['File', 'Type', 'Pixels', 'Size', 'SHA-256'], digests, DIGESTS_SHARE),
    '</details>',
  ]
    .filter(Boolean)
    .join('\n\n')
}

function detailsOf({ outcome }: Judged): string[] {
  const prediction = outcome.answer?.prediction
  const { model = '', version = '', created_at: created = '' } = prediction ?? {}
  return [
    idOf(outcome),
    code(model, LONGEST_NAME),
    code(version === 'hidden' ? '' : version, LONGEST_NAME),
    code(created, LONGEST_TIME),
    seconds(prediction && predictTime(prediction)),
    seconds(prediction && totalTime([prediction])),
    duration(outcome.waited),
  ]
}

/** Adds to the summary of the job; a summary that cannot be made or written is a warning, never a failure. */
export async function writeSummary(markdown: () => string): Promise<void> {
  try {
    await summary.addRaw(markdown(), true).write()
  } catch (error) {
    warn(`The job summary could not be written: ${messageOf(error)}`)
  }
}
