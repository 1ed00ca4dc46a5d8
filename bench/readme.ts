/** Writes the tables of bench/results.json into the README, between its two markers. */
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type Section, tableOf } from './report.ts'
import { MIXES } from './workload.ts'

const README = path.resolve(import.meta.dirname, '../README.md')
const { machine, sections }: { machine: string; sections: Section[] } = JSON.parse(
  await readFile(path.join(import.meta.dirname, 'results.json'), 'utf8'),
)
const shown = sections.map((section) => {
  // Of the first table the rows of single kinds stay in the file: the mixes say enough.
  const rows = section.name === 'noticing' ? section.rows.filter(({ mix = '' }) => mix in MIXES) : section.rows
  return `**${section.title}**\n\n${tableOf({ ...section, rows })}\n`
})
const text = await readFile(README, 'utf8')
const [before, rest] = text.split('<!-- bench -->\n')
const after = rest?.split('<!-- /bench -->')[1]
if (after === undefined) throw new Error('README.md has no markers')
await writeFile(
  README,
  `${before}<!-- bench -->\n${shown.join('\n')}\nMeasured on: ${machine}.\n<!-- /bench -->${after}`,
)
