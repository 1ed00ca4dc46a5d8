/**
 * Measures ours beside what people would use instead, prints a table for each measurement, and writes
 * bench/results.json, from which `npm run generate` writes the tables of the README. `npm run bench [-- NAME…]` runs
 * all, or those named.
 */
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { delivered, ids } from './many.ts'
import { noticing } from './noticing.ts'
import { svg } from './plot.ts'
import { jobs, realtime } from './realtime.ts'
import { machine, type Section, tableOf } from './report.ts'
import { run } from './run.ts'
import { siblings } from './siblings.ts'
import { archive, files, sizes, start, upload } from './whole.ts'

const MEASUREMENTS: Readonly<Record<string, () => Section | Promise<Section>>> = {
  noticing,
  siblings,
  realtime,
  jobs,
  start,
  delivered,
  upload,
  files,
  sizes,
  ids,
  run,
  archive,
}
const RESULTS = path.join(import.meta.dirname, 'results.json')

const order = Object.keys(MEASUREMENTS)
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in MEASUREMENTS))
if (unknown.length > 0) {
  throw new Error(`there is no measurement ${unknown.join(', ')}; there are ${Object.keys(MEASUREMENTS).join(', ')}`)
}

const results: { machine: string; sections: Section[] } = JSON.parse(
  await readFile(RESULTS, 'utf8').catch(() => '{"sections":[]}'),
)
results.machine = machine()
console.log(results.machine)
for (const name of wanted.length > 0 ? wanted : Object.keys(MEASUREMENTS)) {
  const section = await MEASUREMENTS[name]?.()
  if (!section) continue
  console.log(`\n${section.title}\n\n${tableOf(section)}`)
  results.sections = [...results.sections.filter((each) => each.name !== name), section]
  results.sections.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
  // After each, so that one that fails takes no other with it.
  await writeFile(RESULTS, `${JSON.stringify(results, null, 2)}\n`)
}
const column = (name: string, x: string, y: string) =>
  (results.sections.find((section) => section.name === name)?.rows ?? [])
    .filter(({ list }) => list !== 'no')
    .map((row): [number, number] => [Number(row[x]), Number(row[y])])
const plots = {
  'ids-requests': { title: 'Requests of one step', x: 'IDs', y: 'requests', points: column('ids', 'ids', 'requests') },
  'ids-memory': { title: 'Peak memory of one step', x: 'IDs', y: 'MB', points: column('ids', 'ids', 'peak MB') },
  'size-time': { title: 'Time to save one file', x: 'MB', y: 'seconds', points: column('sizes', 'MB', 'seconds') },
}
for (const [name, plot] of Object.entries(plots)) {
  if (plot.points.length > 0) await writeFile(path.join(import.meta.dirname, `${name}.svg`), svg(plot))
}
