/**
 * Measures ours beside what people would use instead, prints a table for each measurement, and writes bench/results.json,
 * from which `node bench/readme.ts` writes the tables of the README. `npm run bench [-- NAME…]` runs all, or those named.
 */
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { noticing } from './noticing.ts'
import { jobs, realtime } from './realtime.ts'
import { machine, type Section, tableOf } from './report.ts'
import { archive, files, ids, start } from './whole.ts'

const MEASUREMENTS: Readonly<Record<string, () => Section | Promise<Section>>> = {
  noticing,
  realtime,
  jobs,
  start,
  files,
  ids,
  archive,
}
const RESULTS = path.join(import.meta.dirname, 'results.json')

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in MEASUREMENTS))
if (unknown.length > 0)
  throw new Error(`there is no measurement ${unknown.join(', ')}; there are ${Object.keys(MEASUREMENTS).join(', ')}`)

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
}
const order = Object.keys(MEASUREMENTS)
results.sections.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
await writeFile(RESULTS, `${JSON.stringify(results, null, 2)}\n`)
