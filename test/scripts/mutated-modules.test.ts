import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { MODULES } from '../../scripts/mutated-modules.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')

test('every module that is mutated has tests that judge it', () => {
  const missing = MODULES.flatMap(({ file, tests }) =>
    [file, ...tests].filter((name) => !existsSync(path.join(ROOT, name))),
  )
  assert.deepEqual(missing, [], 'name its tests in scripts/mutated-modules.ts, or leave it out there with the reason')
})
