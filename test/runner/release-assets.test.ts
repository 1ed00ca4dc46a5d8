import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { readContext } from '../../src/runner/context.ts'
import { type AttachRequest, attachToRelease } from '../../src/runner/release-assets.ts'
import { cake } from '../fixtures/pictures.ts'
import { type ReleasesApi, startReleasesApi } from '../servers/releases-api.ts'

describe('attaching files to a release', () => {
  let api: ReleasesApi
  let folder: string
  let files: AttachRequest['files']
  const slept: number[] = []
  const clock = { now: () => 0, sleep: async (seconds: number) => void slept.push(seconds) }

  before(async () => {
    api = await startReleasesApi()
    folder = await mkdtemp(path.join(tmpdir(), 'release-'))
    files = await Promise.all(
      (['png', 'webp'] as const).map(async (format, i) => {
        const bytes = await cake(format)
        const name = `abc-${i}.${format}`
        await writeFile(path.join(folder, name), bytes)
        return { path: path.join(folder, name), name, size: bytes.length, type: `image/${format}` }
      }),
    )
  })
  after(async () => {
    await api[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  const attach = (tag: string, more: Partial<AttachRequest> = {}, urls?: string[], env = api.env) =>
    attachToRelease(
      { tag, token: api.token, files, overwrite: false, ...more },
      { clock, runner: readContext({ ...env, GITHUB_REPOSITORY: 'octo/pictures' }) },
      urls,
    )

  test('uploads them byte for byte and returns their addresses in order', async () => {
    const release = api.add('v1.0.0')
    const urls = await attach('v1.0.0')
    assert.deepEqual(
      urls,
      ['abc-0.png', 'abc-1.webp'].map((name) => `https://github.com/octo/pictures/releases/download/v1.0.0/${name}`),
    )
    assert.deepEqual(
      release.assets.map(({ name, content_type }) => [name, content_type]),
      [
        ['abc-0.png', 'image/png'],
        ['abc-1.webp', 'image/webp'],
      ],
    )
    assert.deepEqual(release.assets[0]?.bytes, await cake('png'))
  })

  test('finds a draft among many releases', async () => {
    for (let i = 0; i < 120; i++) api.add(`old-${i}`)
    const draft = api.add('v2.0.0', { draft: true })
    await attach('v2.0.0')
    assert.equal(draft.assets.length, 2)
  })

  test('replaces an asset of the same name only where that is wanted, and then nothing else', async () => {
    const old = {
      id: 9001,
      name: 'abc-0.png',
      state: 'uploaded' as const,
      content_type: 'image/png',
      bytes: Buffer.from('old'),
    }
    const other = { ...old, id: 9002, name: 'other.png' }
    const release = api.add('v3.0.0', { assets: [old, other] })
    await assert.rejects(attach('v3.0.0'), /already has abc-0\.png.*overwrite: true/)
    assert.equal(release.assets.length, 2)
    await attach('v3.0.0', { overwrite: true })
    assert.deepEqual(release.assets.map(({ name }) => name).sort(), ['abc-0.png', 'abc-1.webp', 'other.png'])
    assert.notEqual(release.assets.find(({ name }) => name === 'abc-0.png')?.bytes.toString(), 'old')
  })

  test('removes what a broken upload left, and tries again', async () => {
    const release = api.add('v4.0.0')
    api.fail('POST', 'broken upload', 'reset')
    await attach('v4.0.0')
    assert.deepEqual(
      release.assets.map(({ state }) => state),
      ['uploaded', 'uploaded'],
    )
  })

  test('tells of what is there by then where it fails half-way', async () => {
    api.add('v4.1.0')
    const urls: string[] = []
    const lost = files.map((file, i) => (i === 1 ? { ...file, path: path.join(folder, 'lost') } : file))
    await assert.rejects(attach('v4.1.0', { files: lost }, urls), /abc-1\.webp/)
    assert.deepEqual(urls, ['https://github.com/octo/pictures/releases/download/v4.1.0/abc-0.png'])
  })

  test('waits out rate limits as long as they ask', async () => {
    api.add('v5.0.0')
    slept.length = 0
    api.fail('POST', { status: 403, message: 'secondary rate limit', headers: { 'retry-after': '7' } })
    api.fail('GET /releases/tags', {
      status: 429,
      message: 'rate limit',
      headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Date.now() / 1000 + 30) },
    })
    await attach('v5.0.0')
    assert.ok(
      slept.some((seconds) => seconds === 7) && slept.some((seconds) => seconds > 25 && seconds < 35),
      String(slept),
    )
  })

  const sentences: [string, () => Promise<unknown>, RegExp][] = [
    [
      'a tag without a release',
      () => attach('nowhere'),
      /There is no release for the tag nowhere in octo\/pictures\. Create it first/,
    ],
    ['an immutable release', () => attach('v6.0.0'), /v6\.0\.0 is immutable/],
    [
      'a wrong token',
      () => attach('v1.0.0', { token: 'ghs_wrong', overwrite: true }),
      /github-token is not valid \(401\)/,
    ],
    ['no token', () => attach('v1.0.0', { token: '' }), /github-token is empty/],
    [
      'a file of two gigabytes',
      () => attach('v7.0.0', { files: [{ path: '/x', name: 'x', size: 2 ** 31, type: 'x/y' }] }),
      /must have less than 2 GiB/,
    ],
    [
      'more than a thousand assets',
      () =>
        attach('v8.0.0', {
          files: Array.from({ length: 1001 }, (_, i) => ({ path: '/x', name: `${i}`, size: 1, type: 'x/y' })),
        }),
      /more than 1000 assets/,
    ],
  ]
  before(() => {
    api.add('v6.0.0', { immutable: true })
    api.add('v7.0.0')
    api.add('v8.0.0')
  })
  for (const [name, act, words] of sentences) {
    test(`has a sentence for ${name}`, async () => {
      const posts = api.calls.filter((call) => call.startsWith('POST')).length
      await assert.rejects(act(), words)
      assert.equal(api.calls.filter((call) => call.startsWith('POST')).length, posts)
    })
  }

  test('has a sentence for a missing permission', async () => {
    await using strict = await startReleasesApi({ permitted: false })
    strict.add('v1')
    await assert.rejects(attach('v1', { token: strict.token }, [], strict.env), /needs the permission contents: write/)
  })

  test('sends the token to no other host, whatever an answer names', async () => {
    api.add('v9.0.0')
    const { uploadOrigin } = api
    api.uploadOrigin = 'http://uploads.example.com'
    await assert.rejects(attach('v9.0.0'), /uploads\.example\.com.*Nothing was sent there/)
    api.uploadOrigin = uploadOrigin
  })
})
