import assert from 'node:assert/strict'
import { glob, readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'

const ROOT = path.resolve(import.meta.dirname, '..')

/** The files of src/ that have the pattern. */
async function having(pattern: RegExp): Promise<string[]> {
  const found: string[] = []
  for await (const file of glob('src/**/*.ts', { cwd: ROOT })) {
    if (pattern.test(await readFile(path.join(ROOT, file), 'utf8'))) found.push(file.replaceAll('\\', '/'))
  }
  return found.sort()
}

// What Biome checks too is not here: console, process.env, and the printing functions of @actions/core.
describe('the sources', () => {
  test('write to standard output in print.ts only', async () => {
    assert.deepEqual(await having(/\bstd(?:out|err)\b/), ['src/runner/print.ts'])
  })
  test('set the exit code of the process in failure.ts only, and end it in interrupt.ts only', async () => {
    assert.deepEqual(await having(/\bexitCode\b|\bsetFailed\b/), ['src/runner/failure.ts'])
    assert.deepEqual(await having(/\bprocess\.(?:exit|kill|abort)\(/), ['src/runner/interrupt.ts'])
  })
})
