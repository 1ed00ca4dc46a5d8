/**
 * Makes the picture of the README: the summary that the built action writes in test/chain.ts, light and dark, rendered by
 * Chromium. `npm run picture`; CHROME_PATH names the browser where it has another name than the usual ones.
 */
import { execFile } from 'node:child_process'
import { access, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { startChain } from './chain.ts'
import { summaryPage } from './summary-page.ts'

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
    )
      return file
  }
  throw new Error(`no Chromium is installed as ${BROWSERS.join(', ')}; name one in CHROME_PATH`)
}

const browser = await findBrowser()
await using chain = await startChain()
await using created = await chain.create()
await using run = await chain.wait(created.outputs.prediction_id ?? '')
const folder = await mkdtemp(path.join(tmpdir(), 'await-prediction-picture-'))
await mkdir(IMAGES, { recursive: true })
for (const scheme of ['light', 'dark'] as const) {
  const page = path.join(folder, `${scheme}.html`)
  const shot = path.join(folder, `${scheme}.png`)
  await writeFile(page, summaryPage(run, chain.picture, scheme))
  await promisify(execFile)(browser, [
    '--headless',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
    '--hide-scrollbars',
    '--force-device-scale-factor=2',
    // Taller than any summary; what is transparent is cut off.
    '--window-size=1300,2000',
    '--default-background-color=00000000',
    `--user-data-dir=${path.join(folder, 'profile')}`,
    `--screenshot=${shot}`,
    // Chromium has no sandbox for root, which is who runs in a container.
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    pathToFileURL(page).href,
  ])
  const file = path.join(IMAGES, `summary-${scheme}.png`)
  await sharp(shot).trim().png({ palette: true, effort: 10 }).toFile(file)
  console.log(`${file}: ${Math.ceil((await stat(file)).size / 1000)} kB`)
}
await rm(folder, { recursive: true })
