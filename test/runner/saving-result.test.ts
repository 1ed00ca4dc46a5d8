import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FileError, type SavedFile } from '../../src/predictions/files/save-one.ts'
import { type Ended, endedOf, nothingSaved, savedOf } from '../../src/runner/saving-result.ts'
import { printed } from '../support/printed.ts'

const ended = (id: string, count: number, fields: Partial<Ended['prediction']> = {}): Ended => ({
  id,
  prediction: { id, status: 'succeeded', ...fields },
  count,
})
const file = (predictionId: string, index = 0) =>
  ({ predictionId, index, name: `${predictionId}-${index}` }) as SavedFile

/** What becomes of a step, and what is printed. */
async function resultOf(
  predictions: readonly Ended[],
  {
    files = [],
    failures = [],
    canceled = 0,
    ifNoFilesFound = 'error',
  }: {
    files?: SavedFile[]
    failures?: FileError[]
    canceled?: number
    ifNoFilesFound?: 'error' | 'warn' | 'ignore'
  } = {},
) {
  let result = nothingSaved([], '')
  const text = await printed(() => {
    const reason = new Error('The runner ends this step.')
    result = savedOf({ files, failures, warnings: [], canceled }, predictions, { ifNoFilesFound, reason })
  })
  return { ...result, incomplete: [...result.incomplete], text }
}

describe('what becomes of a step', () => {
  test('files that were all saved are no failure', async () => {
    const files = [file('a', 0), file('a', 1), file('b')]
    const result = await resultOf([ended('a', 2), ended('b', 1)], { files })
    assert.deepEqual(result, { files, failures: [], incomplete: [], text: '' })
  })

  test('a file that was not saved is a failure, and makes its prediction incomplete', async () => {
    const failures = [new FileError('a', 'File 1', 'it is too large')]
    const result = await resultOf([ended('a', 2), ended('b', 1)], { files: [file('b')], failures })
    assert.deepEqual(result.failures, [
      { title: 'File not saved', message: 'File 1 of prediction a was not saved: it is too large.' },
    ])
    assert.deepEqual(result.incomplete, ['a'])
  })

  test('a prediction with fewer files than links is complete: one of them can be a web page', async () => {
    const { failures, incomplete } = await resultOf([ended('a', 2)], { files: [file('a')] })
    assert.deepEqual([failures, incomplete], [[], []])
  })

  test('files that a cancel has cut off are one failure, and make all predictions incomplete that lack one', async () => {
    const predictions = [ended('whole', 1), ended('part', 2), ended('none', 1), ended('text', 0), ended('no text', 0)]
    const files = [file('whole'), file('part'), file('text')]
    const { failures, incomplete } = await resultOf(predictions, { files, canceled: 3 })
    assert.deepEqual(failures, [{ title: 'Files not saved', message: 'The runner ends this step.' }])
    assert.deepEqual(incomplete, ['part', 'none', 'no text'])
  })

  test('files that failed before a cancel are failures of their own', async () => {
    const failures = [new FileError('a', 'File 0', 'it is too large')]
    const result = await resultOf([ended('a', 1), ended('b', 1)], { failures, canceled: 1 })
    assert.deepEqual(
      result.failures.map(({ title }) => title),
      ['File not saved', 'Files not saved'],
    )
    assert.deepEqual(result.incomplete, ['a', 'b'])
  })

  test('files that the API has deleted are a failure that names each prediction', async () => {
    const gone = { output: null, data_removed: true }
    const { failures, incomplete } = await resultOf([ended('a', 0, gone), ended('b', 1), ended('c', 0, gone)])
    assert.deepEqual(
      failures,
      ['a', 'c'].map((id) => ({
        title: 'Files expired',
        message: `The files of prediction ${id} have expired: the API deletes them one hour after the end. To get them, start a new prediction.`,
      })),
    )
    assert.deepEqual(incomplete, [])
  })
})

describe('a step without files', () => {
  const message = 'No files were found to save: the output is empty.'
  const nothing = [ended('a', 0), ended('b', 0, { status: 'failed' })]

  test('an empty output is a failure, a warning or nothing, as if-no-files-found says', async () => {
    const failed = await resultOf(nothing)
    assert.deepEqual([failed.failures, failed.text], [[{ title: 'No files found', message }], ''])
    const warned = await resultOf(nothing, { ifNoFilesFound: 'warn' })
    assert.deepEqual([warned.failures, warned.text], [[], `::warning::${message}\n`])
    const ignored = await resultOf(nothing, { ifNoFilesFound: 'ignore' })
    assert.deepEqual([ignored.failures, ignored.text], [[], ''])
  })

  test('an empty output is no matter if another prediction has a file, saved or not', async () => {
    const failures = [new FileError('b', 'File 0', 'it is too large')]
    assert.deepEqual((await resultOf(nothing, { files: [file('b')] })).failures, [])
    assert.equal((await resultOf(nothing, { failures })).failures.length, 1)
    assert.equal((await resultOf(nothing, { files: [file('b')], failures })).failures.length, 1)
  })

  test('a step of which no prediction succeeded misses no files', async () => {
    for (const none of [[], [ended('a', 0, { status: 'failed' })]]) {
      const { failures, text } = await resultOf(none, { ifNoFilesFound: 'error' })
      assert.deepEqual([failures, text], [[], ''])
      assert.equal((await resultOf(none, { ifNoFilesFound: 'warn' })).text, '')
    }
  })
})

test('what prevents all files from being saved is one failure, and makes all predictions incomplete', () => {
  assert.deepEqual(nothingSaved([ended('a', 1), ended('b', 0)], new Error('No folder could be created.')), {
    files: [],
    failures: [{ title: 'Files not saved', message: 'No folder could be created.' }],
    incomplete: new Set(['a', 'b']),
  })
})

test('the files of an output are its links and what is embedded in it', () => {
  const output = ['https://cdn.example.com/a.png', 'data:image/png;base64,AAAA', 'data:image/png;base64,AAAB']
  const prediction = { id: 'its own', status: 'succeeded', output }
  assert.deepEqual(endedOf('a', { prediction, body: {} }), { id: 'a', prediction, count: 3 })
})
