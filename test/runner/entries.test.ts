import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { exactNumber } from '../../src/predictions/json/numbers.ts'
import {
  contentOf,
  EMBEDDED_LIMIT,
  LargeFile,
  MENTIONS_LIMIT,
  MOST_MENTIONS,
  ModelInputError,
  resolveLargeFiles,
} from '../../src/runner/embedded-files.ts'
import { type InputTexts, MOST_ENTRIES, readEntries } from '../../src/runner/entries.ts'
import { testFolder } from '../support/temporary-folder.ts'

const workspace = await testFolder('entries')
const put = async (name: string, content: string | Buffer) => {
  await mkdir(path.dirname(path.join(workspace, name)), { recursive: true })
  await writeFile(path.join(workspace, name), content)
}
const read = (texts: Partial<InputTexts>) =>
  readEntries({ input: '', inputFile: '', inputs: '', inputsFile: '', ...texts }, workspace, 'flux-schnell')
const refused = (texts: Partial<InputTexts>, message: RegExp) =>
  assert.rejects(read(texts), (error) => {
    assert.ok(error instanceof ModelInputError)
    assert.match(error.message, message)
    return true
  })

describe('what is run', () => {
  test('a single input is named after the model', async () => {
    assert.deepEqual(await read({ input: 'prompt: "a cake"' }), [{ name: 'flux-schnell', input: { prompt: 'a cake' } }])
  })

  test('a mapping in inputs gives entries with names, which override the shared input', async () => {
    await put('shared.yml', 'steps: 4\nformat: png')
    const entries = await read({
      inputFile: 'shared.yml',
      input: 'format: "webp"',
      inputs: 'hero: {prompt: "a cake"}\nlogo: {prompt: "a pie", steps: 8}',
    })
    assert.deepEqual(entries, [
      { name: 'hero', input: { steps: 4, format: 'webp', prompt: 'a cake' } },
      { name: 'logo', input: { steps: 8, format: 'webp', prompt: 'a pie' } },
    ])
  })

  test('the entries of a list are named by number', async () => {
    const entries = await read({ inputs: '[{"prompt": "a"}, {"prompt": "b"}]' })
    assert.deepEqual(
      entries.map(({ name }) => name),
      ['1', '2'],
    )
  })

  test('inputs-file and inputs are merged, and inputs takes precedence', async () => {
    await put('pictures.yml', 'hero:\n  prompt: a cake # a comment\n  steps: 1\nlogo:\n  prompt: a pie')
    const entries = await read({ inputsFile: 'pictures.yml', inputs: 'hero: {steps: 2}\nicon: {prompt: "x"}' })
    assert.deepEqual(entries, [
      { name: 'hero', input: { prompt: 'a cake', steps: 2 } },
      { name: 'logo', input: { prompt: 'a pie' } },
      { name: 'icon', input: { prompt: 'x' } },
    ])
  })

  test('an empty mapping or list in inputs starts nothing', async () => {
    assert.deepEqual(await read({ inputs: '[]' }), [])
    assert.deepEqual(await read({ inputs: '{}' }), [])
  })

  test('a step without any input is refused, because an expression may have had no value', async () => {
    const message = /^None of input, input-file, inputs and inputs-file is set\. For a model .*, set input: "\{\}"\.$/
    await refused({}, message)
    await refused({ input: '\n', inputs: ' ' }, message)
    assert.deepEqual(await read({ input: '{}' }), [{ name: 'flux-schnell', input: {} }])
  })

  test('a step has at most 500 entries', async () => {
    const inputs = (count: number) => JSON.stringify(Array.from({ length: count }, (_, i) => ({ seed: i })))
    assert.equal((await read({ inputs: inputs(MOST_ENTRIES) })).length, 500)
    await refused(
      { inputs: inputs(MOST_ENTRIES + 1) },
      /^inputs has 501 entries, but one step starts at most 500 predictions/,
    )
  })

  for (const [name, texts, message] of [
    [
      'an entry that is a text',
      { inputs: 'prompt: "a cake"' },
      /^inputs\.prompt is not a mapping\..*did you mean `input`\?$/,
    ],
    ['a list of texts', { inputs: '["a cake"]' }, /^inputs\[0\] is not a mapping/],
    ['a text instead of a mapping', { inputs: 'a cake' }, /^inputs is neither a mapping nor a list/],
    [
      'names that differ by case',
      { inputs: 'Hero: {a: 1}\nhero: {a: 2}' },
      /^The names "Hero" and "hero" in inputs would be the same file name/,
    ],
    ['names that become the same file name', { inputs: '"a/b": {a: 1}\n"a:b": {a: 2}' }, /would be the same file name/],
    ['an empty name', { inputs: '" ": {a: 1}' }, /^A name in inputs is empty/],
    ['a JSONL file in inputs-file', { inputsFile: 'pictures.jsonl' }, /cannot be read as jsonl/],
    ['a JSONL file in input-file', { inputFile: 'hero.jsonl' }, /cannot be read as jsonl/],
    ['a CSV file', { inputsFile: 'pictures.CSV' }, /cannot be read as csv/],
    ['a list in input', { input: '[1]' }, /^input is not a mapping but a list/],
    ['a missing file', { inputs: 'hero: {image: "@none.png"}' }, /^inputs\.hero\.image: There is no file none\.png/],
  ] as const) {
    test(`inputs are refused: ${name}`, () => refused(texts, message))
  }

  test('a mapping and a list cannot be merged', async () => {
    await put('list.yml', '- {prompt: a}')
    await refused({ inputsFile: 'list.yml', inputs: 'hero: {a: 1}' }, /is a mapping, the other a list/)
  })
})

test('an invalid entry of a file is reported with the name of the file', async () => {
  await put('texts.yml', 'hero: {prompt: a}\nlogo: a pie')
  await refused({ inputsFile: 'texts.yml' }, /^texts\.yml: inputs\.logo is not a mapping/)
  await put('text.yml', 'a pie')
  await refused({ inputsFile: 'text.yml' }, /^The file text\.yml is neither a mapping nor a list/)
  await refused({ inputFile: 'text.yml' }, /^The file text\.yml is not a mapping but a string/)
  await refused(
    { inputsFile: 'none.yml' },
    /^There is no file none\.yml in the workspace\..*actions\/checkout before this step\.$/,
  )
})

test('a large number is not taken for a mapping', async () => {
  const long = '18446744073709551615'
  await refused({ input: long }, /^input is not a mapping but a number\./)
  await refused({ inputs: long }, /^inputs is neither a mapping nor a list\./)
  await refused({ inputs: `{"hero": ${long}}` }, /^inputs\.hero is not a mapping\./)
  const input = { seed: exactNumber(long) }
  assert.deepEqual(await read({ inputs: `{"inputs": {"seed": ${long}}}` }), [{ name: 'inputs', input }])
})

test('entries under a top-level key "inputs" are refused, because they would run as one input', async () => {
  await put('nested.yml', 'inputs:\n  hero: {prompt: a}\n  logo: {prompt: b}')
  const message =
    /^The file nested\.yml has all entries under the key "inputs"\. Remove this key, so that they are at the top\.$/
  await refused({ inputsFile: 'nested.yml' }, message)
  await refused({ inputs: 'inputs: {hero: {prompt: "a"}}' }, /^inputs has all entries under the key "inputs"/)
  const input = { prompt: 'a', size: { width: 8 } }
  assert.deepEqual(await read({ inputs: JSON.stringify({ inputs: input }) }), [{ name: 'inputs', input }])
  assert.deepEqual(await read({ inputs: '{"inputs": {}}' }), [{ name: 'inputs', input: {} }])
})

test('a file that is not encoded in UTF-8 is refused', async () => {
  const text = 'hero: {prompt: "un gâteau"}'
  const encodings = { utf16: Buffer.from(`\ufeff${text}`, 'utf16le'), latin1: Buffer.from(text, 'latin1') }
  for (const [name, bytes] of Object.entries(encodings)) {
    await put(`${name}.yml`, bytes)
    for (const texts of [{ inputsFile: `${name}.yml` }, { inputFile: `${name}.yml` }]) {
      await refused(texts, new RegExp(`^The file ${name}\\.yml is not encoded in UTF-8\\. Save it as UTF-8\\.$`))
    }
  }
  await put('bom.yml', `\ufeff${text}`)
  assert.deepEqual(await read({ inputsFile: 'bom.yml' }), [{ name: 'hero', input: { prompt: 'un gâteau' } }])
})

describe('files in an input', () => {
  test('a missing file in an input is reported with the way to write an @', () =>
    refused(
      { inputs: '{"hero": {"images": [{"url": "@none.png"}]}}' },
      /^inputs\.hero\.images\[0\]\.url: There is no file none\.png.*write @@ for/,
    ))

  test('a file that cannot be read or uploaded when it is sent is reported with its place', async () => {
    await put('large.bin', Buffer.alloc(2 ** 20 + 1, 1))
    const [entry] = await read({ inputs: 'hero: {image: "@large.bin"}' })
    const notTaken = async () => ({ refusal: 'Use its URL.' })
    await assert.rejects(
      resolveLargeFiles(entry?.input, notTaken),
      /^ModelInputError: inputs\.hero\.image: The file large\.bin has 1048577 bytes\. This API did not accept it as an upload/,
    )
    await rm(path.join(workspace, 'large.bin'))
    const upload = async (file: LargeFile) => ({ url: String(await contentOf(file)) })
    await assert.rejects(
      resolveLargeFiles(entry?.input, upload),
      /^ModelInputError: inputs\.hero\.image: The file large\.bin could not be read/,
    )
  })

  test('files in an input are embedded up to 256 KiB, and larger ones are left for an upload', async () => {
    await put('small.png', Buffer.alloc(EMBEDDED_LIMIT, 1))
    await put('large.bin', Buffer.alloc(EMBEDDED_LIMIT + 1, 1))
    const [entry] = await read({ input: '{"image": "@small.png", "weights": ["@large.bin"], "handle": "@@home"}' })
    assert.match(String(entry?.input.image), /^data:image\/png;base64,AQEB/)
    const weights = [entry?.input.weights].flat()[0]
    assert.ok(weights instanceof LargeFile)
    assert.deepEqual([weights.name, weights.size, weights.type], ['large.bin', 262_145, 'application/octet-stream'])
    assert.equal(entry?.input.handle, '@home')
  })

  test('files in inputs are counted as often as they are referenced', async () => {
    await put('tiny.png', 'x')
    const mentions = (count: number) => JSON.stringify({ images: Array.from({ length: count }, () => '@tiny.png') })
    await read({ input: mentions(MOST_MENTIONS) })
    await refused(
      { input: mentions(MOST_MENTIONS + 1) },
      /^input\.images\[100\]: More than 100 files are referenced with @/,
    )
  })

  test('files in all inputs of a step share one size limit', async () => {
    await put('half.bin', Buffer.alloc(MENTIONS_LIMIT / 2 + 1))
    await read({ input: '{"a": "@half.bin"}' })
    await refused({ inputs: '[{"a": "@half.bin"}, {"a": "@half.bin"}]' }, /^inputs\.2\.a: .* more than 100 MB in total/)
  })
})
