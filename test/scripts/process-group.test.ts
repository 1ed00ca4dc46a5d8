import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { succeedsInTime } from '../../scripts/process-group.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const script = (text: string) => ['--eval', text]
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** A process that has a child and writes down which, then does something else. */
const withChild = (after: string) => `
  const child = require('node:child_process').spawn('sleep', ['600'], { stdio: 'ignore' })
  require('node:fs').writeFileSync(process.env.PID_FILE, String(child.pid))
  ${after}`

describe('a command in a process group', () => {
  test('a command succeeds if it exits with 0', async () => {
    assert.equal(await succeedsInTime(script(''), 60, {}), true)
    assert.equal(await succeedsInTime(script('process.exit(1)'), 60, {}), false)
  })
  for (const [end, after, limit] of [
    ['its time is over', 'for (;;);', 5],
    ['it exits', 'process.exit(0)', 60],
  ] as const) {
    test(`a command leaves no process behind when ${end}`, async () => {
      await using folder = await temporaryFolder()
      const file = path.join(folder.path, 'pid')
      const env = { ...process.env, PID_FILE: file }
      assert.equal(await succeedsInTime(script(withChild(after)), limit, { env }), after.includes('exit'))
      const child = Number(await readFile(file, 'utf8'))
      while (isAlive(child)) await new Promise((resolve) => setImmediate(resolve))
    })
  }
})
