import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { MODULES } from '../../scripts/mutated-modules.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')

test('every mutated module and each of its tests exists', () => {
  const missing = MODULES.flatMap(({ file, tests }) =>
    [file, ...tests].filter((name) => !existsSync(path.join(ROOT, name))),
  )
  assert.deepEqual(missing, [], 'name its tests in scripts/mutated-modules.ts, or leave it out there with the reason')
})

test('every mutated module has a score in CONTRIBUTING.md, and none is below the one that it requires', async () => {
  const document = await readFile(path.join(ROOT, 'CONTRIBUTING.md'), 'utf8')
  const rows = [...document.matchAll(/^\| `(src[^`]+)` \| \d+ \| \d+ \| (\d+) \| \d+ \|$/gm)]
  const scored = new Set(rows.map(([, file]) => file))
  const missing = MODULES.map(({ file }) => file).filter((file) => !scored.has(file))
  assert.deepEqual(missing, [], 'run npm run mutation with its name')
  const low = rows.flatMap(([, file = '', killed]) => {
    const module = MODULES.find((each) => each.file === file)
    return module && Number(killed) >= module.least ? [] : `${file}: ${killed}`
  })
  assert.deepEqual(low, [], 'run npm run mutation with its name')
})
