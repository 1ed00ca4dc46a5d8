/** The packages in dist: how many bytes of the bundle come from which, by their source maps, and why they are there. */
import { readFile } from 'node:fs/promises'
import { SourceMap, type SourceMapPayload } from 'node:module'
import path from 'node:path'
import { markdownTable } from '../bench/report.ts'

const ROOT = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFile(path.join(ROOT, name), 'utf8')

/** Why each package ships. */
const REASONS: Readonly<Record<string, string>> = {
  '@actions/artifact': 'uploads workflow artifacts on GitHub; loaded when one is wanted',
  '@actions/core': "inputs, outputs, masks and groups, by the runner's own rules",
  '@actions/github': 'attaches files to a release; loaded when one is wanted',
  'eventsource-parser': 'reads the stream of a prediction; loaded when it has one',
  'file-type': 'detects the type of a file from its content; loaded when files are saved',
  'image-size': 'reads width and height of pictures; loaded when files are saved',
  undici:
    'requests with a proxy and a check of the address that is connected to, which the built-in `fetch` does not offer',
  yaml: 'reads `input` of `create`',
  yazl: 'makes the zip of an artifact on Gitea and Forgejo, whose hosts `@actions/artifact` refuses; loaded when one is wanted',
  zod: 'checks inputs and responses of the API',
}

interface LockedPackage {
  version: string
  license?: string
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}

/** The package folder of a source, such as `node_modules/@actions/core`; undefined for what is not of a package. */
export function packageOf(source: string): string | undefined {
  const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(source)?.[0]
  return folder?.slice(folder.indexOf('node_modules/'))
}

/** Adds to the bytes of each package those of a file. What is of no package counts under the empty name. */
export function addSizes(sizes: Map<string, number>, code: string, map: SourceMapPayload): void {
  const sourceMap = new SourceMap(map)
  for (const [row, line] of code.split('\n').entries()) {
    for (let column = 0; column < line.length; column++) {
      const entry = sourceMap.findEntry(row, column)
      const name = ('originalSource' in entry && packageOf(entry.originalSource)) || ''
      sizes.set(name, (sizes.get(name) ?? 0) + Buffer.byteLength(line.charAt(column)))
    }
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
      while (above !== '' && !(`${above}/node_modules/${name}` in packages)) {
        above = above.slice(0, Math.max(0, above.lastIndexOf('/node_modules/')))
      }
      const next = above === '' ? `node_modules/${name}` : `${above}/node_modules/${name}`
      if (!(next in packages) || named.has(next) || found.has(next)) continue
      found.add(next)
      visit(next)
    }
  }
  visit(start)
  return found
}

/**
 * The packages in dist as Markdown: each that package.json names, with what only it brings, and the rest.
 * @param sizes bytes in dist by package folder, as {@link addSizes} counts them
 */
export async function describeDependencies(sizes: ReadonlyMap<string, number>): Promise<string> {
  const { dependencies: declared }: { dependencies: Record<string, string> } = JSON.parse(await read('package.json'))
  const { packages }: { packages: Record<string, LockedPackage> } = JSON.parse(await read('package-lock.json'))
  const names = Object.keys(declared).sort()
  const named = new Set(names.map((name) => `node_modules/${name}`))
  const brought = new Map(names.map((name) => [name, broughtBy(`node_modules/${name}`, packages, named)]))
  const inside = [...sizes.keys()].filter((folder) => folder !== '' && !named.has(folder))
  const bringers = (folder: string) => names.filter((name) => brought.get(name)?.has(folder))
  const sum = (folders: readonly string[]) => folders.reduce((total, folder) => total + (sizes.get(folder) ?? 0), 0)
  const kB = (bytes: number) => (bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0)
  const licenses = (folders: readonly string[]) =>
    [...new Set(folders.map((folder) => packages[folder]?.license ?? 'none stated'))].sort().join(', ')
  const row = (name: string, version: string, folders: readonly string[], why: string) => [
    name,
    version,
    licenses(folders),
    kB(sum(folders)),
    why,
  ]
  const own = names.map((name) => {
    const folder = `node_modules/${name}`
    const alone = inside.filter((each) => bringers(each).join() === name)
    const why = REASONS[name]
    if (why === undefined) throw new Error(`scripts/dependencies.ts gives no reason why ${name} ships`)
    const count = alone.length === 0 ? '' : ` and ${alone.length} dependencies of it`
    return row(`\`${name}\`${count}`, packages[folder]?.version ?? '', [folder, ...alone], why)
  })
  const shared = inside.filter((folder) => bringers(folder).length !== 1)
  return markdownTable(
    ['package', 'version', 'license', 'kB', 'why'],
    [
      ...own,
      row(`${shared.length} dependencies of several of them`, '', shared, ''),
      ['the code of this action, and what ties the bundle together', '', 'MIT', kB(sizes.get('') ?? 0), ''],
      ['**all**', '', '', kB(sum([...sizes.keys()])), ''],
    ],
  )
}
