import assert from 'node:assert/strict'
import { glob, readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'

const ROOT = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFile(path.join(ROOT, name), 'utf8')

test('every row of the threat model names tests, and every one of them exists', async () => {
  let code = ''
  for await (const file of glob('test/**/*.test.ts', { cwd: ROOT })) code += await read(file)
  const table = (await read('SECURITY.md'))
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(2)
  assert.ok(table.length > 8)
  for (const row of table) {
    const names = [...(row.split(' | ').at(-1) ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? '')
    assert.ok(names.length > 0, `no test is named in: ${row}`)
    for (const name of names)
      assert.ok(code.includes(`test('${name}'`) || code.includes(`test(\`${name}\``), `there is no test named: ${name}`)
  }
})
