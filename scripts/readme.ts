/**
 * Writes what README.md takes from other files, each between a pair of markers: the inputs and outputs from the
 * action.yml files, the packages in dist, and the tables of bench/results.json. `npm run readme`
 */
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parse } from 'yaml'
import { type Section, tableOf } from '../bench/report.ts'
import { MIXES } from '../bench/workload.ts'

const ROOT = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFile(path.join(ROOT, name), 'utf8')

/** Why each package ships. */
const REASONS: Readonly<Record<string, string>> = {
  '@actions/artifact': 'uploads workflow artifacts; loaded when one is wanted',
  '@actions/core': "inputs, outputs, masks and groups, by the runner's own rules",
  '@actions/github': 'attaches files to a release; loaded when one is wanted',
  'eventsource-parser': 'reads the stream of a prediction; loaded when it has one',
  'file-type': 'tells the type of a file by its content; loaded when files are saved',
  'image-size': 'reads width and height of pictures; loaded when files are saved',
  undici:
    'requests with a proxy and a check of the address that is connected to, which the built-in `fetch` does not offer',
  yaml: 'reads `input` of `create`',
  zod: 'checks inputs and answers of the API',
}

interface Manifest {
  inputs: Record<string, { description: string; required: boolean; default?: string }>
  outputs: Record<string, { description: string }>
}

interface LockedPackage {
  version: string
  license?: string
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [head, head.map(() => '---'), ...rows]
    .map((row) => `| ${row.map((cell) => cell.trim().replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')

const code = (text: string) => (text === '' ? '' : `\`${text}\``)

async function interfaceOf(file: string): Promise<{ inputs: string; outputs: string }> {
  const { inputs, outputs }: Manifest = parse(await read(file))
  return {
    inputs: table(
      ['input', 'default', 'meaning'],
      Object.entries(inputs).map(([name, { description, required, default: value = '' }]) => [
        code(name),
        required ? 'required' : code(value),
        description,
      ]),
    ),
    outputs: table(
      ['output', 'value'],
      Object.entries(outputs).map(([name, { description }]) => [code(name), description]),
    ),
  }
}

/** The packages that a package brings with it, by their folders, up to those that we name ourselves. */
function broughtBy(start: string, packages: Readonly<Record<string, LockedPackage>>, named: ReadonlySet<string>) {
  const found = new Set<string>()
  const visit = (folder: string) => {
    const { dependencies, optionalDependencies, peerDependencies } = packages[folder] ?? {}
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      // As Node finds it: in the node_modules of the package, then of each folder above.
      let above = folder
      while (above !== '' && !(`${above}/node_modules/${name}` in packages))
        above = above.slice(0, Math.max(0, above.lastIndexOf('/node_modules/')))
      const next = above === '' ? `node_modules/${name}` : `${above}/node_modules/${name}`
      if (!(next in packages) || named.has(next) || found.has(next)) continue
      found.add(next)
      visit(next)
    }
  }
  visit(start)
  return found
}

async function dependencies(): Promise<string> {
  const { dependencies: declared }: { dependencies: Record<string, string> } = JSON.parse(await read('package.json'))
  const { packages }: { packages: Record<string, LockedPackage> } = JSON.parse(await read('package-lock.json'))
  const sizes = new Map<string, number>(Object.entries(JSON.parse(await read('dist/sizes.json'))))
  const names = Object.keys(declared).sort()
  const named = new Set(names.map((name) => `node_modules/${name}`))
  const brought = new Map(names.map((name) => [name, broughtBy(`node_modules/${name}`, packages, named)]))
  const inside = [...sizes.keys()].filter((folder) => folder !== '' && !named.has(folder))
  const bringers = (folder: string) => names.filter((name) => brought.get(name)?.has(folder))
  const sum = (folders: readonly string[]) => folders.reduce((total, folder) => total + (sizes.get(folder) ?? 0), 0)
  const kB = (bytes: number) => (bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0)
  const licences = (folders: readonly string[]) =>
    [...new Set(folders.map((folder) => packages[folder]?.license ?? 'none stated'))].sort().join(', ')
  const row = (name: string, version: string, folders: readonly string[], why: string) => [
    name,
    version,
    licences(folders),
    kB(sum(folders)),
    why,
  ]
  const own = names.map((name) => {
    const folder = `node_modules/${name}`
    const alone = inside.filter((each) => bringers(each).join() === name)
    const count = alone.length === 0 ? '' : ` and ${alone.length} that it brings`
    return row(code(name) + count, packages[folder]?.version ?? '', [folder, ...alone], REASONS[name] ?? '')
  })
  const shared = inside.filter((folder) => bringers(folder).length !== 1)
  return table(
    ['package', 'version', 'licence', 'kB', 'why'],
    [
      ...own,
      row(`${shared.length} that several of them bring`, '', shared, ''),
      ['our own code, and what ties the bundles together', '', 'MIT', kB(sizes.get('') ?? 0), ''],
      ['**all**', '', '', kB(sum([...sizes.keys()])), ''],
    ],
  )
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
    dependencies: await dependencies(),
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
