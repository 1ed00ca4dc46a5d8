/**
 * Builds dist: the bundle of src/index.ts, a file for each entry in it, THIRD-PARTY-NOTICES.txt with the license of
 * every package whose code is there, and README.md with their versions, sizes and reasons.
 * `node scripts/build.ts [folder]`; the folder is dist unless another is named.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import ncc, { type Bundle, type WebpackModule } from '@vercel/ncc'
import { minify } from 'terser'
import { addSizes, describeDependencies, packageOf } from './dependencies.ts'

const root = path.resolve(import.meta.dirname, '..')
const target = path.resolve(process.argv[2] ?? path.join(root, 'dist'))

const bundle = await ncc(path.join(root, 'src/index.ts'), {
  cache: false,
  minify: true,
  quiet: true,
  sourceMap: true,
  sourceMapRegister: false,
})
await rm(target, { recursive: true, force: true })
await mkdir(target, { recursive: true })
const files = new Map([['index.js', { code: withoutMapLink(bundle.code), map: bundle.map ?? '' }]])
for (const [name, { source }] of Object.entries(bundle.assets)) {
  if (name.endsWith('.js')) {
    files.set(name, await minified(String(source), String(bundle.assets[`${name}.map`]?.source)))
  }
}
const sizes = new Map<string, number>()
// The maps tell what the bytes are of; they are not shipped.
for (const [name, { code, map }] of files) {
  await writeFile(path.join(target, name), code)
  addSizes(sizes, code, JSON.parse(map))
}
for (const entry of Object.keys(await import('../src/index.ts'))) {
  await writeFile(path.join(target, `${entry}.js`), `import { ${entry} } from './index.js'\nawait ${entry}()\n`)
}
await writeFile(path.join(target, 'package.json'), '{ "type": "module" }\n')
await writeFile(path.join(target, 'THIRD-PARTY-NOTICES.txt'), await notices(packagesIn(bundle.stats)))
await writeFile(
  path.join(target, 'README.md'),
  `# dist\n\nBuilt by \`npm run build\` from \`src\` and these packages; sizes are those of their minified code.\n\n${await describeDependencies(sizes)}`,
)

function withoutMapLink(code: string): string {
  return code.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n')
}

/** The folders of the packages that have a module in the bundle, such as `node_modules/@actions/core`. */
function packagesIn(stats: Bundle['stats']): string[] {
  const folders = new Set<string>()
  const collect = (modules: readonly WebpackModule[] = []): void => {
    for (const each of modules) {
      const folder = packageOf(each.nameForCondition ?? '')
      if (folder !== undefined && each.modules === undefined) folders.add(folder)
      collect(each.modules)
    }
  }
  collect(
    stats.toJson({ all: false, modules: true, nestedModules: true, modulesSpace: 1e6, nestedModulesSpace: 1e6 })
      .modules,
  )
  return [...folders].sort()
}

/** ncc minifies only the entry, not the chunks that are loaded when they are wanted. */
async function minified(code: string, content: string): Promise<{ code: string; map: string }> {
  const small = await minify(withoutMapLink(code), { module: true, sourceMap: { content } })
  return { code: `${small.code}\n`, map: String(small.map) }
}

async function notices(folders: readonly string[]): Promise<string> {
  const parts = await Promise.all(
    folders.map(async (folder) => {
      const { name, version, license } = JSON.parse(await readFile(path.join(root, folder, 'package.json'), 'utf8'))
      const files = await readdir(path.join(root, folder))
      const file = files.filter((each) => /^(licen[cs]e|copying)/i.test(each)).sort()[0]
      const text = file === undefined ? `License: ${license}` : await readFile(path.join(root, folder, file), 'utf8')
      return `${name} ${version}\n${'-'.repeat(72)}\n${text.replaceAll('\r\n', '\n').trim()}\n`
    }),
  )
  return `The bundle in this folder contains code of these packages.\n\n${parts.join('\n')}`
}
