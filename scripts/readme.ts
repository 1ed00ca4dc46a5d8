/**
 * Writes what README.md takes from other files, each between a pair of markers: the inputs and outputs from the
 * action.yml files, and the tables of bench/results.json. `npm run readme`
 */
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parse } from 'yaml'
import { markdownTable, type Section, tableOf } from '../bench/report.ts'
import { MIXES } from '../bench/workload.ts'

const ROOT = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFile(path.join(ROOT, name), 'utf8')

interface Manifest {
  inputs: Record<string, { description: string; required: boolean; default?: string }>
  outputs: Record<string, { description: string }>
}

const code = (text: string) => (text === '' ? '' : `\`${text}\``)

async function interfaceOf(file: string): Promise<{ inputs: string; outputs: string }> {
  const { inputs, outputs }: Manifest = parse(await read(file))
  return {
    inputs: markdownTable(
      ['input', 'default', 'meaning'],
      Object.entries(inputs).map(([name, { description, required, default: value = '' }]) => [
        code(name),
        required ? 'required' : code(value),
        description,
      ]),
    ),
    outputs: markdownTable(
      ['output', 'value'],
      Object.entries(outputs).map(([name, { description }]) => [code(name), description]),
    ),
  }
}

async function measurements(): Promise<string> {
  const { machine, sections }: { machine: string; sections: Section[] } = JSON.parse(await read('bench/results.json'))
  const show = (section: Section) => `**${section.title}**\n\n${tableOf(section)}\n`
  const named = (name: string) => sections.filter((section) => section.name === name)
  // What a workflow meets first; of the mixes the one that stands for all, of the single kinds none.
  const first = named('noticing').map((section) => ({
    ...section,
    rows: section.rows.filter(({ mix }) => mix === 'realistic').map(({ mix: _, ...row }) => row),
  }))
  const mixes = named('noticing').map((section) => ({
    ...section,
    title: 'Noticing the end, by mix',
    rows: section.rows.filter(({ mix = '' }) => mix in MIXES && mix !== 'realistic'),
  }))
  const others = sections.filter(({ name }) => !['noticing', 'jobs', 'start'].includes(name))
  return [
    ...[...first, ...named('jobs'), ...named('start')].map(show),
    '<details>\n<summary>Other mixes, real time, artifacts, files, many IDs, the download</summary>\n',
    ...[...mixes, ...others].map(show),
    '![Requests by number of IDs](bench/ids-requests.svg) ![Memory by number of IDs](bench/ids-memory.svg)\n![Time by size of a file](bench/size-time.svg)\n',
    '</details>\n',
    `Measured on: ${machine}.`,
  ].join('\n')
}

/** The README with everything between markers as it should be. */
export async function refreshed(readme: string): Promise<string> {
  const [action, create] = [await interfaceOf('action.yml'), await interfaceOf('create/action.yml')]
  const parts = {
    inputs: action.inputs,
    outputs: action.outputs,
    'create-inputs': create.inputs,
    'create-outputs': create.outputs,
    bench: await measurements(),
  }
  return Object.entries(parts).reduce((text, [name, content]) => {
    const [before, rest = ''] = text.split(`<!-- ${name} -->\n`)
    const [, after] = rest.split(`<!-- /${name} -->`)
    if (after === undefined) throw new Error(`README.md has no markers <!-- ${name} --> and <!-- /${name} -->`)
    return `${before}<!-- ${name} -->\n${content}\n<!-- /${name} -->${after}`
  }, readme)
}

if (import.meta.main) {
  const file = path.join(ROOT, 'README.md')
  await writeFile(file, await refreshed(await readFile(file, 'utf8')))
}
