/**
 * Builds dist: one bundle for each entry of src, THIRD-PARTY-NOTICES.txt with the licence of every package whose code is
 * in one of them, and README.md with their versions, sizes and reasons. `node scripts/build.ts [folder]`; the folder is
 * dist unless another is named.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import ncc from '@vercel/ncc'
import { minify } from 'terser'
import { addSizes, describeDependencies, packageOf } from './dependencies.ts'

/** The bundles, by the name of their entry in src. */
const ENTRIES = ['create', 'main', 'post']

const root = path.resolve(import.meta.dirname, '..')
const target = path.resolve(process.argv[2] ?? path.join(root, 'dist'))

await rm(target, { recursive: true, force: true })
const packages = new Set<string>()
const sizes = new Map<string, number>()
for (const entry of ENTRIES) {
  const input = path.join(root, 'src', `${entry}.ts`)
  const folder = path.join(target, entry)
  await mkdir(folder, { recursive: true })
  // The map tells which files went in; it is not shipped.
  const bundle = await ncc(input, {
    cache: false,
    minify: true,
    quiet: true,
    sourceMap: true,
    sourceMapRegister: false,
  })
  await writeFile(path.join(folder, 'index.js'), withoutMapLink(bundle.code))
  addSizes(sizes, withoutMapLink(bundle.code), JSON.parse(bundle.map ?? '{}'))
  for (const [name, { source }] of Object.entries(bundle.assets)) {
    if (name.endsWith('.map')) collect(JSON.parse(String(source)))
    else if (name.endsWith('.js')) {
      const { code, map } = await minified(String(source), String(bundle.assets[`${name}.map`]?.source))
      addSizes(sizes, code, JSON.parse(map))
      await writeFile(path.join(folder, name), code)
    } else await writeFile(path.join(folder, name), source)
  }
  collect(JSON.parse(bundle.map ?? '{}'))
}
await writeFile(path.join(target, 'package.json'), '{ "type": "module" }\n')
await writeFile(path.join(target, 'THIRD-PARTY-NOTICES.txt'), await notices([...packages].sort()))
await writeFile(
  path.join(target, 'README.md'),
  `# dist\n\nBuilt by \`npm run build\` from \`src\` and these packages; sizes are those in the bundles.\n\n${await describeDependencies(sizes)}`,
)

function withoutMapLink(code: string): string {
  return code.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n')
}

/** ncc minifies the entry alone, not the chunks that are loaded when they are wanted. */
async function minified(code: string, content: string): Promise<{ code: string; map: string }> {
  const small = await minify(withoutMapLink(code), { module: true, sourceMap: { content } })
  return { code: `${small.code}\n`, map: String(small.map) }
}

/** Adds the package folders, such as `node_modules/@actions/core`, of the sources that a map names. */
function collect(map: { sources?: string[] }): void {
  for (const source of map.sources ?? []) {
    const folder = packageOf(source)
    if (folder !== undefined) packages.add(folder)
  }
}

async function notices(folders: readonly string[]): Promise<string> {
  const parts = await Promise.all(
    folders.map(async (folder) => {
      const { name, version, license } = JSON.parse(await readFile(path.join(root, folder, 'package.json'), 'utf8'))
      const files = await readdir(path.join(root, folder))
      const file = files.filter((each) => /^(licen[cs]e|copying)/i.test(each)).sort()[0]
      const text = file === undefined ? `Licence: ${license}` : await readFile(path.join(root, folder, file), 'utf8')
      return `${name} ${version}\n${'-'.repeat(72)}\n${text.replaceAll('\r\n', '\n').trim()}\n`
    }),
  )
  return `The bundles in this folder contain code of these packages.\n\n${parts.join('\n')}`
}
