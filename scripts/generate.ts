/**
 * Writes what follows from other files. In documents, what stands between `<!-- name -->` and `<!-- /name -->`: tables
 * of inputs and outputs from the action.yml files, measurements from bench/results.json, workflows from examples/. And
 * wait/action.yml from action.yml, and what the steps and outputs of the reusable workflow are. `npm run generate`
 */
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parse } from 'yaml'
import { markdownTable, type Section, tableOf } from '../bench/report.ts'
import { MIXES } from '../bench/workload.ts'

const ROOT = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFile(path.join(ROOT, name), 'utf8')

interface Input {
  description: string
  required: boolean
  default?: string
}

interface Manifest {
  inputs: Record<string, Input>
  outputs: Record<string, { description: string }>
}

/** Makes what stands between two markers from the words that follow the name in the first. */
type Part = (...words: string[]) => Promise<string>

const manifest = async (folder: string): Promise<Manifest> => parse(await read(path.join(folder, 'action.yml')))
const code = (text: string) => (text === '' ? '' : `\`${text}\``)

const inputTable = (inputs: readonly (readonly [string, Input])[]) =>
  markdownTable(
    ['input', 'default', 'meaning'],
    inputs.map(([name, { description, required, default: value = '' }]) => [
      code(name),
      required ? 'required' : code(String(value)),
      description,
    ]),
  )

const outputTable = (outputs: readonly (readonly [string, { description: string }])[]) =>
  markdownTable(
    ['output', 'value'],
    outputs.map(([name, { description }]) => [code(name), description]),
  )

/** The inputs of `run`, apart: those that it has as another action has them, and its own. */
async function inputsOfRun() {
  const [run, root, create] = await Promise.all(['run', '.', 'create'].map(manifest))
  const sameAs = (other: Manifest | undefined, [name, input]: readonly [string, Input]) =>
    JSON.stringify(other?.inputs[name]) === JSON.stringify(input)
  const all = Object.entries(run?.inputs ?? {})
  const asRoot = all.filter((entry) => sameAs(root, entry))
  const asCreate = all.filter((entry) => !sameAs(root, entry) && sameAs(create, entry))
  return { asRoot, asCreate, own: all.filter((entry) => !asRoot.includes(entry) && !asCreate.includes(entry)) }
}

const namesOf = (entries: readonly (readonly [string, unknown])[]) => entries.map(([name]) => code(name)).join(', ')

/** What only `run` has as an output, or describes otherwise. */
async function outputsOfRun(): Promise<string> {
  const [run, root] = await Promise.all(['run', '.'].map(manifest))
  return outputTable(
    Object.entries(run?.outputs ?? {}).filter(
      ([name, { description }]) => root?.outputs[name]?.description !== description,
    ),
  )
}

/** An example as it is read in a document: without the comment at its top, its name, and notes to linters with their reasons. */
async function example(name: string): Promise<string> {
  const text = await read(`examples/${name}`)
  return text
    .replace(/^(?:#.*\n)+/, '')
    .replace(/^name: .*\n/, '')
    .replace(/^(?: +#.*\n)?(.*) # zizmor: .*$/gm, '$1')
    .trimEnd()
}

/** The steps of the last job of an example. */
async function stepsOf(name: string): Promise<string> {
  const [, steps = ''] = /[\s\S]*^ {4}steps:\n([\s\S]*)$/m.exec(await example(name)) ?? []
  if (steps === '') throw new Error(`examples/${name} has no steps`)
  return steps.replace(/^ {6}/gm, '')
}

const asYaml = (text: string) => `\`\`\`yaml\n${text}\n\`\`\``

async function results(): Promise<{ machine: string; sections: Section[] }> {
  return JSON.parse(await read('bench/results.json'))
}

async function measurements(): Promise<string> {
  const { machine, sections } = await results()
  const show = (section: Section) => `## ${section.title}\n\n${tableOf(section)}\n`
  const named = (name: string) => sections.filter((section) => section.name === name)
  // What a workflow meets first; of the mixes the one that stands for all, of the single kinds none.
  const first = named('noticing').map((section) => ({
    ...section,
    rows: section.rows.filter(({ mix }) => mix === 'realistic').map(({ mix: _, ...row }) => row),
  }))
  const mixes = named('noticing').map((section) => ({
    ...section,
    title: 'Delay until the end is noticed, by mix',
    rows: section.rows.filter(({ mix = '' }) => mix in MIXES && mix !== 'realistic'),
  }))
  const others = sections.filter(({ name }) => name !== 'noticing')
  return [
    ...[...first, ...mixes, ...others].map(show),
    '![Requests by number of IDs](../bench/ids-requests.svg) ![Memory by number of IDs](../bench/ids-memory.svg)\n![Time by size of a file](../bench/size-time.svg)\n',
    `Measured on: ${machine}.`,
  ].join('\n')
}

/** What it costs, in two figures: requests, and the delay of the notice. */
const COST: Readonly<Record<string, (own: Figures, withStream: Figures, peer: Figures) => string>> = {
  en: (own, withStream, peer) =>
    `On average, over a mix of pictures and videos, a prediction needs ${own.requests} requests, and its end is noticed after ${own.delay} s; with the
API's event stream, ${withStream.requests} requests and ${withStream.delay} s. The official client, which polls every 500 ms, needs ${peer.requests} and ${peer.delay} s. For
pictures, videos, many IDs, memory and downloads, see [docs/performance.md](docs/performance.md).`,
  zh: (own, withStream, peer) =>
    `在图片与视频混合的负载下，每个任务平均需要 ${own.requests} 次请求，平均在任务结束 ${own.delay} 秒后获知；若 API 有事件流，则为 ${withStream.requests} 次和 ${withStream.delay} 秒。
官方客户端每 500 毫秒轮询一次，为 ${peer.requests} 次和 ${peer.delay} 秒。图片、视频、大量 ID、内存和下载各自的数据：
[docs/performance.md](docs/performance.md)。`,
}

interface Figures {
  requests: string
  delay: string
}

async function cost(language = 'en'): Promise<string> {
  const { sections } = await results()
  const rows = sections.find(({ name }) => name === 'noticing')?.rows ?? []
  const figures = (policy: string): Figures => {
    const row = rows.find((each) => each.mix === 'realistic' && each.policy === policy)
    if (!row) throw new Error(`bench/results.json has no row of the policy ${policy}`)
    return { requests: row.requests ?? '', delay: row['mean s'] ?? '' }
  }
  const text = COST[language]
  if (!text) throw new Error(`there is no text about the cost in the language ${language}`)
  return text(figures('this action'), figures('this action, with push'), figures('official client: every 500 ms'))
}

async function workflowInputs(): Promise<string> {
  const { on } = parse(await read('.github/workflows/prediction.yml'))
  const inputs: Record<string, Input> = on.workflow_call.inputs
  return inputTable(Object.entries(inputs).map(([name, input]) => [name, { ...input, required: false }]))
}

const inputsOf = async (folder: string) => inputTable(Object.entries((await manifest(folder)).inputs))
const outputsOf = async (folder: string) => outputTable(Object.entries((await manifest(folder)).outputs))

const PARTS: Readonly<Record<string, Part>> = {
  example: async (name = '') => asYaml(await example(name)),
  steps: async (name = '') => asYaml(await stepsOf(name)),
  cost,
  bench: measurements,
  inputs: () => inputsOf('.'),
  outputs: () => outputsOf('.'),
  'create-inputs': () => inputsOf('create'),
  'create-outputs': () => outputsOf('create'),
  'run-inputs': async () => inputTable((await inputsOfRun()).own),
  'run-shared': async () => {
    const { asRoot, asCreate } = await inputsOfRun()
    return `As in the root action: ${namesOf(asRoot)}. As in \`create\`: ${namesOf(asCreate)}.`
  },
  'run-outputs': outputsOfRun,
  'workflow-inputs': workflowInputs,
}

/** A document with everything between markers as it should be. @throws if a marker is unknown or has no end */
export async function refreshed(document: string): Promise<string> {
  const opening = /^<!-- ([\w-]+)((?: [\w.-]+)*) -->\n/gm
  let text = ''
  let from = 0
  for (const { 0: marker, 1: name = '', 2: words = '', index } of document.matchAll(opening)) {
    const start = index + marker.length
    const end = document.indexOf(`<!-- /${name} -->`, start)
    const part = PARTS[name]
    if (!part || end < 0) throw new Error(`there is no part ${name}, or no <!-- /${name} --> after it`)
    text += `${document.slice(from, start)}${await part(...words.split(' ').filter(Boolean))}\n`
    from = end
  }
  return text + document.slice(from)
}

/** wait/action.yml: the root action under a path. */
export const waitAction = (action: string): string =>
  `# The root action in a folder, so that workflows in this repository can use it as $/wait. Generated by npm run generate.\n${action
    .replace(/^branding:\n(?: {2}.*\n)+\n?/m, '\n')
    .replace(/^( {2}(?:main|post): )dist\//gm, '$1../dist/')}`

const SHARED = '  # The rest is generated from create/action.yml and action.yml by npm run generate.\n'

/**
 * run/action.yml: its own inputs, then those of create and of the root action. Defaults that differ here have the
 * reason in the descriptions of the other actions.
 */
export function runAction(own: string, create: string, action: string): string {
  const section = (text: string, name: string) =>
    new RegExp(`^${name}:\\n((?: {2}.*\\n|\\n)+)`, 'm').exec(text)?.[1]?.trimEnd() ?? ''
  const entries = (text: string) => text.split(/^(?= {2}[\w-]+:$)/m).map((each) => each.trimEnd())
  const nameOf = (entry: string) => /^ {2}([\w-]+):/.exec(entry)?.[1] ?? ''
  const [head = ''] = own.split(SHARED)
  const ownNames = new Set(entries(section(head, 'inputs')).map(nameOf))
  const shared = new Map(
    [...entries(section(action, 'inputs')), ...entries(section(create, 'inputs'))]
      .map((entry) => [nameOf(entry), entry] as const)
      .filter(([name]) => !ownNames.has(name) && !NOT_IN_RUN.has(name)),
  )
  const first = ['api-key', 'api-url', 'model', 'version', 'deployment', 'input', 'input-file', 'cancel-after']
  const ordered = [...first, ...[...shared.keys()].filter((name) => !first.includes(name))]
  const inputs = ordered.map((name) => shared.get(name) ?? '').map(withRunDefaults)
  const predictionId =
    '  prediction_id:\n    description: >-\n      The IDs of the predictions, separated by commas, in the order of the inputs. For an input with several attempts,\n      the ID of the last one.'
  return `${head}${SHARED}${inputs.join('\n')}\n\noutputs:\n${predictionId}\n${section(action, 'outputs')}\n\nruns:\n  using: node24\n  main: ../dist/run.js\n  post: ../dist/post.js\n`
}

/** Inputs that have no meaning if the step itself starts the predictions. */
const NOT_IN_RUN: ReadonlySet<string> = new Set(['prediction-id', 'api'])

/** Nobody else collects these predictions, so a timeout cancels them. */
const withRunDefaults = (entry: string) =>
  entry.startsWith('  cancel-on:') ? entry.replace(/default: .*$/, 'default: cancelled,timeout') : entry

/** Outputs that are paths on the runner of the job, which no other job can read. */
const PATHS: ReadonlySet<string> = new Set(['files', 'result_file'])

/** The actions that the reusable workflow uses: one starts predictions, the other waits for those that run. */
const WORKFLOW_ACTIONS = ['run', 'wait'] as const

/**
 * The reusable workflow: its outputs are those of the root action, as outputs of its job and of the workflow, and each
 * of its steps is given every input of the workflow that its action has.
 */
export function reusableWorkflow(workflow: string, manifests: Readonly<Record<'run' | 'wait', Manifest>>): string {
  const shared = Object.entries(manifests.wait.outputs).filter(([name]) => !PATHS.has(name))
  const ofJob = shared.map(
    ([name]) =>
      `      ${name}: \${{ ${WORKFLOW_ACTIONS.map((step) => `steps.${step}.outputs.${name}`).join(' || ')} }}\n`,
  )
  const ofWorkflow = [['prediction_id', { description: 'The IDs of the predictions.' }] as const, ...shared].map(
    ([name, { description }]) =>
      `      ${name}:\n        description: ${firstSentence(description)}\n        value: \${{ jobs.prediction.outputs.${name} }}\n`,
  )
  const { inputs } = parse(workflow).on.workflow_call
  return WORKFLOW_ACTIONS.reduce(
    (text, step) =>
      text.replace(
        new RegExp(`^( {6}- uses: \\$/${step}\\n(?: {8}\\w+: .*\\n)*? {8}with:\\n)(?: {10}.*\\n)+`, 'm'),
        (_, head: string) => head + stepInputs(Object.keys(inputs), manifests[step]),
      ),
    workflow
      .replace(/^( {4}outputs:\n)(?: {6}.*\n)+(?=\n)/m, (_, head: string) => head + ofWorkflow.join(''))
      .replace(/^( {6}prediction_id: .*\n)(?: {6}\w+: .*\n)+/m, (_, head: string) => head + ofJob.join('')),
  )
}

/** The lines below `with:` of a step of the reusable workflow. */
function stepInputs(names: readonly string[], { inputs }: Manifest): string {
  const values = [
    ['api-key', 'secrets.api-key || secrets.API_KEY'],
    ...names.filter((name) => name in inputs).map((name) => [name, `inputs.${name}`]),
    ['github-token', 'github.token'],
  ]
  return values.map(([name, value]) => `          ${name}: \${{ ${value} }}\n`).join('')
}

/** As a plain scalar of YAML. */
const firstSentence = (text: string) => (/^[^.:]+[.:]/.exec(text)?.[0] ?? text).replace(/:$/, '.')

const DOCUMENTS = ['README.md', 'README.zh-CN.md', 'docs/reference.md', 'docs/performance.md']

async function generatedManifests(): Promise<Map<string, string>> {
  const action = await read('action.yml')
  const run = runAction(await read('run/action.yml'), await read('create/action.yml'), action)
  const workflow = '.github/workflows/prediction.yml'
  return new Map([
    ['wait/action.yml', waitAction(action)],
    ['run/action.yml', run],
    [workflow, reusableWorkflow(await read(workflow), { run: parse(run), wait: parse(action) })],
  ])
}

const generatedDocuments = async (): Promise<Map<string, string>> =>
  new Map(await Promise.all(DOCUMENTS.map(async (name) => [name, await refreshed(await read(name))] as const)))

/** The generated files, each with what it should be. */
export const generated = async (): Promise<Map<string, string>> =>
  new Map([...(await generatedManifests()), ...(await generatedDocuments())])

if (import.meta.main) {
  // The documents are made from the manifests as they are written.
  for (const make of [generatedManifests, generatedDocuments]) {
    for (const [name, content] of await make()) await writeFile(path.join(ROOT, name), content)
  }
}
