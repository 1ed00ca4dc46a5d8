import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dryRun } from '../../src/runner/dry-run.ts'
import { printed } from '../support/printed.ts'

const inputs = { target: { model: 'octo/cakes' }, maxParallel: 4, attempts: 1 }
const plan = (toStart: unknown[], skipped: string[] = []) => ({ toStart, skipped })
const dry = (...[what, how]: [unknown, unknown]) => printed(() => dryRun(what as never, how as never))

test('a dry run prints the name, the target and the names of the values of each input, not the values', async () => {
  const named = [
    { name: 'cake', input: { prompt: 'a secret', width: 512 } },
    { name: 'menu', input: {} },
  ]
  assert.equal(
    await dry(plan(named, ['hero']), { ...inputs, attempts: 3 }),
    [
      'would start cake: model octo/cakes with prompt, width',
      'would start menu: model octo/cakes with no input',
      'Dry run: 2 predictions would be started, 1 already exists, at most 4 at the same time, up to 3 attempts each. Nothing was started.',
      '',
    ].join('\n'),
  )
})

test('a dry run mentions no limit that cannot be reached', async () => {
  assert.match(await dry(plan([], ['a', 'b']), inputs), /^Dry run: 0 predictions would be started, 2 already exist\. /)
  assert.equal(
    await dry(plan([{ name: 'cake', input: {} }]), inputs),
    'would start cake: model octo/cakes with no input\nDry run: 1 prediction would be started. Nothing was started.\n',
  )
})
