import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { systemClock } from '../../src/predictions/clock.ts'
import { readContext } from '../../src/runner/context.ts'
import { type AttachRequest, attachToRelease } from '../../src/runner/release-assets.ts'
import { cake } from '../fixtures/pictures.ts'
import { ERROR_SAVING, type ReleaseAsset, type ReleasesApi, startReleasesApi } from '../servers/releases-api.ts'
import { eventually } from '../support/eventually.ts'
import { testFolder } from '../support/temporary-folder.ts'

type File = AttachRequest['files'][number]

describe('attaching files to a release', () => {
  let api: ReleasesApi
  let folder: string
  let files: File[]
  const slept: number[] = []
  let now = 0
  const clock = {
    now: () => now,
    sleep: async (seconds: number) => {
      slept.push(seconds)
      now += seconds
    },
  }

  before(async () => {
    api = await startReleasesApi()
    folder = await testFolder('release')
    files = [
      await file('abc-0.png', await cake('png'), 'image/png'),
      await file('abc-1.webp', await cake('webp'), 'image/webp'),
    ]
  })
  after(async () => {
    await api[Symbol.asyncDispose]()
  })
  beforeEach(() => {
    slept.length = 0
  })

  async function file(name: string, bytes: Buffer, type = 'text/plain'): Promise<File> {
    await writeFile(path.join(folder, name), bytes)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    return { path: path.join(folder, name), name, size: bytes.length, type, sha256 }
  }

  const around = (env: Record<string, string | undefined> = {}) => ({
    clock,
    signal: new AbortController().signal,
    runner: readContext({ ...api.env, GITHUB_REPOSITORY: 'octo/pictures', ...env }),
    random: () => 0.5,
  })
  const attached = async (...[request, surroundings]: [AttachRequest, ReturnType<typeof around>]) => {
    const urls: (string | undefined)[] = []
    return { failures: await attachToRelease(request, surroundings, urls), urls }
  }
  const attach = (tag: string, more: Partial<AttachRequest> = {}, env = {}) =>
    attached({ tag, token: api.token, files, overwrite: false, ...more }, around(env))
  const urlOf = (tag: string, name: string) => `https://github.com/octo/pictures/releases/download/${tag}/${name}`
  const callsOf = async (act: () => Promise<unknown>) => {
    const before = api.calls.length
    await act()
    return api.calls.slice(before).map((call) => call.replace(/\d+/g, 'N'))
  }
  let nextId = 9000
  const asset = (name: string, text: string): ReleaseAsset => ({
    id: nextId++,
    name,
    state: 'uploaded',
    content_type: 'text/plain',
    bytes: Buffer.from(text),
  })

  test('files are attached byte for byte, and their URLs are returned in order', async () => {
    const release = api.add('v1.0.0')
    const { urls, failures } = await attach('v1.0.0')
    assert.deepEqual(urls, [urlOf('v1.0.0', 'abc-0.png'), urlOf('v1.0.0', 'abc-1.webp')])
    assert.deepEqual(failures, [])
    assert.deepEqual(
      release.assets.map(({ name, content_type }) => [name, content_type]),
      [
        ['abc-0.png', 'image/png'],
        ['abc-1.webp', 'image/webp'],
      ],
    )
    assert.deepEqual(release.assets[0]?.bytes, await cake('png'))
  })

  test('the URLs of assets of a draft work once it is published', async () => {
    for (let i = 0; i < 120; i++) api.add(`old-${i}`)
    const draft = api.add('app/v2.0.0 ä', { draft: true })
    const { urls } = await attach('app/v2.0.0 ä')
    assert.deepEqual(urls[0], urlOf('app%2Fv2.0.0%20%C3%A4', 'abc-0.png'))
    const plain = api.add('v2.0.1', { draft: true })
    const again = await attach('v2.0.1')
    api.publish(plain)
    for (const url of again.urls) assert.ok(api.download(url ?? ''), url)
    assert.equal(draft.assets.length, 2)
  })

  test('an asset that has the same bytes is not uploaded again, and its URL is returned', async () => {
    const release = api.add('v2.1.0', { draft: true })
    const first = await attach('v2.1.0')
    for (const overwrite of [false, true]) {
      const calls = await callsOf(async () => assert.deepEqual(await attach('v2.1.0', { overwrite }), first))
      assert.ok(calls.every((call) => call.startsWith('GET')))
    }
    assert.equal(release.assets.length, 2)
  })

  test('an asset with other bytes stays as it is, and the other files are attached', async () => {
    const release = api.add('v3.0.0', { assets: [asset('abc-0.png', 'old')] })
    const { urls, failures } = await attach('v3.0.0')
    assert.deepEqual(urls, [undefined, urlOf('v3.0.0', 'abc-1.webp')])
    assert.deepEqual(failures, [
      'The release v3.0.0 already has abc-0.png with other content. It was not attached. Set overwrite: true to replace it.',
    ])
    assert.equal(release.assets[0]?.bytes.toString(), 'old')
  })

  test('overwrite deletes the old asset only when the new one is there, and nothing else', async () => {
    const release = api.add('v3.1.0', { assets: [asset('abc-0.png', 'old'), asset('other.png', 'old')] })
    const calls = await callsOf(async () => {
      const { urls } = await attach('v3.1.0', { overwrite: true, files: files.slice(0, 1) })
      assert.deepEqual(urls, [urlOf('v3.1.0', 'abc-0.png')])
    })
    assert.deepEqual(calls.slice(2), [
      'POST /releases/N/assets',
      'DELETE /releases/assets/N',
      'PATCH /releases/assets/N',
    ])
    assert.deepEqual(release.assets.map(({ name }) => name).sort(), ['abc-0.png', 'other.png'])
    assert.deepEqual(release.assets.find(({ name }) => name === 'abc-0.png')?.bytes, await cake('png'))
  })

  test('overwrite keeps the old asset if the upload fails', async () => {
    const release = api.add('v3.2.0', { assets: [asset('abc-0.png', 'old')] })
    api.fail('POST', ...Array(5).fill('bad gateway page'))
    const { failures } = await attach('v3.2.0', { overwrite: true, files: files.slice(0, 1) })
    assert.deepEqual(failures, [
      'Could not attach abc-0.png to the release v3.2.0 in octo/pictures: 502, a web page titled "502 Bad Gateway".',
    ])
    assert.deepEqual(
      release.assets.map(({ name, bytes }) => [name, bytes.toString()]),
      [['abc-0.png', 'old']],
    )
    assert.deepEqual(slept, [1, 2, 4, 8])
  })

  test('overwrite keeps assets of others, whatever their names, and removes what an earlier run left', async () => {
    const left = { ...asset('abc-1.webp.new', ''), bytes: await cake('webp') }
    const release = api.add('v3.4.0', {
      assets: [
        asset('abc-0.png', 'old'),
        asset('abc-0.png.new', 'mine'),
        asset('abc-1.webp', 'old'),
        left,
        { ...asset('abc-1.webp.new', ''), state: 'starter' },
      ],
    })
    const { failures } = await attach('v3.4.0', { overwrite: true })
    assert.deepEqual(failures, [])
    assert.deepEqual(release.assets.map(({ name }) => name).sort(), ['abc-0.png', 'abc-0.png.new', 'abc-1.webp'])
    const bytesOf = (name: string) => release.assets.find((each) => each.name === name)?.bytes
    assert.equal(bytesOf('abc-0.png.new')?.toString(), 'mine')
    assert.deepEqual(bytesOf('abc-0.png'), await cake('png'))
  })

  test('overwrite waits for a new asset that cannot be renamed yet', async () => {
    const release = api.add('v3.3.0', { assets: [asset('abc-0.png', 'old')] })
    api.fail('PATCH', { status: 404, message: 'Not Found' }, ERROR_SAVING)
    await attach('v3.3.0', { overwrite: true, files: files.slice(0, 1) })
    assert.deepEqual(
      release.assets.map(({ name }) => name),
      ['abc-0.png'],
    )
  })

  test('the remains of a broken upload are removed, and the upload is retried', async () => {
    const release = api.add('v4.0.0', { assets: [{ ...asset('abc-1.webp', ''), state: 'starter' }] })
    api.fail('POST', 'broken upload', 'reset', 'bad gateway page', ERROR_SAVING)
    await attach('v4.0.0')
    assert.deepEqual(
      release.assets.map(({ name, state }) => [name, state]),
      [
        ['abc-0.png', 'uploaded'],
        ['abc-1.webp', 'uploaded'],
      ],
    )
  })

  test('an upload is retried after the timeout of a proxy, but not after a conflict or an unsupported call', async () => {
    for (const [status, attempts] of [
      [408, 2],
      [499, 2],
      [409, 1],
      [501, 1],
    ] as const) {
      const tag = `v4.0.${status}`
      api.add(tag)
      api.fail('POST', { status, message: 'refused' })
      const calls = await callsOf(() => attach(tag, { files: files.slice(0, 1) }))
      assert.equal(calls.filter((call) => call.startsWith('POST')).length, attempts, String(status))
    }
  })

  test('a file that arrived although its response was lost is not uploaded again', async () => {
    const release = api.add('v4.1.0')
    api.fail('POST', 'lost')
    const calls = await callsOf(() => attach('v4.1.0', { files: files.slice(0, 1) }))
    assert.equal(calls.filter((call) => call.startsWith('POST')).length, 1)
    assert.equal(release.assets.length, 1)
  })

  test('an asset that the list does not show yet is found', async () => {
    api.add('v4.2.0', { assets: [asset('abc-0.png', 'old')], hidden: { assets: 1 } })
    const { failures } = await attach('v4.2.0')
    assert.match(failures[0] ?? '', /already has abc-0\.png with other content/)
    api.add('v4.3.0', { assets: [asset('abc-0.png', 'old')], hidden: { assets: 1 } })
    assert.deepEqual((await attach('v4.3.0', { overwrite: true })).failures, [])
  })

  for (let round = 0; round < 3; round++) {
    test(`the other files are attached if one cannot be opened (${round})`, async () => {
      const release = api.add(`v4.4.${round}`)
      const gone = { ...(files[0] as File), path: path.join(folder, 'gone') }
      const { urls, failures } = await attach(`v4.4.${round}`, { files: [gone, ...files.slice(1)] })
      assert.deepEqual(urls, [undefined, urlOf(`v4.4.${round}`, 'abc-1.webp')])
      assert.match(failures[0] ?? '', /^Could not attach abc-0\.png to the release v4\.4\.\d in octo\/pictures: ENOENT/)
      assert.deepEqual(slept, [])
      assert.equal(release.assets.length, 1)
    })
  }

  test('bytes that changed on their way are reported', async () => {
    api.add('v4.5.0')
    const wrong = { ...(files[0] as File), sha256: '0'.repeat(64) }
    const { failures } = await attach('v4.5.0', { files: [wrong] })
    assert.match(failures[0] ?? '', /abc-0\.png does not have the content that was sent/)
  })

  test('files to which GitHub would give the same name get names of their own, and are found again', async () => {
    const release = api.add('v4.6.0')
    const named = [await file('图.txt', Buffer.from('a')), await file('片.txt', Buffer.from('b'))]
    const { urls } = await attach('v4.6.0', { files: named })
    assert.deepEqual(
      release.assets.map(({ name }) => name),
      ['default.txt', 'default-1.txt'],
    )
    assert.deepEqual(urls, [urlOf('v4.6.0', 'default.txt'), urlOf('v4.6.0', 'default-1.txt')])
    assert.deepEqual((await attach('v4.6.0', { files: named })).urls, urls)
    assert.equal(release.assets.length, 2)
  })

  test('a file whose name GitHub changes is found again in a second attempt', async () => {
    const release = api.add('v4.6.1')
    const named = [
      await file('.hidden.txt', Buffer.from('a')),
      await file('v2..final.txt', Buffer.from('b')),
      await file('crème brûlée.txt', Buffer.from('c')),
      await file('plain', Buffer.from('d')),
    ]
    const { urls, failures } = await attach('v4.6.1', { files: named })
    assert.deepEqual(failures, [])
    assert.deepEqual(
      release.assets.map(({ name, label }) => [name, label]),
      [
        ['default.hidden.txt', '.hidden.txt'],
        ['v2.final.txt', 'v2..final.txt'],
        ['creme.brulee.txt', 'crème brûlée.txt'],
        ['plain', ''],
      ],
    )
    assert.deepEqual((await attach('v4.6.1', { files: named })).urls, urls)
    assert.equal(release.assets.length, 4)
  })

  test('an asset with nothing of the letters of a file name is not taken for that file', async () => {
    const release = api.add('v4.6.2', { assets: [asset('default.txt', 'mine'), asset('-0.txt', 'mine')] })
    const named = [await file('图.txt', Buffer.from('a')), await file('图-0.txt', Buffer.from('b'))]
    const { failures } = await attach('v4.6.2', { files: named, overwrite: true })
    assert.deepEqual(failures, [])
    assert.deepEqual(
      release.assets.map(({ name, bytes }) => [name, bytes.toString()]),
      [
        ['default.txt', 'mine'],
        ['-0.txt', 'mine'],
        ['default-1.txt', 'a'],
        ['-0-1.txt', 'b'],
      ],
    )
  })

  test('a release that was created a moment ago is looked for during 15 seconds', async () => {
    api.add('v4.7.0', { hidden: { tag: 3, list: 6 } })
    assert.deepEqual((await attach('v4.7.0')).failures, [])
    assert.deepEqual(slept, [1, 2, 3])
    slept.length = 0
    await assert.rejects(
      attach('nowhere'),
      /There is no release for the tag nowhere in octo\/pictures\. Create it first/,
    )
    assert.deepEqual(slept, [1, 2, 3, 4, 5])
  })

  test('a rate limit is waited out as long as the API asks', async () => {
    api.add('v5.0.0')
    api.fail('POST', { status: 403, message: 'secondary rate limit', headers: { 'retry-after': '7' } })
    api.fail('GET /releases/tags', {
      status: 429,
      message: 'rate limit',
      headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Date.now() / 1000 + 30) },
    })
    await attach('v5.0.0')
    assert.ok(slept.includes(7) && slept.some((seconds) => seconds > 25 && seconds < 35), String(slept))
  })

  test('a rate limit of more than five minutes is not waited out', async () => {
    api.fail('GET /releases/tags', { status: 403, message: 'rate limit', headers: { 'retry-after': '1800' } })
    await assert.rejects(attach('v5.0.0'), /the rate limit of github-token is exceeded for another 30 minutes \(403\)/)
    assert.deepEqual(slept, [])
  })

  const sentences: [string, () => Promise<unknown>, RegExp][] = [
    ['an immutable release', () => attach('v6.0.0'), /v6\.0\.0 is immutable/],
    ['a wrong token', () => attach('v1.0.0', { token: 'ghs_wrong' }), /github-token is not valid \(401\)/],
    ['no token', () => attach('v1.0.0', { token: '' }), /github-token is empty/],
    [
      'more than a thousand assets',
      () =>
        attach('v8.0.0', { files: Array.from({ length: 1001 }, (_, i) => ({ ...(files[0] as File), name: `${i}` })) }),
      /more than 1000 assets/,
    ],
  ]
  before(() => {
    api.add('v6.0.0', { immutable: true })
    api.add('v7.0.0')
    api.add('v8.0.0')
  })
  for (const [name, act, words] of sentences) {
    test(`attaching files fails with a clear message before any upload: ${name}`, async () => {
      const calls = await callsOf(() => assert.rejects(act(), words))
      assert.ok(!calls.some((call) => call.startsWith('POST')))
    })
  }

  test('a file of two gigabytes is refused with the limit', async () => {
    const { failures } = await attach('v7.0.0', { files: [{ ...(files[0] as File), size: 2 ** 31 }] })
    assert.match(failures[0] ?? '', /must be smaller than 2 GiB/)
  })

  test('a release that becomes immutable during the upload is reported as immutable', async () => {
    const release = api.add('v6.1.0', { immutable: true, draft: true })
    api.onCall = (call) => {
      if (call.startsWith('POST')) api.publish(release)
    }
    const { failures } = await attach('v6.1.0', { files: files.slice(0, 1) })
    api.onCall = undefined
    assert.match(failures[0] ?? '', /v6\.1\.0 is immutable/)
  })

  test('a message of the API that is a sentence gets no second full stop', async () => {
    api.fail('GET /releases/tags', { status: 403, message: 'Grant your token access to this organization.' })
    await assert.rejects(attach('v5.0.0'), /403, Grant your token access to this organization\. The job needs/)
  })

  test('a missing permission is reported with the permission that the job needs', async () => {
    await using strict = await startReleasesApi({ permitted: false })
    strict.add('v1')
    const { failures } = await attach('v1', { token: strict.token, files: files.slice(0, 1) }, strict.env)
    assert.match(
      failures[0] ?? '',
      /403, Resource not accessible by integration\. The job needs the permission contents: write/,
    )
  })

  test('no other file is tried after a refusal that concerns all of them', async () => {
    await using strict = await startReleasesApi({ permitted: false })
    strict.add('v1')
    const many = [...files, await file('c.txt', Buffer.from('c'))]
    const request = { tag: 'v1', token: strict.token, files: many, overwrite: false }
    const { failures, urls } = await attached(request, around(strict.env))
    assert.equal(strict.calls.filter((call) => call.startsWith('POST')).length, 1)
    assert.equal(failures.length, 2)
    assert.match(failures[0] ?? '', /^Could not attach abc-0\.png .* contents: write\.$/)
    assert.equal(failures[1], 'For the same reason, 2 other files were not attached to the release v1.')
    assert.deepEqual(urls, [undefined, undefined, undefined])
  })

  test('the URL of an asset that is already there is returned even after such a refusal of another file', async () => {
    await using strict = await startReleasesApi({ permitted: false })
    const [first, second] = files
    assert.ok(first && second)
    strict.add('v1', { assets: [{ ...asset(second.name, ''), bytes: await cake('webp') }] })
    const request = { tag: 'v1', token: strict.token, files, overwrite: false }
    const { failures, urls } = await attached(request, around(strict.env))
    assert.equal(failures.length, 1)
    assert.deepEqual(urls, [undefined, urlOf('v1', second.name)])
  })

  test('the other files are tried after a refusal that is a web page, which a proxy may have sent', async () => {
    api.add('v7.2')
    api.fail('POST', 'blocked page')
    const { failures, urls } = await attach('v7.2')
    assert.equal(failures.length, 1)
    assert.deepEqual(urls, [undefined, urlOf('v7.2', 'abc-1.webp')])
  })

  test('the token is sent to no other host, port or protocol, whatever a response names', async () => {
    const { uploadOrigin } = api
    const others = ['http://uploads.example.com', 'http://127.0.0.1:9', uploadOrigin.replace('http:', 'https:')]
    for (const [i, origin] of others.entries()) {
      api.add(`v9.${i}`)
      api.uploadOrigin = origin
      const { failures } = await attach(`v9.${i}`, { files: files.slice(0, 1) })
      assert.match(failures[0] ?? '', /an upload URL at .*Nothing was sent there/)
    }
    api.uploadOrigin = uploadOrigin
  })

  test('overwrite does not leave the name without an asset when the step is canceled', async () => {
    for (const moment of ['POST', 'DELETE', 'PATCH']) {
      const tag = `v10-${moment}`
      const release = api.add(tag, { assets: [asset('abc-0.png', 'old')] })
      const cancel = new AbortController()
      api.onCall = (call) => {
        if (call.startsWith(moment)) cancel.abort(new Error('the step was canceled'))
      }
      const request = { tag, token: api.token, files, overwrite: true }
      const attaching = attachToRelease(request, { ...around(), signal: cancel.signal, clock: systemClock }, [])
      await assert.rejects(attaching, /the step was canceled/)
      api.onCall = undefined
      assert.ok(
        release.assets.some(({ name }) => name === 'abc-0.png'),
        `${moment}: ${release.assets.map(({ name }) => name).join()}`,
      )
    }
  })

  test('overwrite waits at most a second for a replacement when the step is canceled', async () => {
    api.add('v10.1', { assets: [asset('abc-0.png', 'old')] })
    const cancel = new AbortController()
    const slow: number[] = []
    const patient = {
      now: () => 0,
      async sleep(seconds: number) {
        slow.push(seconds)
      },
    }
    api.onCall = (call) => {
      if (call.startsWith('DELETE')) cancel.abort(new Error('the step was canceled'))
    }
    api.fail('PATCH', 'hang')
    const request = { tag: 'v10.1', token: api.token, files, overwrite: true }
    await assert.rejects(
      attachToRelease(request, { ...around(), signal: cancel.signal, clock: patient }, []),
      /the step was canceled/,
    )
    api.onCall = undefined
    assert.deepEqual(slow, [1])
  })

  test('an attachment ends at once when the step is canceled', async () => {
    api.add('v10')
    const cancel = new AbortController()
    const request = { tag: 'v10', token: api.token, files, overwrite: false }
    api.fail('POST', 'hang')
    const uploads = () => api.calls.filter((call) => call.startsWith('POST')).length
    const before = uploads()
    const attaching = attachToRelease(request, { ...around(), signal: cancel.signal }, [])
    const canceled = assert.rejects(attaching, /the step was canceled/)
    await eventually('the upload', () => uploads() > before)
    cancel.abort(new Error('the step was canceled'))
    await canceled
  })

  describe('on Gitea and Forgejo', () => {
    let gitea: ReleasesApi
    const env = () => ({ ...gitea.env, GITHUB_SERVER_URL: 'https://git.example.com', GITEA_ACTIONS: 'true' })
    const attachThere = (tag: string, more: Partial<AttachRequest> = {}) =>
      attach(tag, { token: gitea.token, files: files.slice(0, 1), ...more }, env())
    before(async () => {
      gitea = await startReleasesApi({ forge: 'gitea', quota: 100_000 })
    })
    after(() => gitea[Symbol.asyncDispose]())

    test('files for Gitea are uploaded to its API, whatever host a release names', async () => {
      gitea.uploadOrigin = 'https://proxy.example.com'
      gitea.add('v1')
      const { urls, failures } = await attachThere('v1')
      assert.deepEqual(failures, [])
      assert.deepEqual(urls, ['https://git.example.com/octo/pictures/releases/download/v1/abc-0.png'])
    })

    test('a second asset of a name is never attached on Gitea, where the size decides without a digest', async () => {
      const release = gitea.add('v2')
      await attachThere('v2')
      assert.deepEqual((await attachThere('v2')).failures, [])
      const other = [await file('abc-0.png', Buffer.from('other'))]
      assert.match((await attachThere('v2', { files: other })).failures[0] ?? '', /already has abc-0\.png/)
      assert.equal(release.assets.length, 1)
      await writeFile(path.join(folder, 'abc-0.png'), await cake('png'))
    })

    test('overwrite on Gitea replaces every asset of a name by the path of the release, and renames the new one', async () => {
      const release = gitea.add('v3', { assets: [asset('abc-0.png', 'old'), asset('abc-0.png', 'older')] })
      const before = gitea.calls.length
      await attachThere('v3', { overwrite: true })
      assert.deepEqual(
        release.assets.map(({ name, bytes }) => [name, bytes.length]),
        [['abc-0.png', files[0]?.size]],
      )
      assert.deepEqual(
        gitea.calls
          .slice(before)
          .map((call) => call.replace(/\d+/g, 'N'))
          .slice(2),
        [
          'POST /releases/N/assets',
          'DELETE /releases/N/assets/N',
          'DELETE /releases/N/assets/N',
          'PATCH /releases/N/assets/N',
        ],
      )
    })

    test('asset names in any script are kept on Gitea', async () => {
      const release = gitea.add('v4')
      await attachThere('v4', { files: [await file('图.txt', Buffer.from('a'))] })
      assert.deepEqual(
        release.assets.map(({ name }) => name),
        ['图.txt'],
      )
    })

    test('an exceeded quota on Gitea is reported with what may exceed it', async () => {
      gitea.add('v5')
      const large = [await file('large.bin', Buffer.alloc(200_000))]
      const { failures } = await attachThere('v5', { files: large })
      assert.match(
        failures[0] ?? '',
        /413, quota exceeded\. The file is larger than the server or the quota of the owner allows/,
      )
    })
  })
})
