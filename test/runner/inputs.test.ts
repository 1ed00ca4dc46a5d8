import assert from 'node:assert/strict'
import { homedir } from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import { readContext } from '../../src/runner/context.ts'
import { InputError, readCreateInputs, readInputs, readRunInputs } from '../../src/runner/inputs.ts'
import { redacted } from '../../src/runner/secrets.ts'
import { printed } from '../support/printed.ts'
import { carryOut } from '../support/run-action.ts'

const KEY = 'sk-test-0123456789'
const runner = readContext({ GITHUB_WORKSPACE: '/workspace' })
const source = (given: Record<string, string>) => (name: string) =>
  ({ 'prediction-id': 'abc', 'api-key': KEY, ...given })[name] ?? ''
const read = (given: Record<string, string> = {}) => readInputs(runner, source(given))
const create = (given: Record<string, string>) => readCreateInputs(source(given))

/** The faults of inputs, a line each. */
function faults(act: () => unknown): string[] {
  try {
    act()
  } catch (error) {
    assert.ok(error instanceof InputError)
    return error.message.split('\n')
  }
  return []
}

describe('the inputs of the root action', () => {
  test('the inputs of the root action are grouped by their use', () => {
    const { policy, download, artifact, release } = read({
      'output-dir': 'pictures',
      overwrite: 'true',
      'allowed-hosts': 'cdn.example.com',
      'upload-artifact': 'true',
      'artifact-name': 'mine',
      'retention-days': '3',
      'release-tag': 'v1',
      'github-token': 'ghs_0123456789',
    })
    assert.deepEqual(policy, {
      apiUrl: 'https://api.fuhuapi.com/replicate/v1',
      allowedHosts: ['cdn.example.com'],
    })
    assert.deepEqual(download, {
      directory: path.resolve('/workspace/pictures'),
      fileName: '{id}-{index}',
      maxFileSize: 2e9,
      maxTotalSize: 10e9,
      overwrite: true,
      ifNoFilesFound: 'warn',
    })
    assert.deepEqual(artifact, {
      name: 'mine',
      archive: true,
      retentionDays: 3,
      compressionLevel: 0,
      overwrite: true,
    })
    assert.deepEqual(release, { tag: 'v1', token: 'ghs_0123456789', overwrite: true })
  })

  test('inputs contain no artifact and no release unless they are requested', () => {
    const { artifact, release, download } = read({ 'artifact-name': 'mine', 'github-token': 'ghs_0123456789' })
    assert.deepEqual([artifact, release, download.directory], [undefined, undefined, undefined])
  })

  test('retention-days allows up to 400 days', () => {
    const daysOf = (text: string) => read({ 'upload-artifact': 'true', 'retention-days': text }).artifact?.retentionDays
    assert.deepEqual(['0', '1', '400'].map(daysOf), [undefined, 1, 400])
    for (const wrong of ['401', '-1', '1.5', 'long']) {
      const [, fault] = faults(() => daysOf(wrong))
      assert.match(fault ?? '', /^retention-days: /)
    }
  })

  test('invalid inputs are all reported at once, without the key', () => {
    const [first, ...rest] = faults(() =>
      read({ 'prediction-id': KEY.replace('-', '/'), timeout: `${KEY}!`, 'release-tag': 'v1', archive: 'maybe' }),
    )
    assert.equal(first, '4 inputs are invalid; no request was made.')
    assert.deepEqual(rest.map((line) => line.split(':')[0]).sort(), [
      'archive',
      'github-token',
      'prediction-id',
      'timeout',
    ])
    assert.ok(!rest.join().includes(KEY))
    assert.equal(faults(() => read({ 'poll-interval': '0' }))[0], '1 input is invalid; no request was made.')
  })

  test('both secrets are masked unless they are too short, even if another input is invalid', async () => {
    const masks = async (given: Record<string, string>) =>
      carryOut(await printed(() => faults(() => read(given)))).masks
    assert.deepEqual(await masks({ 'github-token': 'ghs_0123456789', timeout: 'x' }), [KEY, 'ghs_0123456789'])
    assert.deepEqual(await masks({ 'api-key': 'short' }), [])
  })

  test('prediction-id accepts quotes, JSON and any usual separator', () => {
    for (const [given, ids] of [
      ['"abc"', ['abc']],
      ["'abc'", ['abc']],
      ['a，b、c, d\ne a', ['a', 'b', 'c', 'd', 'e']],
      ['["a","b"]', ['a', 'b']],
    ] as const) {
      assert.deepEqual(read({ 'prediction-id': given }).ids, ids, given)
    }
    for (const given of ['null', 'undefined', '[null]', '"null"']) {
      assert.match(
        faults(() => read({ 'prediction-id': given }))[1] ?? '',
        /^prediction-id: .*(Check that step|array of strings)\.$/,
      )
    }
  })

  test('release-tag may start with refs/tags/, and output-dir with ~', () => {
    const inputs = read({ 'release-tag': 'refs/tags/v1', 'github-token': 'ghs_0123456789', 'output-dir': '~/pictures' })
    assert.equal(inputs.release?.tag, 'v1')
    assert.equal(inputs.download.directory, path.join(homedir(), 'pictures'))
  })

  test('a key in quotes is refused, and so is a key of Replicate for another gateway', () => {
    assert.match(faults(() => read({ 'api-key': `"${KEY}"` }))[1] ?? '', /^api-key: is in quotes\./)
    const key = `r8_${'a'.repeat(37)}`
    assert.match(
      faults(() => read({ 'api-key': key }))[1] ?? '',
      /^api-key: .*Add the line api-url: https:\/\/api\.replicate\.com\/v1$/,
    )
    assert.equal(read({ 'api-key': key, 'api-url': 'https://api.replicate.com/v1' }).apiKey, key)
  })

  test('a password in a malformed URL is never printed', () => {
    for (const url of [
      'https:user:PW@h',
      'https:\\\\user:PW@h',
      'https://user:P/W@h',
      'https://us@er:PW@h',
      'user:PW@h',
      'https://u:P?W@h',
    ]) {
      const lines = faults(() => read({ 'api-url': url })).join()
      assert.match(lines, /api-url: /, url)
      assert.doesNotMatch(lines, /P.?W/, url)
    }
  })
})

describe('the inputs of the action that starts predictions', () => {
  test('a create step requires exactly one of model, version and deployment', () => {
    assert.deepEqual(create({ model: 'owner/name' }).target, { model: 'owner/name' })
    assert.deepEqual(create({ model: 'owner/name:v1' }).target, { version: 'v1' })
    assert.deepEqual(create({ version: 'v1' }).target, { version: 'v1' })
    assert.deepEqual(create({ deployment: 'owner/name' }).target, { deployment: 'owner/name' })
    const none = 'model, version, deployment: none of them is set. Set exactly one.'
    assert.deepEqual(faults(() => create({})).slice(1), [none])
    const two = 'model, version, deployment: model and version are set. Set exactly one.'
    assert.deepEqual(faults(() => create({ model: 'owner/name', version: 'v1' })).slice(1), [two])
  })

  test('the only input of a step is named after what it runs, without owner and version', () => {
    for (const [given, name] of [
      [{ model: 'owner/name' }, 'name'],
      [{ model: 'owner/name:v1' }, 'name'],
      [{ deployment: 'owner/other' }, 'other'],
      [{ version: 'v1' }, 'v1'],
    ] as const)
      assert.equal(create(given).modelName, name)
  })

  test('an invalid target is reported as invalid, not as missing', () => {
    assert.deepEqual(faults(() => create({ model: 'x' })).slice(1), ['model: "x" is not of the form owner/name.'])
  })
})

describe('the inputs of the action that starts predictions and waits for them', () => {
  const run = (given: Record<string, string>) =>
    readRunInputs(runner, source({ model: 'owner/name', 'output-dir': 'out', ...given }))

  test('skip-existing requires a folder, and file names that are the same in every run', () => {
    const needsFolder = 'skip-existing: requires output-dir, the folder to look for existing files in.'
    const needsName =
      "skip-existing: requires a file-name with {name} and without {id}, such as '{name}', to recognize existing files."
    for (const [given, expected] of [
      [{ 'file-name': '{name}' }, []],
      [{ 'file-name': '{name}-{index}' }, []],
      [{ 'file-name': '{name}', 'output-dir': '' }, [needsFolder]],
      [{ 'file-name': '{name}-{id}' }, [needsName]],
      [{ 'file-name': '{index}' }, [needsName]],
      [{ 'output-dir': '' }, [needsFolder, needsName]],
    ] as const)
      assert.deepEqual(faults(() => run({ 'skip-existing': 'true', ...given })).slice(1), expected)
    assert.deepEqual(
      faults(() => run({ 'output-dir': '' })),
      [],
    )
  })

  test('a file name that is invalid is reported once', () => {
    const lines = faults(() => run({ 'skip-existing': 'true', 'file-name': '{name}/{nothing}' })).slice(1)
    assert.equal(lines.length, 1)
    assert.match(lines[0] ?? '', /^file-name: /)
  })
})

test('a key of six characters is masked and removed, and a shorter one is neither', async () => {
  const { masks } = carryOut(await printed(() => read({ 'api-key': 'abcdef' })))
  assert.deepEqual([masks, redacted.text('the key abcdef')], [['abcdef'], 'the key ***'])
  const short = carryOut(await printed(() => assert.throws(() => read({ 'api-key': '12345' }), InputError)))
  assert.deepEqual([short.masks, redacted.text('the key 12345')], [[], 'the key 12345'])
})

test('a bug in the reading of inputs is not reported as an invalid input', () => {
  const broken = (name: string) => {
    if (name === 'timeout') throw new TypeError('a bug')
    return source({})(name)
  }
  assert.throws(() => readInputs(runner, broken), TypeError)
})
