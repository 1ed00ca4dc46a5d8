import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { ModelInputError } from '../../src/runner/embedded-files.ts'
import { asSubject, mapping, readInputFile } from '../../src/runner/model-input.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

describe('a file of inputs', () => {
  test('a file of inputs is read as JSON or YAML', async () => {
    await using folder = await temporaryFolder()
    await writeFile(folder.file('a.json'), '{"hero":{"prompt":"蛋糕"}}')
    await writeFile(folder.file('a.yaml'), 'hero:\n  prompt: 蛋糕\n')
    for (const name of ['a.json', 'a.yaml']) {
      assert.deepEqual(await readInputFile(name, folder.path), { hero: { prompt: '蛋糕' } })
    }
  })

  test('a file of another format or without UTF-8 is refused', async () => {
    await using folder = await temporaryFolder()
    for (const name of ['a.jsonl', 'a.ndjson', 'a.csv', 'a.TSV']) {
      await writeFile(folder.file(name), '{}')
      await assert.rejects(readInputFile(name, folder.path), {
        name: 'ModelInputError',
        message: `The file ${name} cannot be read as ${name.slice(2).toLowerCase()}. Use a JSON or YAML file.`,
      })
    }
    await writeFile(folder.file('gbk.yaml'), Buffer.from([0xb5, 0xb0]))
    await assert.rejects(readInputFile('gbk.yaml', folder.path), {
      message: 'The file gbk.yaml is not encoded in UTF-8. Save it as UTF-8.',
    })
  })

  test('a file that cannot be read is named with the reason', async () => {
    await using folder = await temporaryFolder()
    await mkdir(folder.file('folder.json'))
    await assert.rejects(readInputFile('folder.json', folder.path), {
      name: 'ModelInputError',
      message: 'folder.json is not a file.',
    })
    for (const name of ['../outside.json', 'nothing.json']) {
      await assert.rejects(readInputFile(name, folder.path), (error: Error) => {
        assert.ok(error instanceof ModelInputError)
        assert.doesNotMatch(error.message, /could not be read/)
        return true
      })
    }
    await writeFile(folder.file('broken.json'), '{"hero": ')
    await assert.rejects(readInputFile('broken.json', folder.path), /^ModelInputError: In the file broken\.json: /)
  })
})

describe('a mapping', () => {
  test('a mapping is returned as it is', () => {
    const value = { a: 1 }
    assert.equal(mapping(value, 'input'), value)
  })

  test('a mapping is asked for if the value is something else', () => {
    const raw = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON('1')
    for (const [value, kind] of [
      [null, 'nothing'],
      [[1], 'a list'],
      ['text', 'a string'],
      [1, 'a number'],
      [raw, 'a number'],
      [true, 'a boolean'],
    ]) {
      assert.throws(() => mapping(value, 'the file a.json'), {
        name: 'ModelInputError',
        message: `The file a.json is not a mapping but ${kind}. Use a mapping from names to values, as JSON or YAML.`,
      })
    }
    assert.throws(() => mapping(null, 'input'), /^ModelInputError: input is not a mapping but nothing\./)
  })

  test('the name of an input keeps its case at the start of a sentence', () => {
    assert.equal(asSubject('the file a.json'), 'The file a.json')
    assert.equal(asSubject('inputs.the hero'), 'inputs.the hero')
  })
})
