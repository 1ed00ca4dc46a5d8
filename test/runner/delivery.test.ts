import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/predictions/clock.ts'
import { readContext } from '../../src/runner/context.ts'
import { deliver, nothingDelivered, wantsFiles } from '../../src/runner/delivery.ts'
import { hideKey } from '../../src/runner/secrets.ts'

const NOTHING = { artifact: undefined, release: undefined, download: { directory: undefined } }

test('files are wanted for a folder, an artifact or a release', () => {
  const wants = (inputs: object) => wantsFiles({ ...NOTHING, ...inputs } as never)
  assert.equal(wants({}), false)
  assert.equal(wants({ artifact: {} }), true)
  assert.equal(wants({ release: {} }), true)
  assert.equal(wants({ download: { directory: '/out' } }), true)
})

test('a step without files delivers nothing', () => {
  const { incomplete, ...lists } = nothingDelivered
  assert.equal(incomplete.size, 0)
  assert.deepEqual(lists, { files: [], artifacts: [], releaseUrls: [], failures: [] })
})

test('a delivery has what was saved and what was uploaded, and no key in its failures', async () => {
  hideKey('r8_secret_0123456789')
  const file = { path: '/out/a.png', name: 'a.png' }
  const saving = {
    finish: async () => ({
      files: [file],
      failures: [{ title: 'File not saved', message: 'File 1 (r8_secret_0123456789) was not saved.' }],
      incomplete: new Set(['a']),
    }),
  }
  const release = { tag: 'v1', token: '', overwrite: false }
  const around = { clock: systemClock, signal: new AbortController().signal, runner: readContext({}) }
  const inputs = { ...NOTHING, release, download: { directory: '/out' } }
  assert.deepEqual(await deliver([], saving as never, inputs as never, around), {
    files: [file],
    artifacts: [],
    releaseUrls: [],
    incomplete: new Set(['a']),
    failures: [
      { title: 'File not saved', message: 'File 1 (***) was not saved.' },
      {
        title: 'Files not attached to the release',
        message: 'github-token is empty, but it is required to change a release.',
      },
    ],
  })
})
