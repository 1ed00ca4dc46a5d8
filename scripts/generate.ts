/**
 * Writes what follows from other files: the tables of README.md (inputs and outputs from the action.yml files, measurements
 * from bench/results.json), wait/action.yml from action.yml, and the outputs of the reusable workflow. `npm run generate`
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

/** wait/action.yml: the root action under a path. */
export const waitAction = (action: string): string =>
  `# The root action under a path, so that a workflow of this repository can use it as $/wait. Written by npm run generate.\n${action
    .replace(/^branding:\n(?: {2}.*\n)+\n?/m, '\n')
    .replace(/^( {2}(?:main|post): )dist\//gm, '$1../dist/')}`

/** Outputs that are paths on the runner of the job, which no other job can read. */
const PATHS: ReadonlySet<string> = new Set(['files', 'result_file'])

/** The reusable workflow with the outputs of the root action, as outputs of its job and of the workflow. */
export function withOutputs(workflow: string, action: string): string {
  const { outputs }: Manifest = parse(action)
  const shared = Object.entries(outputs).filter(([name]) => !PATHS.has(name))
  const ofJob = shared.map(([name]) => `      ${name}: \${{ steps.wait.outputs.${name} }}\n`)
  const ofWorkflow = [['prediction_id', { description: 'The IDs of the predictions.' }] as const, ...shared].map(
    ([name, { description }]) =>
      `      ${name}:\n        description: ${firstSentence(description)}\n        value: \${{ jobs.prediction.outputs.${name} }}\n`,
  )
  return workflow
    .replace(/^( {4}outputs:\n)(?: {6}.*\n)+(?=\n)/m, (_, head: string) => head + ofWorkflow.join(''))
    .replace(/^( {6}prediction_id: .*\n)(?: {6}\w+: .*\n)+/m, (_, head: string) => head + ofJob.join(''))
}

/** As a plain scalar of YAML. */
const firstSentence = (text: string) => (/^[^.:]+[.:]/.exec(text)?.[0] ?? text).replace(/:$/, '.')

/** The generated files, each with what it should be. */
export async function generated(): Promise<Map<string, string>> {
  const action = await read('action.yml')
  const workflow = '.github/workflows/prediction.yml'
  return new Map([
    ['README.md', await refreshed(await read('README.md'))],
    ['wait/action.yml', waitAction(action)],
    [workflow, withOutputs(await read(workflow), action)],
  ])
}

if (import.meta.main) {
  for (const [name, content] of await generated()) await writeFile(path.join(ROOT, name), content)
}
