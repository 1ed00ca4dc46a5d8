import { summary } from '@actions/core'
import type { Answer } from '../predictions/answer.ts'
import { outputFiles, outputText, outputUrls } from '../predictions/output.ts'
import { isExpired, predictTime, totalTime } from '../predictions/prediction.ts'
import { errorText } from '../predictions/prediction-error.ts'
import type { Judged } from '../predictions/verdict.ts'
import { type Delivery, nothingDelivered } from './delivery.ts'
import { messageOf } from './failure.ts'
import { duration, fileSize, jsonStart } from './format.ts'
import { code, inline, LONGEST_TEXT, limited, link, pre, table, thumbnail } from './markdown.ts'
import { warn } from './print.ts'

/*
 * GitHub shows nothing of a step whose summary is longer than 1 MiB, so each part has its share of that: 500 kB for a
 * table of predictions, 300 kB for one of files, 200 kB for a list of URLs, 100 kB each for pictures and for failures.
 */
const FILES_SHARE = 300_000
const URLS_SHARE = 200_000
const PICTURES_SHARE = 100_000
const FAILURES_SHARE = 100_000
const THUMBNAILS = 12

/** An ID is no untrusted text: the input allows only letters, digits, `-` and `_`. */
const idOf = ({ id }: { id: string }) => `\`${id}\``

/** The first pictures of these addresses, side by side. */
const gallery = (urls: readonly string[]) =>
  limited(
    urls.slice(0, THUMBNAILS).map((url) => thumbnail(url)),
    PICTURES_SHARE,
    'pictures',
  )

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
  const isWhole = delivery.failures.length === 0
  const body = judged.length === 1 && only ? oneSummary(only, lasting, isWhole) : tableSummary(judged, isWhole)
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
    byName.has(name) ? link(byName.get(name) ?? '', name) : code(name, 200),
    inline(type, 100),
    width === undefined ? '' : `${width} × ${height}`,
    fileSize(size),
    `<code>${sha256}</code>`,
  ])
  const [artifact] = artifacts
  const sections = [
    '**Files**',
    gallery(pictures),
    rows.length === 0 ? '' : table(['File', 'Type', 'Pixels', 'Size', 'SHA-256'], rows, FILES_SHARE),
    artifact && artifacts.length === 1
      ? `Artifact: ${link(artifact.url, artifact.name)} (${fileSize(artifact.size)})`
      : '',
    limited(
      failures.map(({ message }) => `- ❌ ${inline(message, 600)}`),
      FAILURES_SHARE,
      'failures',
    ),
  ]
  return `${sections.filter(Boolean).join('\n\n')}\n`
}

function oneSummary(judged: Judged, lasting: boolean, isWhole: boolean): string {
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
    ['Predict time', predict === undefined ? undefined : `${seconds(predict)} (billed)`],
    ['Total time', total === undefined ? undefined : seconds(total)],
    ['Waited', duration(outcome.waited)],
    ['Created', prediction?.created_at === undefined ? undefined : code(prediction.created_at, 40)],
  ]
  const sections = [
    `### ${verdict.ok && !isWhole ? '❌' : icon(judged)} ${headline(judged)}${verdict.ok && !isWhole ? BUT : ''}`,
    table(
      ['Prediction', idOf(outcome)],
      rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
    verdict.ok
      ? verdict.warning === undefined
        ? ''
        : `> [!WARNING]\n> ${inline(verdict.warning, 2000)}`
      : `**What went wrong**\n\n${pre(verdict.message)}`,
    outcome.answer ? outputSection(outcome.answer, lasting) : '',
  ]
  return `${sections.filter(Boolean).join('\n\n')}\n`
}

/** Added to the heading if something else has failed: it must not look green over a red step. */
const BUT = ', but not everything worked'

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

const THEY_EXPIRE = '> These addresses expire; the API does not say when.'

const expiryOf = (judged: readonly Judged[]): string =>
  judged.some(({ outcome }) => outcome.answer?.linkLife === 'unknown')
    ? THEY_EXPIRE
    : '> The addresses of outputs work until one hour after the end of their prediction.'

function outputSection({ prediction, linkLife }: Answer, lasting: boolean): string {
  const { output } = prediction
  const urls = outputUrls(output)
  const inline = outputFiles(output).length - urls.length
  const text = outputText(output)
  const parts: string[] = []
  if (urls.length > 0) {
    if (!lasting) parts.push(gallery(urls.filter(isPicture)))
    parts.push(
      limited(
        urls.map((url) => `- ${link(url)}`),
        URLS_SHARE,
        'files',
      ),
    )
    parts.push(
      linkLife === 'unknown' ? THEY_EXPIRE : '> These addresses work until one hour after the end of the prediction.',
    )
  }
  if (inline > 0)
    parts.push(`${inline} ${inline === 1 ? 'file is' : 'files are'} part of the output itself, as data: URIs.`)
  if (text !== undefined && text !== '') parts.push(pre(text))
  else if (parts.length === 0 && output !== undefined && output !== null) parts.push(pre(readable(output)))
  if (parts.length === 0) parts.push(isExpired(prediction) ? 'Deleted by the API.' : 'None.')
  return ['**Output**', ...parts.filter(Boolean)].join('\n\n')
}

/** As JSON; indented only where that cannot make a few megabytes, nested deeply, longer than a string can be. */
function readable(output: unknown): string {
  const json = jsonStart(output, LONGEST_TEXT)
  return json.length > LONGEST_TEXT ? json : JSON.stringify(output, null, 2)
}

function tableSummary(judged: readonly Judged[], isWhole: boolean): string {
  const green = judged.filter(({ verdict }) => verdict.ok).length
  const times = judged.flatMap(({ outcome }) => (outcome.answer ? (predictTime(outcome.answer.prediction) ?? []) : []))
  const sum = times.reduce((total, time) => total + time, 0)
  const rows = judged.map((each) => {
    const { outcome, verdict } = each
    const prediction = outcome.answer?.prediction
    const predict = prediction && predictTime(prediction)
    const urls = outputUrls(prediction?.output)
    const shown = urls
      .slice(0, 3)
      .map((url) => link(url))
      .join(' ')
    const text = outputText(prediction?.output)
    const output =
      urls.length > 0
        ? `${shown}${urls.length > 3 ? ` and ${urls.length - 3} more` : ''}`
        : text === undefined
          ? ''
          : inline(text, 120)
    const error = verdict.ok
      ? ''
      : inline(outcome.end === 'ended' ? errorText(prediction?.error) || outcome.status : verdict.message, 300)
    return [
      `${icon(each)} ${idOf(outcome)}`,
      prediction?.model === undefined ? '' : code(prediction.model, 80),
      inline(outcome.status || 'never seen', 40),
      predict === undefined ? '' : seconds(predict),
      [output, error].filter(Boolean).join(' '),
    ]
  })
  const sections = [
    `### ${green === judged.length && isWhole ? '✅' : '❌'} ${green} of ${judged.length} predictions succeeded${isWhole ? '' : BUT}`,
    times.length === 0 ? '' : `Predict time: ${seconds(sum)} in total (billed).`,
    table(['Prediction', 'Model', 'Status', 'Predict time', 'Output'], rows),
    judged.some(({ outcome }) => outputUrls(outcome.answer?.prediction.output).length > 0) ? expiryOf(judged) : '',
  ]
  return `${sections.filter(Boolean).join('\n\n')}\n`
}

/** Adds to the summary of the job; a summary that cannot be made or written is a warning, never a failure. */
export async function writeSummary(markdown: () => string): Promise<void> {
  try {
    await summary.addRaw(markdown(), true).write()
  } catch (error) {
    warn(`The job summary could not be written: ${messageOf(error)}`)
  }
}
