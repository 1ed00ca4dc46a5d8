import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { systemClock } from '../../../src/predictions/clock.ts'
import {
  type SaveObserver,
  type SaveOptions,
  Saver,
  type SavingState,
  saveOutputs,
} from '../../../src/predictions/files/save.ts'
import { openUntrustedNetwork } from '../../../src/predictions/network/untrusted-network.ts'
import { Turns } from '../../../src/predictions/turns.ts'
import { cake } from '../../fixtures/pictures.ts'
import { type Simulator, startSimulator } from '../../servers/simulator.ts'
import { eventually } from '../../support/eventually.ts'
import { fastClock } from '../../support/fast-clock.ts'
import { listen } from '../../support/listen.ts'
import { temporaryFolder, testFolder } from '../../support/temporary-folder.ts'

interface Told {
  saved: string[]
  retries: string[]
  renamed: string[]
}

/** The time of a stall on a clock that is a hundred times as fast: half a minute of a busy machine is no stall. */
const NO_STALL = 3000
/** It comes after 0.3 s. */
const STALL = 30

/** A folder and what is saved into it; retries come without their pauses. */
async function save(simulator: Simulator, output: unknown, more: Partial<SaveOptions> & { id?: string } = {}) {
  const directory = more.directory ?? (await testFolder('files'))
  const told: Told = { saved: [], retries: [], renamed: [] }
  const result = await saveOutputs([{ id: more.id ?? 'abc', output }], {
    directory,
    policy: { apiUrl: simulator.apiUrl, allowedHosts: [] },
    maxFileSize: 10 ** 9,
    overwrite: false,
    clock: fastClock(100),
    stall: NO_STALL,
    signal: new AbortController().signal,
    env: {},
    observer: {
      saved: ({ name }) => told.saved.push(name),
      retrying: (_, reason) => told.retries.push(reason),
      renamed: (name) => told.renamed.push(name),
    },
    ...more,
  })
  const there = await readdir(directory).catch(() => [])
  return {
    ...result,
    told,
    directory,
    there: there.sort(),
    reasons: result.failures.map(({ message }) => message),
    async [Symbol.asyncDispose]() {
      if (more.directory === undefined) await rm(directory, { recursive: true, force: true })
    },
  }
}

const silent: SaveObserver = { saved() {}, retrying() {}, renamed() {} }
const optionsFor = (simulator: Simulator) => ({
  policy: { apiUrl: simulator.apiUrl, allowedHosts: [] as string[] },
  maxFileSize: 10 ** 9,
  overwrite: false,
  clock: fastClock(100),
  stall: NO_STALL,
  signal: new AbortController().signal,
  env: {},
  observer: silent,
})

const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')
const png = () => cake('png')

describe('a file', () => {
  test('a file is saved byte for byte, described by its content, and fetched without the key', async () => {
    await using simulator = await startSimulator()
    const body = await cake('webp')
    const url = simulator.file('out-0.png?signature=x', { body, type: 'image/png' })
    await using run = await save(simulator, [url])
    assert.deepEqual(run.there, ['abc-0.webp'])
    assert.deepEqual(
      run.files,
      [
        {
          predictionId: 'abc',
          index: 0,
          path: path.join(run.directory, 'abc-0.webp'),
          name: 'abc-0.webp',
          size: body.length,
          type: 'image/webp',
          extension: undefined,
          width: 512,
          height: 512,
          sha256: sha256(body),
          source: url,
        },
      ].map(({ extension: _, ...file }) => file),
    )
    assert.deepEqual(await readFile(path.join(run.directory, 'abc-0.webp')), body)
    assert.deepEqual(
      simulator.requests.map(({ headers }) => [headers.authorization, headers.cookie]),
      [[undefined, undefined]],
    )
  })

  test('a file of unknown content gets the extension of its content type, else of its URL', async () => {
    await using simulator = await startSimulator()
    const serve = (name: string, type: string) => simulator.file(name, { body: Buffer.from('{"a":1}'), type })
    await using run = await save(simulator, [
      serve('a.dat', 'application/json; charset=utf-8'),
      serve('b.obj', 'application/octet-stream'),
      serve('c', 'text/plain'),
      serve('d.%2e%2e', 'x'),
      serve('mesh.GLTF', 'application/octet-stream'),
    ])
    assert.deepEqual(run.there, ['abc-0.json', 'abc-1.obj', 'abc-2.txt', 'abc-3.bin', 'abc-4.gltf'])
  })

  test('a file in a data: URI is decoded and saved', async () => {
    await using simulator = await startSimulator()
    const picture = await cake('jpeg')
    await using run = await save(simulator, {
      mask: `data:image/jpg;base64,${picture.toString('base64')}`,
      note: 'data:text/plain,a%20b',
      drawing: 'data:image/svg+xml,<svg width="100%" height="5%zz"/>',
      bytes: 'data:application/octet-stream,%FF%00a%e4',
    })
    assert.deepEqual(run.there, ['abc-0.jpg', 'abc-1.txt', 'abc-2.svg', 'abc-3.bin'])
    const text = await readFile(path.join(run.directory, 'abc-2.svg'), 'utf8')
    assert.equal(text, '<svg width="100%" height="5%zz"/>')
    assert.deepEqual(await readFile(path.join(run.directory, 'abc-3.bin')), Buffer.of(0xff, 0, 0x61, 0xe4))
    assert.deepEqual(await readFile(path.join(run.directory, 'abc-0.jpg')), picture)
    assert.equal(run.files[0]?.type, 'image/jpeg')
    assert.equal(run.files[0]?.source, 'data:')
  })

  test('a file in a data: URI that cannot be decoded is reported', async () => {
    await using simulator = await startSimulator()
    await using run = await save(simulator, [
      'data:image/png;base64,',
      'data:image/png;base64,$$$',
      'data:image/png;base64,PGh0bWw+',
    ])
    assert.deepEqual(run.there, [])
    assert.equal(run.reasons.length, 3)
    assert.match(run.reasons[2] ?? '', /^File 2 \(a data: URI\) .*is not the image\/png that it claims to be/)
  })

  test('the text of an output is saved as a text file', async () => {
    await using simulator = await startSimulator()
    await using run = await save(simulator, ['Hello, ', '世界'])
    assert.deepEqual(run.there, ['abc-text.txt'])
    assert.equal(await readFile(path.join(run.directory, 'abc-text.txt'), 'utf8'), 'Hello, 世界')
  })

  test('nothing is saved if the output is empty', async () => {
    await using simulator = await startSimulator()
    for (const output of [null, undefined, {}, []]) {
      await using run = await save(simulator, output)
      assert.deepEqual(run.there, [])
      assert.deepEqual(run.failures, [])
    }
  })
})

describe('a large output that is not in memory', () => {
  const large = async (outputs: readonly unknown[]) => {
    await using simulator = await startSimulator()
    const directory = await testFolder('files')
    const turns = new Turns()
    let saving = 0
    const observer: SaveObserver = { ...silent, saved: () => assert.equal(saving, 1) }
    const result = await saveOutputs(
      outputs.map((output, i) => ({
        id: `p${i}`,
        withOutput: (act) =>
          turns.run(async () => {
            saving++
            if (output instanceof Error) throw output
            const done = await act(output)
            saving--
            return done
          }),
      })),
      { ...optionsFor(simulator), directory, observer },
    )
    const there = await readdir(directory)
    return { there: there.sort(), reasons: result.failures.map(({ message }) => message) }
  }

  test('a large output that is not in memory is saved while it is read', async () => {
    const { there, reasons } = await large([['data:text/plain,a', 'data:text/plain,b'], 'text', { json: 1 }])
    assert.deepEqual(there, ['p0-0.txt', 'p0-1.txt', 'p1-text.txt', 'p2-output.json'])
    assert.deepEqual(reasons, [])
  })

  test('a large output that cannot be read is reported, and the others are saved', async () => {
    const { there, reasons } = await large(['text', new Error('no disk')])
    assert.deepEqual(there, ['p0-text.txt'])
    assert.deepEqual(reasons, ['The output of prediction p1 was not saved: no disk.'])
  })
})

describe('names', () => {
  test('file names are numbered in document order, the same each time', async () => {
    await using simulator = await startSimulator()
    const body = await png()
    const urls = Array.from({ length: 23 }, (_, i) => simulator.file(`${i}/tempfile.png`, { body }))
    await using run = await save(simulator, urls)
    assert.deepEqual(
      run.there,
      Array.from({ length: 23 }, (_, i) => `abc-${String(i).padStart(2, '0')}.png`),
    )
    assert.deepEqual(
      run.files.map(({ name }) => name),
      run.there,
    )
    await using again = await save(simulator, urls, { directory: run.directory })
    assert.deepEqual(again.there, run.there)
    assert.deepEqual(again.told.renamed, [])
  })

  test('file names contain nothing of hostile URLs', async () => {
    await using simulator = await startSimulator()
    const body = await png()
    const hostile = [
      '%22quote%22.png',
      'a%2520b.png',
      '..%2f..%2fetc%2fpasswd',
      'CON',
      'CON.png',
      'x'.repeat(300),
      'a%00b.png',
      'a%0d%0ab.png',
      '.htaccess',
      'a.png.',
      'nul.txt',
    ]
    await using run = await save(
      simulator,
      hostile.map((name) => simulator.file(name, { body })),
    )
    assert.deepEqual(run.reasons, [])
    assert.ok(
      run.there.every((name) => /^abc-\d\d\.png$/.test(name)),
      run.there.join(),
    )
  })

  test('file names of IDs that differ only by case do not collide', async () => {
    await using simulator = await startSimulator()
    const url = simulator.file('a.png', { body: await png() })
    const directory = await testFolder('files')
    const { files } = await saveOutputs(
      [
        { id: 'ABC', output: url },
        { id: 'abc', output: url },
      ],
      {
        directory,
        policy: { apiUrl: simulator.apiUrl, allowedHosts: [] },
        maxFileSize: 10 ** 9,
        overwrite: false,
        clock: systemClock,
        signal: new AbortController().signal,
        env: {},
        observer: { saved() {}, retrying() {}, renamed() {} },
      },
    )
    assert.equal(new Set(files.map(({ name }) => name.toLowerCase())).size, 2)
    assert.ok(files.every(({ name }) => /^abc-[0-9a-f]{8}-0\.png$/i.test(name)))
  })

  test('file names of any ID are valid on Windows', async () => {
    await using simulator = await startSimulator()
    for (const id of ['CON', 'nul', 'aux', 'COM1', 'Lpt9', '0', 'a-', 'x'.repeat(128)]) {
      await using run = await save(simulator, ['data:text/plain,a', 'data:application/x-unknown,a'], { id })
      await using text = await save(simulator, 'a', { id })
      for (const name of [...run.there, ...text.there]) {
        assert.match(name, /^[\w-]+\.[a-z0-9]+$/)
        assert.doesNotMatch(name, /^(?:con|nul|aux|prn|com\d|lpt\d)\./i)
        assert.ok(name.length < 200)
      }
      assert.equal(run.there.length + text.there.length, 3)
    }
  })

  test('files with other content are not overwritten unless overwrite is set', async () => {
    await using simulator = await startSimulator()
    const body = await png()
    const url = simulator.file('a.png', { body })
    const directory = await testFolder('files')
    await writeFile(path.join(directory, 'abc-0.png'), 'mine')
    await using kept = await save(simulator, url, { directory })
    assert.deepEqual(kept.there, ['abc-0-2.png', 'abc-0.png'])
    assert.deepEqual(kept.told.renamed, ['abc-0-2.png'])
    assert.equal(await readFile(path.join(directory, 'abc-0.png'), 'utf8'), 'mine')
    await using replaced = await save(simulator, url, { directory, overwrite: true })
    assert.deepEqual(await readFile(path.join(directory, 'abc-0.png')), body)
    assert.deepEqual(
      replaced.files.map(({ name }) => name),
      ['abc-0.png'],
    )
  })

  test('a numbered file keeps an extension of two parts', async () => {
    await using simulator = await startSimulator()
    const directory = await testFolder('files')
    await writeFile(path.join(directory, 'abc-0.tar.gz'), 'mine')
    const url = simulator.file('a.tar.gz', { body: gzipSync('tar'), type: 'application/gzip' })
    await using kept = await save(simulator, url, { directory })
    assert.deepEqual(kept.there, ['abc-0-2.tar.gz', 'abc-0.tar.gz'])
  })

  test('existing files that cannot be read or replaced stay, and the new file gets another name', async () => {
    const user = process.geteuid?.()
    if (user === undefined) return
    await using simulator = await startSimulator()
    const directory = await testFolder('files')
    const taken = path.join(directory, 'abc-text.txt')
    await writeFile(taken, 'not ours')
    await chmod(taken, user === 0 ? 0o600 : 0)
    // In a sticky folder, only the owner replaces a file.
    await chmod(directory, user === 0 ? 0o1777 : 0o755)
    const someone = 65_534
    if (user === 0) process.seteuid?.(someone)
    try {
      for (const overwrite of user === 0 ? [false, true] : [false]) {
        const { files, reasons, told } = await save(simulator, `a paid text, ${overwrite}`, { directory, overwrite })
        assert.deepEqual(reasons, [])
        assert.match(files[0]?.name ?? '', /^abc-text-[23]\.txt$/)
        assert.equal(told.renamed.length, 1)
      }
    } finally {
      if (user === 0) process.seteuid?.(user)
    }
  })

  test('a symbolic link with the name of a file is not followed', async () => {
    await using simulator = await startSimulator()
    const outside = await testFolder('outside')
    const directory = path.join(outside, 'inside')
    await mkdir(directory)
    await writeFile(path.join(outside, 'precious'), 'precious')
    await symlink('../precious', path.join(directory, 'abc-0.png'))
    await symlink('../nothing', path.join(directory, 'abc-1.png'))
    const urls = await Promise.all(['a', 'b'].map(async (name) => simulator.file(`${name}.png`, { body: await png() })))
    await using first = await save(simulator, urls, { directory })
    await using second = await save(simulator, urls, { directory, overwrite: true })
    assert.deepEqual([first.reasons, second.reasons], [[], []])
    assert.equal(await readFile(path.join(outside, 'precious'), 'utf8'), 'precious')
    assert.deepEqual((await readdir(outside)).sort(), ['inside', 'precious'])
  })
})

describe('a transfer', () => {
  test('a transfer that is cut off is resumed where it stopped', async () => {
    await using simulator = await startSimulator()
    const body = await png()
    const url = simulator.file('a.png', { body, tricks: [{ cutAfter: 10_000 }, { cutAfter: 20_000 }] })
    await using run = await save(simulator, url)
    assert.deepEqual(await readFile(run.files[0]?.path ?? ''), body)
    assert.equal(run.files[0]?.sha256, sha256(body))
    // A reset can take what has arrived and was not read yet: then the next request begins anew.
    const ranges = simulator.requests.map(({ headers }) => headers.range?.startsWith('bytes='))
    assert.deepEqual([ranges.length, ranges.at(0), ranges.at(-1)], [3, undefined, true])
  })

  test('a transfer that stalls is aborted and resumed', async () => {
    await using simulator = await startSimulator()
    const body = await png()
    const url = simulator.file('a.png', { body, tricks: [{ stallAfter: 5000 }, 'hang'] })
    await using run = await save(simulator, url, { stall: STALL })
    assert.equal(run.files[0]?.sha256, sha256(body))
    assert.ok(run.told.retries.length >= 2, run.told.retries.join())
  })

  test('a transfer starts over if the server does not support ranges', async () => {
    await using simulator = await startSimulator()
    const body = await png()
    await using run = await save(
      simulator,
      simulator.file('a.png', { body, ranges: false, tricks: [{ cutAfter: 5000 }] }),
    )
    assert.equal(run.files[0]?.sha256, sha256(body))
  })

  test('a transfer starts over if the server sends another range than the requested one', async () => {
    await using simulator = await startSimulator()
    const body = await png()
    const wrong = { status: 206, body: 'xxxxx', headers: { 'content-range': `bytes 7-11/${body.length}` } }
    await using run = await save(
      simulator,
      simulator.file('a.png', { body, tricks: [{ cutAfter: 5000 }, wrong, { cutAfter: 6000 }, { status: 416 }] }),
    )
    assert.equal(run.files[0]?.sha256, sha256(body))
  })

  test('a transfer is resumed only if the file is the same by its ETag, or by its date if the ETag is weak', async () => {
    await using simulator = await startSimulator()
    const body = await png()
    const rest = (from: number, headers: Record<string, string>) => ({
      status: 206,
      body: 'x'.repeat(body.length - from),
      headers: { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}`, ...headers },
    })
    const [then, later] = ['Thu, 26 Nov 2026 01:02:03 GMT', 'Thu, 26 Nov 2026 04:05:06 GMT']
    const dated = simulator.file('dated.png', {
      body,
      headers: { etag: 'W/"1"', 'last-modified': then },
      tricks: [{ cutAfter: 5000 }, rest(5000, { etag: 'W/"1"', 'last-modified': later })],
    })
    const tagged = simulator.file('tagged.png', {
      body,
      headers: { etag: '"1"', 'last-modified': then },
      tricks: [{ cutAfter: 5000 }, rest(5000, { etag: '"2"', 'last-modified': then })],
    })
    for (const [url, condition] of [
      [dated, then],
      [tagged, '"1"'],
    ] as const) {
      await using run = await save(simulator, url)
      assert.equal(run.files[0]?.sha256, sha256(body), url)
      assert.match(run.told.retries.join(), /the file has changed in the meantime/)
      const requests = simulator.requests.filter((each) => url.endsWith(each.url))
      assert.deepEqual(
        requests.map(({ headers }) => headers['if-range']),
        [undefined, condition, undefined],
      )
    }
  })

  test('a transfer starts over if the rest belongs to a file of another length', async () => {
    await using simulator = await startSimulator()
    const body = Buffer.alloc(20_000, 1)
    const rest = {
      status: 206,
      headers: { 'content-range': `bytes 5000-${body.length}/${body.length + 1}` },
      body: 'x'.repeat(body.length + 1 - 5000),
    }
    const url = simulator.file('a.bin', { body, tricks: [{ cutAfter: 5000 }, rest] })
    await using run = await save(simulator, url)
    assert.equal(run.files[0]?.sha256, sha256(body))
    assert.match(run.told.retries.join(), /the file has changed in the meantime/)
  })

  test('the key is sent to no other origin, and no longer after a redirect back from there', async () => {
    await using simulator = await startSimulator()
    const body = await png()
    await using other = await listen((_, response) => {
      response.writeHead(302, { location: simulator.file('end.png', { body }) }).end()
    })
    const there = simulator.file('there.png', { tricks: [{ redirect: `${other.origin}/back` }] })
    const start = simulator.file('start.png', { tricks: [{ redirect: there }] })
    const keyed = (url: string) => ({ url, authorization: 'Bearer key-0123456789' })
    const policy = { apiUrl: simulator.apiUrl, allowedHosts: ['127.0.0.1'] }
    await using run = await save(simulator, start, { keyed, policy })
    assert.equal(run.files[0]?.sha256, sha256(body), run.reasons.join())
    assert.deepEqual(
      simulator.requests.map(({ url, headers }) => [path.basename(url), headers.authorization]),
      [
        ['start.png', 'Bearer key-0123456789'],
        ['there.png', 'Bearer key-0123456789'],
        ['end.png', undefined],
      ],
    )
  })

  test('a download is retried after a 429, a 503 and a reset', async () => {
    await using simulator = await startSimulator()
    const body = await png()
    await using run = await save(
      simulator,
      simulator.file('a.png', {
        body,
        tricks: [{ status: 429, headers: { 'retry-after': '1' } }, { status: 503 }, 'reset'],
      }),
    )
    assert.equal(run.files.length, 1)
    assert.equal(run.told.retries.length, 3)
  })

  test('saving ends promptly when it is aborted, and leaves nothing behind', async () => {
    await using simulator = await startSimulator()
    const stop = new AbortController()
    const directory = await testFolder('files')
    const file = simulator.file('a.png', { size: 10 ** 6, tricks: [{ stallAfter: 500_000 }] })
    const aborted = assert.rejects(save(simulator, file, { signal: stop.signal, directory }), /SIGINT/)
    await eventually('the part file', () => readdirSync(directory).length > 0)
    stop.abort(new Error('SIGINT'))
    await aborted
    assert.deepEqual(await readdir(directory), [])
  })

  test('saving ends when it is aborted during the DNS lookup of a host', { timeout: 60_000 }, async () => {
    const policy = { apiUrl: 'https://api.example.com', allowedHosts: [] }
    const env = { https_proxy: 'http://127.0.0.1:1' }
    const stop = new AbortController()
    const resolve = () => {
      setImmediate(() => stop.abort(new Error('SIGINT')))
      return new Promise<never>(() => {})
    }
    const network = openUntrustedNetwork(policy, env, { resolve })
    const directory = await testFolder('files')
    const { signal } = stop
    const [clock, limits] = [fastClock(100), { maxFileSize: 10 ** 9, overwrite: false }]
    const saver = new Saver({ directory, ...limits, clock, signal, policy, env, network, observer: silent })
    saver.add({ id: 'abc', output: 'https://files.example.com/a.png' })
    assert.equal((await saver.finish()).canceled, 1)
  })

  test('a failed download does not stop the others', async () => {
    await using simulator = await startSimulator()
    const body = await png()
    await using run = await save(simulator, [
      simulator.file('a.png', { body }),
      simulator.file('b.png', { tricks: [{ status: 410 }] }),
      simulator.file('c.png', { body }),
    ])
    assert.deepEqual(run.there, ['abc-0.png', 'abc-2.png'])
    assert.equal(run.failures.length, 1)
  })
})

describe('content', () => {
  test('content that is not the picture it claims to be is refused', async () => {
    await using simulator = await startSimulator()
    await using run = await save(simulator, [
      simulator.file('a.png', { body: Buffer.from('<html>expired</html>'), type: 'image/png' }),
      simulator.file('b.mp4', { body: Buffer.from('{"error":"gone"}'), type: 'application/octet-stream' }),
      simulator.file('c.webp', { body: Buffer.alloc(0), type: 'image/webp' }),
    ])
    assert.deepEqual(run.there, [])
    assert.match(run.reasons[0] ?? '', /it is not the image\/png that it claims to be: it begins with "<html>/)
    assert.match(run.reasons[1] ?? '', /is not the mp4/)
    assert.match(run.reasons[2] ?? '', /is empty/)
  })

  test('content that is incomplete is refused, also without a declared length', async () => {
    await using simulator = await startSimulator()
    const half = async (format: 'png' | 'webp' | 'jpeg') => (await cake(format)).subarray(0, 4000)
    const chunked = { 'transfer-encoding': 'chunked' }
    await using run = await save(simulator, [
      simulator.file('a.png', { tricks: [{ status: 200, body: '', headers: {} }], body: await half('png') }),
      simulator.file('b.webp', { body: await half('webp') }),
      simulator.file('c.jpg', { body: await half('jpeg') }),
      simulator.file('d.mp4', {
        body: Buffer.concat([
          Buffer.from('000000186674797069736f6d', 'hex'),
          Buffer.alloc(12),
          Buffer.from('00100000', 'hex'),
          Buffer.from('mdat'),
          Buffer.alloc(100),
        ]),
        type: 'video/mp4',
        headers: chunked,
      }),
    ])
    assert.deepEqual(run.there, [])
    for (const reason of run.reasons.slice(1)) assert.match(reason, /it is incomplete/)
  })

  test('content whose length differs from the declared one is refused', async () => {
    await using simulator = await startSimulator()
    const body = await png()
    const lie = (promise: number) => ({ body, tricks: Array.from({ length: 500 }, () => ({ promise })) })
    const urls = [simulator.file('short.png', lie(body.length + 50)), simulator.file('long.png', lie(1000))]
    await using run = await save(simulator, urls, { clock: fastClock(1000) })
    assert.deepEqual(run.there, [])
    assert.equal(run.failures.length, 2)
  })

  test('content above the size limit is stopped at the limit, whether its length is declared or not', async () => {
    await using simulator = await startSimulator()
    await using run = await save(
      simulator,
      [
        simulator.file('told.bin', { size: 5 * 10 ** 9 }),
        simulator.file('untold.bin', {
          size: 3 * 10 ** 6,
          headers: { 'transfer-encoding': 'chunked' },
        }),
        `data:text/plain,${'x'.repeat(2_000_001)}`,
      ],
      { maxFileSize: 2_000_000 },
    )
    assert.deepEqual(run.there, [])
    for (const reason of run.reasons) assert.match(reason, /larger than max-file-size allows/)
    assert.match(run.reasons.join(), /\(5000000000 bytes, .*\(more than 2000000 bytes, .*\(2000001 bytes, /)
  })

  test('content that the server compresses unasked is decompressed, and limited by its decompressed size', async () => {
    await using simulator = await startSimulator()
    const packed = (name: string, body: Buffer, encoding: string) =>
      simulator.file(name, { body, type: 'text/plain', headers: { 'content-encoding': encoding } })
    const text = Buffer.from('x'.repeat(100_000))
    await using run = await save(
      simulator,
      [
        packed('a.txt', gzipSync(text), 'gzip'),
        packed('b.txt', deflateSync(text), 'deflate'),
        packed('c.txt', brotliCompressSync(text), 'br'),
        packed('d.txt', zstdCompressSync(text), 'zstd'),
        packed('e.txt', gzipSync(Buffer.alloc(200_000)), 'gzip'),
      ],
      { maxFileSize: 150_000 },
    )
    assert.deepEqual(
      run.files.map(({ size, sha256: sum }) => [size, sum]),
      Array.from({ length: 4 }, () => [text.length, sha256(text)]),
    )
    assert.match(run.reasons[0] ?? '', /larger than max-file-size allows \(more than 150000 bytes/)
  })

  test('content that is a compressed file stays as it is, whatever the header says', async () => {
    await using simulator = await startSimulator()
    const body = gzipSync('tar')
    const url = simulator.file('a.tar.gz', { body, type: 'application/gzip', headers: { 'content-encoding': 'gzip' } })
    await using run = await save(simulator, url)
    assert.deepEqual([run.there, run.files[0]?.sha256], [['abc-0.tar.gz'], sha256(body)])
  })
})

describe('a web page at a link without an extension', () => {
  const page = (simulator: Simulator, name = 'page') =>
    simulator.file(name, { body: Buffer.from('<!doctype html><title>License</title>'), type: 'text/html' })

  test('a web page beside a file is not saved, and a warning says so', async () => {
    await using simulator = await startSimulator()
    await using run = await save(simulator, [page(simulator), simulator.file('a.png', { body: await png() })])
    assert.deepEqual(run.there, ['abc-1.png'])
    assert.deepEqual(run.failures, [])
    assert.equal(run.warnings.length, 1)
    assert.match(
      run.warnings[0] ?? '',
      /^File 0 \(.*\/page\) of prediction abc is a web page, not a file; it was not saved\.$/,
    )
  })

  test('a web page is saved if it is the only output', async () => {
    await using simulator = await startSimulator()
    await using run = await save(simulator, page(simulator))
    assert.deepEqual([run.there, run.failures, run.warnings], [['abc-0.html'], [], []])
  })

  test('a web page that is the only output is a failure if it cannot be saved', async () => {
    await using simulator = await startSimulator()
    const directory = await testFolder('files')
    const url = simulator.file('page', {
      body: Buffer.from('<!doctype html>'),
      type: 'text/html',
      tricks: [{ cutAfter: 5 }],
    })
    const observer: SaveObserver = {
      ...silent,
      saved() {
        throw Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'rename' })
      },
    }
    await using run = await save(simulator, url, { directory, observer })
    assert.deepEqual(run.files, [])
    assert.match(run.reasons.join(), /^File 0 \(.*\/page\) of prediction abc was not saved: /)
  })
})

describe('a host', () => {
  const elsewhere = { apiUrl: 'https://gateway.example.org/v1', allowedHosts: [] }

  test('a host with a private address is refused without a request', async () => {
    await using simulator = await startSimulator()
    const url = simulator.file('a.png', { body: await png() })
    const { port } = new URL(url)
    await using run = await save(
      simulator,
      [
        url,
        `https://127.0.0.1:${port}/a`,
        `https://localhost:${port}/a`,
        'https://169.254.169.254/latest/meta-data',
        'https://[::ffff:169.254.169.254]/',
      ],
      { policy: elsewhere },
    )
    assert.deepEqual(run.files, [])
    assert.match(run.reasons[0] ?? '', /scheme is http/)
    assert.match(run.reasons[1] ?? '', /127\.0\.0\.1 is not a public address/)
    assert.match(run.reasons[2] ?? '', /localhost resolves to (127\.0\.0\.1|::1), which is not a public address/)
    assert.match(run.reasons[3] ?? '', /169\.254\.169\.254/)
    assert.equal(simulator.requests.length, 0)
  })

  test('a host that a redirect leads to is checked like the first one', async () => {
    await using simulator = await startSimulator()
    const to = (redirect: string) => simulator.file(`${encodeURIComponent(redirect)}.png`, { tricks: [{ redirect }] })
    await using run = await save(simulator, [
      to('http://169.254.169.254/latest/meta-data'),
      to('https://169.254.169.254/'),
      to(`https://localhost:${new URL(simulator.origin).port}/x`),
      to('file:///etc/passwd'),
      to('//'),
      to('http://['),
    ])
    assert.deepEqual(run.files, [])
    assert.equal(run.failures.length, 6)
    assert.equal(simulator.requests.length, 6)
  })

  test('a redirect to another file is followed, five times at most', async () => {
    await using simulator = await startSimulator()
    const body = await png()
    const target = simulator.file('target.png', { body })
    const loop = simulator.file('loop.png', {
      tricks: Array.from({ length: 9 }, () => ({ redirect: '/files/loop.png' })),
    })
    await using run = await save(simulator, [simulator.file('moved.png', { tricks: [{ redirect: target }] }), loop])
    assert.equal(run.files[0]?.sha256, sha256(body))
    assert.match(run.reasons[0] ?? '', /redirected more than 5 times/)
  })

  test('a host in allowed-hosts is requested even if it would be refused otherwise', async () => {
    await using simulator = await startSimulator()
    const url = simulator.file('a.png', { body: await png() })
    await using run = await save(simulator, url, { policy: { ...elsewhere, allowedHosts: ['127.0.0.1'] } })
    assert.equal(run.files.length, 1)
  })
})

test('files and failures come in the order of the predictions, whatever the order in which they end', async () => {
  await using simulator = await startSimulator()
  await using folder = await temporaryFolder()
  const saver = new Saver({ ...optionsFor(simulator), directory: folder.path })
  const body = Buffer.from('text')
  for (const number of [3, 1, 2]) {
    const gone = simulator.file(`gone-${number}.txt`, { tricks: [{ status: 451 }] })
    saver.add({ id: `p${number}`, number, output: [simulator.file(`${number}.txt`, { body }), gone] })
  }
  const { files, failures } = await saver.finish()
  assert.deepEqual(
    [...files, ...failures].map(({ predictionId }) => predictionId),
    ['p1', 'p2', 'p3', 'p1', 'p2', 'p3'],
  )
})

test('a folder that cannot be created or written is reported', async () => {
  await using simulator = await startSimulator()
  const file = path.join(await testFolder('files'), 'a-file')
  await writeFile(file, '')
  await using inFile = await save(simulator, 'text', { directory: path.join(file, 'sub') })
  assert.match(inFile.reasons[0] ?? '', /is not a folder/)
})

describe('many files', () => {
  test('a step saves at most 5,000 files, and reports the others in one sentence for each prediction', async () => {
    await using simulator = await startSimulator()
    const directory = await testFolder('files')
    const output = Array.from({ length: 3000 }, (_, i) => `data:text/plain,${i}`)
    const predictions = ['a', 'b', 'c'].map((id) => ({ id, output }))
    const { files, failures } = await saveOutputs(predictions, { ...optionsFor(simulator), directory })
    assert.equal(files.length, 5000)
    assert.deepEqual(
      failures.map(({ message }) => message),
      ['b', 'c'].map((id) => `Other files of prediction ${id} were not saved: a step saves at most 5000 files.`),
    )
  })

  test('the state of saving says what is downloaded and what went wrong', async () => {
    await using simulator = await startSimulator()
    const states: SavingState[] = []
    const url = simulator.file('a.bin', { size: 10 ** 6, tricks: [{ status: 502 }, { stallAfter: 300_000 }] })
    const observer = { ...silent, retrying: () => void states.push(saver.state) }
    const options = { ...optionsFor(simulator), directory: await testFolder('files'), observer, stall: STALL }
    const saver = new Saver(options)
    saver.add({ id: 'text', output: 'data:text/plain,a' })
    await eventually('the text', () => saver.state.saved === 1)
    saver.add({ id: 'film', output: url })
    const { files } = await saver.finish()
    assert.equal(files.length, 2)
    const label = 'File 0 (127.0.0.1/…/a.bin)'
    const [refused, stalled] = states
    assert.deepEqual(refused, {
      saved: 1,
      left: 1,
      current: [{ label, bytes: 0, total: undefined, trouble: 'the server returned 502' }],
    })
    assert.equal(stalled?.current[0]?.total, 10 ** 6)
    assert.ok((stalled?.current[0]?.bytes ?? 0) > 0)
    assert.deepEqual(saver.state, { saved: 2, left: 0, current: [] })
  })
})

test('249 files of one output are saved, each once', async () => {
  await using simulator = await startSimulator()
  const body = await png()
  const urls = Array.from({ length: 249 }, (_, i) => simulator.file(`${i}.png`, { body }))
  await using run = await save(simulator, urls)
  assert.equal(run.there.length, 249)
  assert.equal(simulator.requests.length, 249)
})
