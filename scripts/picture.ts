/**
 * Makes the pictures of the README and the pages of docs/: summaries that the built actions write before a simulated
 * API, and a log, light and dark, rendered by Chromium. `npm run picture`; CHROME_PATH names the browser if it has
 * another name than the usual ones.
 */
import { execFile } from 'node:child_process'
import { access, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { FLAVOURS } from '../test/fixtures/pictures.ts'
import type { RunResult } from '../test/support/run-action.ts'
import { FAILING_MODEL, MODEL, startChain } from './chain.ts'
import { logPage, summaryPage } from './summary-page.ts'

const IMAGES = path.resolve(import.meta.dirname, '../.github/images')
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'msedge']

async function findBrowser(): Promise<string> {
  if (process.env.CHROME_PATH) return process.env.CHROME_PATH
  const folders = (process.env.PATH ?? '').split(path.delimiter)
  const files = [
    ...BROWSERS.flatMap((name) => folders.map((folder) => path.join(folder, name))),
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ]
  for (const file of files) {
    if (
      await access(file).then(
        () => true,
        () => false,
      )
    ) {
      return file
    }
  }
  throw new Error(`no Chromium is installed as ${BROWSERS.join(', ')}; name one in CHROME_PATH`)
}

type Scheme = 'light' | 'dark'

/** Renders a page and writes what is not transparent of it. */
async function shoot(name: string, scheme: Scheme, html: string): Promise<void> {
  const page = path.join(folder, `${name}-${scheme}.html`)
  const shot = path.join(folder, `${name}-${scheme}.png`)
  await writeFile(page, html)
  await promisify(execFile)(browser, [
    '--headless',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
    '--hide-scrollbars',
    '--force-device-scale-factor=2',
    // Taller than any page here; what is transparent is cut off.
    '--window-size=1300,2400',
    '--default-background-color=00000000',
    `--user-data-dir=${path.join(folder, 'profile')}`,
    `--screenshot=${shot}`,
    // Chromium has no sandbox for root, which is who runs in a container.
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    pathToFileURL(page).href,
  ])
  const file = path.join(IMAGES, `${name}-${scheme}.png`)
  await sharp(shot).trim().png({ palette: true, effort: 10 }).toFile(file)
  console.log(`${file}: ${Math.ceil((await stat(file)).size / 1000)} kB`)
}

const browser = await findBrowser()
const folder = await mkdtemp(path.join(tmpdir(), 'await-prediction-picture-'))
await mkdir(IMAGES, { recursive: true })

/** IDs, ports, folders, times of day and tenths of seconds differ from run to run; in a picture they do not. */
function steady(run: RunResult): RunResult {
  const ids = (run.outputs.prediction_id ?? '').split(',').filter(Boolean)
  const same = (text: string) =>
    ids
      .reduce((each, id, i) => each.replaceAll(id, `${'abcdefgh'[i]}${STEADY_ID.slice(1)}`), text)
      .replaceAll(/127\.0\.0\.1:\d+/g, 'gateway.example.com')
      .replaceAll(run.workspace, '/home/runner/work/pictures/pictures')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '2026-11-25T09:00:00.000Z')
      .replaceAll(/(?<=^\[)[\d.]+(?= s\])/g, (time) => Math.floor(Number(time)).toFixed(1))
  return { ...run, summary: same(run.summary), headlines: run.headlines.map(same) }
}

const STEADY_ID = 'arm0cr5xvkbjy1ps2qewhz39nt'

await using chain = await startChain()
const input = '{"prompt": "a chocolate cake: five candles"}'
// At a fixed interval every run polls at the same moments, half a second away from each change of the prediction.
const files = {
  'poll-interval': '1s',
  'output-dir': 'pictures',
  'upload-artifact': 'true',
  'release-tag': 'v1.2.3',
}
await using one = await chain.act('run', { model: MODEL, input, ...files })
const inputs = JSON.stringify(Object.fromEntries(FLAVOURS.map((name) => [name, { prompt: `a ${name} cake` }])))
const named = { 'file-name': '{name}', 'artifact-name': 'cakes' }
await using many = await chain.act('run', { model: MODEL, inputs, ...named, ...files })
await using failure = await chain.act('run', { model: FAILING_MODEL, input, ...files })

for (const scheme of ['light', 'dark'] as const) {
  for (const [name, run] of Object.entries({ summary: one, many, failure })) {
    await shoot(name, scheme, summaryPage(steady(run), chain.pictures, scheme))
  }
  await shoot('log', scheme, logPage(steady(one), scheme))
}
await rm(folder, { recursive: true })
