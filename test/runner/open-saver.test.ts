import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { videos } from '../../src/predictions/apis/videos.ts'
import { systemClock } from '../../src/predictions/clock.ts'
import type { SaveObserver } from '../../src/predictions/files/save.ts'
import type { HostPolicy } from '../../src/predictions/network/host-policy.ts'
import { readContext } from '../../src/runner/context.ts'
import { type Identities, identitiesByName, identitiesOf } from '../../src/runner/identities.ts'
import { openSaver } from '../../src/runner/open-saver.ts'
import { noRequests } from '../../src/runner/requests.ts'
import { hideKey } from '../../src/runner/secrets.ts'
import { printed } from '../support/printed.ts'
import { type OtherInputs, savingInputs } from '../support/saving-inputs.ts'
import { type FileReaction, type FileRequest, scriptedNetwork } from '../support/scripted-host.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const silent: SaveObserver = { saved() {}, retrying() {}, renamed() {} }
const TEXT: FileReaction = { status: 200, headers: { 'content-type': 'text/plain' }, pieces: ['a cake'] }
const CDN = 'https://cdn.example.com'

interface Options extends OtherInputs {
  workspace?: string
  temp?: string
  identities?: Identities
  react?: (request: FileRequest) => FileReaction
}

/** Saves outputs, each of the prediction of its ID, from a scripted network into a folder. */
async function save(outputs: Readonly<Record<string, unknown>>, folder: string, options: Options = {}) {
  const { workspace = folder, temp = folder, identities, react = () => TEXT, ...inputs } = options
  const runner = { ...readContext({ no_proxy: '*' }), workspace, temp }
  const requests = noRequests()
  const { network, log } = scriptedNetwork(systemClock, react)
  const opened: { policy: HostPolicy; env: unknown }[] = []
  const saver = await openSaver(savingInputs(folder, inputs), identities ?? identitiesOf(Object.keys(outputs)), {
    ...{ clock: systemClock, signal: new AbortController().signal, runner, requests },
    ...{ deadline: Number.POSITIVE_INFINITY, observer: silent },
    openNetwork(policy, env) {
      opened.push({ policy, env })
      return network
    },
  })
  for (const [id, output] of Object.entries(outputs)) saver.add({ id, output })
  const { files, failures } = await saver.finish()
  return { files, names: files.map(({ name }) => name), failures, log, opened, requests, runner }
}

test('files are fetched over one network of the policy and the environment, without the key, and each request counts', async () => {
  await using folder = await temporaryFolder()
  const policy = { apiUrl: 'https://api.example.com/v1', allowedHosts: ['*.example.com'] }
  const { names, opened, requests, runner, log } = await save({ a: `${CDN}/old`, b: `${CDN}/b` }, folder.path, {
    policy,
    react: ({ url }) => (url.endsWith('/old') ? { status: 302, headers: { location: '/new' } } : TEXT),
  })
  assert.deepEqual(names, ['a-0.txt', 'b-0.txt'])
  assert.deepEqual(
    opened.map(({ policy: { onMappedName: _, ...rest }, env }) => ({ policy: rest, env })),
    [{ policy, env: runner.env }],
  )
  assert.deepEqual(
    log.requests.map(({ headers }) => headers.authorization),
    [undefined, undefined, undefined],
  )
  assert.equal(requests.files, 3)
  assert.equal(log.isClosed, true)
})

test('a link to the content of its own task is fetched from the API with the key, and no other link is', async () => {
  await using folder = await temporaryFolder()
  const links = [`${CDN}/v1/videos/a/content`, `${CDN}/v1/videos/b/content`]
  const { log } = await save({ a: links }, folder.path, { api: videos, apiUrl: 'https://api.example.com' })
  assert.deepEqual(
    log.requests.map(({ url, headers }) => [url, headers.authorization]),
    [
      ['https://api.example.com/v1/videos/a/content', 'Bearer key-0123456789'],
      [`${CDN}/v1/videos/b/content`, undefined],
    ],
  )
})

test('a link that the policy forbids is not requested, by default', async () => {
  await using folder = await temporaryFolder()
  const runner = { ...readContext({}), workspace: folder.path }
  const requests = noRequests()
  const around = { clock: systemClock, signal: new AbortController().signal, runner, requests }
  const saver = await openSaver(savingInputs(folder.path), identitiesOf(['a']), {
    ...around,
    ...{ deadline: Number.POSITIVE_INFINITY, observer: silent },
  })
  saver.add({ id: 'a', output: 'https://127.0.0.1:1/a.png' })
  const { failures } = await saver.finish()
  assert.match(failures[0]?.message ?? '', /its host 127\.0\.0\.1 is not a public address/)
  assert.equal(requests.files, 0)
})

test('an output that is saved as text or JSON does not contain the key', async () => {
  await using folder = await temporaryFolder()
  hideKey('key-0123456789')
  const { files } = await save({ a: 'a key-0123456789 b', b: { echo: 'key-0123456789' } }, folder.path)
  const texts = await Promise.all(files.map(({ path: file }) => readFile(file, 'utf8')))
  assert.deepEqual(texts, ['a *** b', '{\n  "echo": "***"\n}\n'])
})

test('files for which there is no folder are saved in a temporary one', async () => {
  await using folder = await temporaryFolder()
  const { files } = await save({ a: 'a cake' }, folder.file('none'), {
    temp: folder.path,
    download: { directory: undefined },
  })
  const [made] = await readdir(folder.path)
  assert.match(made ?? '', /^await-prediction-files-\w+$/)
  assert.equal(files[0]?.path, folder.file(made ?? '', 'a-text.txt'))
})

test('a temporary folder that cannot be created is an error', async () => {
  await using folder = await temporaryFolder()
  const temp = folder.file('none')
  await assert.rejects(
    save({}, folder.path, { temp, download: { directory: undefined } }),
    /^Error: No folder could be created/,
  )
})

test('a folder does not lead out of the workspace through a link', async () => {
  await using folder = await temporaryFolder()
  const workspace = folder.file('workspace')
  await mkdir(workspace)
  await mkdir(folder.file('elsewhere'))
  await symlink(folder.file('elsewhere'), path.join(workspace, 'out'), 'junction')
  const { failures } = await save({ a: 'a cake' }, path.join(workspace, 'out'), { workspace })
  assert.match(failures[0]?.message ?? '', /leads out of the workspace/)
})

test('files are named after their prediction or its input, but not like a file that another input keeps', async () => {
  await using folder = await temporaryFolder()
  const byId = await save({ A: 'a cake', a: 'a pie' }, folder.path, { download: { fileName: '{id}' } })
  assert.match(byId.names.join(), /^A-[0-9a-f]{8}\.txt,a-[0-9a-f]{8}\.txt$/)
  const numbered = await save({ a: 'a tart', b: 'a bun' }, folder.path, { download: { fileName: 'same' } })
  assert.deepEqual(numbered.names, ['same-1.txt', 'same-2.txt'])
  const identities = identitiesByName([{ name: 'a' }], new Map(), ['HERO.txt'])
  const kept = await save({ a: 'a roll' }, folder.path, { identities, download: { fileName: 'hero' } })
  assert.deepEqual(kept.names, ['hero-2.txt'])
})

test('a file, and all files together, are no larger than the inputs allow', async () => {
  await using folder = await temporaryFolder()
  const failuresOf = async (download: { maxFileSize: number; maxTotalSize: number }) => {
    const { failures } = await save({ a: 'x'.repeat(60), b: 'y'.repeat(60) }, folder.path, { download })
    return failures.map(({ predictionId }) => predictionId)
  }
  assert.deepEqual(await failuresOf({ maxFileSize: 60, maxTotalSize: 120 }), [])
  assert.deepEqual(await failuresOf({ maxFileSize: 59, maxTotalSize: 120 }), ['a', 'b'])
  assert.deepEqual(await failuresOf({ maxFileSize: 60, maxTotalSize: 119 }), ['b'])
})

test('names that a proxy on the machine maps are one warning', async () => {
  await using folder = await temporaryFolder()
  const { opened } = await save({}, folder.path)
  const text = await printed(() => {
    opened[0]?.policy.onMappedName?.('cdn.example.com', '198.18.0.7')
    opened[0]?.policy.onMappedName?.('files.example.com', '198.18.0.8')
  })
  assert.match(text, /^::warning::cdn\.example\.com resolves to 198\.18\.0\.7: a proxy on this machine .*\n$/)
})
