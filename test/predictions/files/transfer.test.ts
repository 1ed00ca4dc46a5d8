import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { SizeLimits } from '../../../src/predictions/files/size-limits.ts'
import { type FileReaction, type FileRequest, playTransfers } from '../../support/scripted-host.ts'

const URL_1 = 'https://files.example.com/a.bin'
const urlsOf = (count: number, host = (_: number) => 'files.example.com') =>
  Array.from({ length: count }, (_, i) => `https://${host(i)}/${i}.bin`)
const refuses: FileReaction = { code: 'ECONNREFUSED' }
const whole: FileReaction = { status: 200, headers: { 'content-length': '3' }, pieces: ['abc'] }
const bytes = (count: number) => 'x'.repeat(count)
const times = (requests: readonly FileRequest[]) => requests.map(({ at }) => Number(at.toFixed(1)))
const messageOf = (result: unknown) => (result instanceof Error ? result.message : 'saved')

describe('the patience with a host that gives nothing', () => {
  test('a download is not retried if the certificate of the host is not trusted', async () => {
    for (const code of ['SELF_SIGNED_CERT_IN_CHAIN', 'CERT_HAS_EXPIRED', 'ERR_TLS_CERT_ALTNAME_INVALID']) {
      const { requests, results, took } = await playTransfers([URL_1], () => ({ code }))
      assert.equal(requests.length, 1, code)
      assert.equal(took, 0)
      assert.match(messageOf(results[0]), /^files\.example\.com: .*certificate/)
    }
  })
  for (const [name, deadline, last] of [
    ['retries of a download end after five minutes if the timeout is later', 1800, 300],
    ['retries of a download end after five minutes without a timeout', Number.POSITIVE_INFINITY, 300],
    ['retries of a download end at the timeout', 60, 60],
    ['retries of a download last for twenty seconds after the end, whatever the timeout', 5, 20],
  ] as const) {
    test(name, async () => {
      for (const reaction of [refuses, { status: 502 }, { status: 423 }]) {
        const { requests, results, took } = await playTransfers([URL_1], () => reaction, { deadline })
        assert.equal(times(requests).at(-1), last)
        assert.equal(took, last)
        assert.match(
          messageOf(results[0]),
          new RegExp(`The download was given up ${last} s after the step noticed the end`),
        )
        assert.ok(requests.length < 40, `${requests.length} requests`)
      }
    })
  }

  test('a download that brings parts of the file is resumed, however often it breaks off', async () => {
    const [total, part] = [10_000_000, 200_000]
    for (const deadline of [5, 1800]) {
      const { results, took } = await playTransfers(
        [URL_1],
        ({ range }) => {
          const from = Number(/\d+/.exec(range ?? '0')?.[0])
          const rest = { 'content-range': `bytes ${from}-${total - 1}/${total}` }
          const headers = { etag: '"e"', ...(range ? rest : { 'content-length': String(total) }) }
          return { status: range ? 206 : 200, headers, pieces: [Buffer.alloc(part)], every: 2 }
        },
        { deadline },
      )
      assert.equal(messageOf(results[0]), 'saved')
      assert.ok(took > 60, `${took} s`)
    }
  })

  test('a download is retried until its host can be reached again', async () => {
    const { requests, results } = await playTransfers([URL_1], ({ at }) => (at < 40 ? refuses : whole))
    assert.equal(messageOf(results[0]), 'saved')
    assert.ok((times(requests).at(-1) ?? 0) <= 50)
    assert.deepEqual(times(requests).slice(0, 6), [0, 1, 3, 7, 15, 25])
  })

  test('a download obeys the pause that a host asks for, up to the end of its retries', async () => {
    const hint = (seconds: string) => ({ status: 503, headers: { 'retry-after': seconds } })
    const obeyed = await playTransfers([URL_1], ({ at }) => (at < 47 ? hint('47') : whole))
    assert.deepEqual(times(obeyed.requests), [0, 47])
    const long = await playTransfers([URL_1], () => hint('86400'), { deadline: 100 })
    assert.deepEqual(times(long.requests), [0, 100])
  })

  test('a download without data is interrupted after half a minute, and retried', async () => {
    const { requests, reasons } = await playTransfers([URL_1], ({ at }) => (at < 60 ? 'hang' : whole))
    assert.deepEqual(times(requests), [0, 31, 63])
    assert.deepEqual(reasons, ['no data received for 30 s', 'no data received for 30 s'])
  })
})

describe('a file that is not there', () => {
  for (const status of [403, 404]) {
    test(`a ${status} for a file is retried for half a minute after the end`, async () => {
      const { requests, results } = await playTransfers([URL_1], () => ({ status }))
      assert.equal(times(requests).at(-1), 30)
      assert.match(messageOf(results[0]), new RegExp(`^the server returned ${status}: `))
      assert.doesNotMatch(messageOf(results[0]), /expired/)
      const late = await playTransfers([URL_1], ({ at }) => (at < 12 ? { status } : whole))
      assert.equal(messageOf(late.results[0]), 'saved')
    })

    test(`a ${status} for a file is final at once if the prediction ended more than a minute ago`, async () => {
      const { requests } = await playTransfers([URL_1], () => ({ status }), { age: 61 })
      assert.equal(requests.length, 1)
      const recent = await playTransfers([URL_1], ({ at }) => (at < 5 ? { status } : whole), { age: 60 })
      assert.equal(messageOf(recent.results[0]), 'saved')
    })
  }

  test('a file is said to have expired only if an hour may have passed', async () => {
    for (const [age, expired] of [
      [undefined, true],
      [61, false],
      [3299, false],
      [3300, true],
    ] as const) {
      const { results } = await playTransfers([URL_1], () => ({ status: 410 }), { age })
      assert.equal(/has probably expired/.test(messageOf(results[0])), expired, String(age))
    }
  })

  test('a file that requires the key fails with a message that files are downloaded without it', async () => {
    const { results, requests } = await playTransfers(['https://api.example.com/file'], () => ({ status: 401 }))
    assert.match(messageOf(results[0]), /requires the API key, but files are downloaded without the key/)
    assert.equal(requests.length, 1)
    const other = await playTransfers([URL_1], () => ({ status: 401 }))
    assert.match(messageOf(other.results[0]), /requires credentials/)
  })

  test('a web page in place of a file is reported as such only for a link without an extension', async () => {
    const page = () => ({ status: 404, headers: { 'content-type': 'text/html; charset=utf-8' } })
    const { results } = await playTransfers(['https://files.example.com/license', URL_1], page, { age: 90 })
    assert.deepEqual(
      results.map((result) => (result as Error).name),
      ['WebPageError', 'PermanentError'],
    )
  })
})

describe('a transfer', () => {
  const stream = (rate: number, seconds: number, total = rate * seconds): FileReaction => ({
    status: 200,
    headers: { 'content-length': String(total), etag: '"e"' },
    pieces: Array(seconds).fill(bytes(rate)),
    every: 1,
  })

  test('a transfer that makes progress goes on past the timeout', async () => {
    const { results, took } = await playTransfers([URL_1], () => stream(1100, 600), { deadline: 5 })
    assert.equal(messageOf(results[0]), 'saved')
    assert.equal(took, 600)
  })

  test('a transfer that makes progress is interrupted an hour after the end', async () => {
    const { results, took } = await playTransfers([URL_1], () => stream(1100, 5000), { deadline: 5 })
    assert.match(messageOf(results[0]), /the download was not complete an hour after the end/)
    assert.ok(took >= 3600 && took < 3610, `${took} s`)
  })

  test('a transfer of less than a kilobyte a second is interrupted after half a minute', async () => {
    const { results, requests, took } = await playTransfers([URL_1], () => stream(900, 600), { deadline: 5 })
    assert.match(messageOf(results[0]), /^less than 1 kB\/s received for 30 s/)
    assert.equal(requests.length, 1)
    assert.equal(took, 30)
  })

  test('a transfer of one byte per request ends when the time for retries is over', async () => {
    const { results, took } = await playTransfers(
      [URL_1],
      ({ range }) => {
        const from = Number(/\d+/.exec(range ?? '0')?.[0])
        const headers = { etag: '"e"', 'content-range': `bytes ${from}-999/1000` }
        return {
          status: range ? 206 : 200,
          headers: range ? headers : { etag: '"e"', 'content-length': '1000' },
          pieces: ['x'],
        }
      },
      { deadline: 5 },
    )
    assert.match(messageOf(results[0]), /^the transfer stopped after \d+ of 1000 bytes/)
    assert.equal(took, 20)
  })

  test('a transfer that breaks off after the timeout is retried for twenty seconds more', async () => {
    const { results, requests } = await playTransfers(
      [URL_1],
      ({ at, range }) => {
        if (range === undefined) return stream(1100, 100, 150_000)
        if (at < 115) return refuses
        return {
          status: 206,
          headers: { etag: '"e"', 'content-range': 'bytes 110000-149999/150000' },
          pieces: [bytes(40_000)],
        }
      },
      { deadline: 5 },
    )
    assert.equal(messageOf(results[0]), 'saved')
    assert.equal(requests.at(-1)?.range, 'bytes=110000-')
  })

  test('a transfer is resumed only with the range that was requested, up to the total size', async () => {
    const part = (range: string): FileReaction => ({
      status: 206,
      headers: { 'content-range': range },
      pieces: ['0123456789'],
    })
    for (const range of ['bytes 0-9/100', 'bytes 5-14/15', 'bytes 0-9/*', '']) {
      const { results } = await playTransfers([URL_1], () => part(range), { deadline: 5 })
      assert.notEqual(messageOf(results[0]), 'saved', range)
    }
    const { results } = await playTransfers([URL_1], () => part('bytes 0-9/10'))
    assert.equal(messageOf(results[0]), 'saved')
  })
})

describe('a host that refuses some', () => {
  const slow = { status: 200, headers: { 'content-length': '10' }, pieces: ['0123456789'], every: 20 }

  for (const status of [429, 503]) {
    test(`a host that refuses some downloads with ${status} serves all of them, a few at once`, async () => {
      const { results, together, requests } = await playTransfers(
        urlsOf(20),
        (_, open) => (open >= 2 ? { status } : slow),
        { deadline: 5 },
      )
      assert.deepEqual(results.map(messageOf), Array(20).fill('saved'))
      assert.equal(together, 2)
      assert.ok(requests.length < 20 + 20, `${requests.length} requests`)
    })
  }

  test('a host that was unreachable serves six downloads at once again afterwards', async () => {
    const { results, together } = await playTransfers(urlsOf(60), ({ at }) => (at < 8 ? refuses : slow))
    assert.deepEqual(results.map(messageOf), Array(60).fill('saved'))
    assert.equal(together, 6)
  })

  test('a host that hangs does not delay the files of other hosts', async () => {
    const files = [...urlsOf(30), ...urlsOf(30, () => 'good.example.com')]
    const good: number[] = []
    await playTransfers(files, ({ url, at }) => {
      if (!url.includes('good')) return 'hang'
      good.push(at)
      return whole
    })
    assert.ok(Math.max(...good) < 1, String(good.at(-1)))
  })
})

describe('what a server answers', () => {
  test('a transfer never joins two versions of a file, even if the server ignores If-Range', async () => {
    let version = 'old'
    const { results, reasons } = await playTransfers([URL_1], ({ range }) => {
      if (range === undefined) {
        const headers = { etag: `"${version}"`, 'content-length': '30' }
        if (version === 'new') return { status: 200, headers, pieces: ['n'.repeat(30)] }
        version = 'new'
        return { status: 200, headers, pieces: ['o'.repeat(10)] }
      }
      return { status: 206, headers: { etag: '"new"', 'content-range': 'bytes 10-29/30' }, pieces: ['n'.repeat(20)] }
    })
    assert.ok(reasons.includes('the file has changed in the meantime'), `${reasons}`)
    const [result] = results
    assert.ok(result && !(result instanceof Error))
    assert.equal(result.sha256, createHash('sha256').update('n'.repeat(30)).digest('hex'))
  })

  test('a content encoding that does not compress is ignored', async () => {
    for (const encoding of ['aws-chunked', 'utf-8', 'binary', 'none', 'identity', 'UTF-8, identity']) {
      const headers = { 'content-length': '3', 'content-encoding': encoding }
      const { results, requests } = await playTransfers([URL_1], () => ({ status: 200, headers, pieces: ['abc'] }))
      assert.equal(messageOf(results[0]), 'saved', encoding)
      assert.equal(requests.length, 1)
    }
  })

  test('the target of a redirect may be UTF-8, as browsers read it', async () => {
    const location = (url: string) => Buffer.from(url).toString('latin1')
    const { requests } = await playTransfers([URL_1], ({ url }) =>
      url === URL_1 ? { status: 302, headers: { location: location('/图.png') } } : whole,
    )
    assert.equal(requests[1]?.url, 'https://files.example.com/%E5%9B%BE.png')
    const { requests: latin } = await playTransfers([URL_1], ({ url }) =>
      url === URL_1 ? { status: 302, headers: { location: '/caf\u00e9.png' } } : whole,
    )
    assert.equal(latin[1]?.url, 'https://files.example.com/caf%C3%A9.png')
  })

  test('the digest counts each byte once if a write failed in between', async () => {
    let writes = 0
    const write = async () => {
      if (++writes === 2) throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' })
    }
    const pieces = ['a', 'b', 'c'].map((letter) => letter.repeat(2 ** 18))
    const content = Buffer.from(pieces.join(''))
    const { results } = await playTransfers(
      [URL_1],
      ({ range }) => {
        const from = Number(/\d+/.exec(range ?? '0')?.[0])
        const rest = { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }
        const headers = { etag: '"e"', ...(range ? rest : { 'content-length': String(content.length) }) }
        return { status: range ? 206 : 200, headers, pieces: pieces.slice(from / 2 ** 18) }
      },
      {},
      { write },
    )
    const [result] = results
    assert.ok(result && !(result instanceof Error), messageOf(result))
    assert.equal(result.sha256, createHash('sha256').update(content).digest('hex'))
  })
})

describe('what a transfer received', () => {
  const text = 'a cake of three layers'
  const sized = (length = text.length) => ({ 'content-length': String(length) })
  const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex')
  const received = (result: unknown) => {
    if (result instanceof Error) throw result
    return result as Exclude<Awaited<ReturnType<typeof playTransfers>>['results'][number], Error>
  }

  test('a received file is described by its size, digest, type and names', async () => {
    const headers = {
      ...sized(),
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': 'filename="b.txt"',
    }
    const { results, left } = await playTransfers([URL_1], () => ({ status: 200, headers, pieces: [text] }))
    const { size, sha256: digest, claim, lengthKnown, isPage } = received(results[0])
    assert.deepEqual([size, digest, lengthKnown, isPage], [text.length, sha256(text), true, false])
    assert.equal(claim.type, 'text/plain')
    assert.deepEqual(claim.names, ['b.txt', '/a.bin'])
    assert.equal(left, 0)
  })

  test('a received file has the names of its link and of the URL that this led to', async () => {
    const { results, left } = await playTransfers([URL_1], ({ url }) =>
      url === URL_1 ? { status: 302, headers: { location: '/c.png' }, pieces: ['moved'] } : whole,
    )
    const { names } = received(results[0]).claim
    assert.deepEqual(names, ['/a.bin', '/c.png'])
    assert.equal(left, 0)
  })

  test('a received file has no known length if the server sends none', async () => {
    const { results } = await playTransfers([URL_1], () => ({ status: 200, pieces: [text] }))
    assert.equal(received(results[0]).lengthKnown, false)
  })

  test('a received file is a web page only if its link has no extension', async () => {
    const page = () => ({ status: 200, headers: { ...sized(), 'content-type': 'text/html' }, pieces: [text] })
    const { results } = await playTransfers(['https://files.example.com/license', URL_1], page)
    assert.deepEqual(
      results.map((result) => received(result).isPage),
      [true, false],
    )
  })

  test('a received file is not decompressed if it is itself a compressed file', async () => {
    const packed = gzipSync(text)
    for (const [url, type] of [
      ['https://files.example.com/a.tar.gz', 'application/octet-stream'],
      ['https://files.example.com/a.tgz', 'application/octet-stream'],
      [URL_1, 'application/gzip'],
      [URL_1, 'application/x-gzip'],
    ] as const) {
      const headers = { ...sized(packed.length), 'content-encoding': 'gzip', 'content-type': type }
      const { results } = await playTransfers([url], () => ({ status: 200, headers, pieces: [packed] }))
      assert.equal(received(results[0]).sha256, sha256(packed), `${url} ${type}`)
    }
  })
})

describe('a transfer that was interrupted', () => {
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })

  /** A file of ten bytes whose first answer ends after four. */
  async function resume(
    first: Record<string, string>,
    next: FileReaction,
    sink: { expect?: (n: number) => Promise<void> } = {},
  ) {
    let attempt = 0
    return await playTransfers(
      [URL_1],
      () => {
        attempt++
        if (attempt === 1)
          return { status: 200, headers: { 'content-length': '10', ...first }, pieces: ['0123', reset] }
        return attempt === 2 ? next : { status: 200, headers: { 'content-length': '10' }, pieces: ['0123456789'] }
      },
      {},
      sink,
    )
  }
  const rest = { status: 206, headers: { 'content-range': 'bytes 4-9/10' }, pieces: ['456789'] }
  const digest = createHash('sha256').update('0123456789').digest('hex')
  const digestOf = ({ results: [result] }: { results: unknown[] }) => (result as { sha256?: string }).sha256

  test('a transfer is resumed where it stopped by a strong ETag, or else by the date', async () => {
    const date = 'Thu, 01 Jan 2026 00:00:00 GMT'
    for (const [first, validator] of [
      [{ etag: '"e"', 'last-modified': date }, '"e"'],
      [{ etag: 'W/"e"', 'last-modified': date }, date],
      [{ 'last-modified': date }, date],
    ] as [Record<string, string>, string][]) {
      const expected: number[] = []
      const played = await resume(first, rest, { expect: async (bytes) => void expected.push(bytes) })
      assert.deepEqual([played.requests[1]?.range, played.requests[1]?.headers['if-range']], ['bytes=4-', validator])
      assert.equal(digestOf(played), digest)
      assert.deepEqual(expected, [10, 6])
      assert.deepEqual(played.reasons, ['the transfer stopped after 4 bytes: the connection was reset (ECONNRESET)'])
      assert.equal(played.left, 0)
    }
  })

  test('a transfer starts over if nothing identifies the file', async () => {
    for (const first of [{}, { etag: 'W/"e"' }] as Record<string, string>[]) {
      const played = await resume(first, whole)
      assert.equal(played.requests[1]?.range, undefined)
    }
  })

  test('a transfer starts over if the server cannot send the rest, sends all, another part or another file', async () => {
    const part = (range: string, more: Record<string, string> = {}): FileReaction => ({
      status: 206,
      headers: { 'content-range': range, ...more },
      pieces: ['456789'],
    })
    const cases: [FileReaction, string | undefined][] = [
      [{ status: 416 }, 'the server cannot send the rest of it'],
      [part('bytes 5-9/10'), 'the server sent a different range than requested'],
      [part('bytes 4-9/10', { etag: '"f"' }), 'the file has changed in the meantime'],
      [part('bytes 4-9/11'), 'the file has changed in the meantime'],
      [{ status: 200, headers: { 'content-length': '10' }, pieces: ['0123456789'] }, undefined],
    ]
    for (const [next, reason] of cases) {
      const played = await resume({ etag: '"e"' }, next)
      assert.equal(digestOf(played), digest, reason)
      assert.equal(played.reasons[1], reason)
      assert.equal(played.requests[2]?.range, undefined)
      assert.equal(played.left, 0)
    }
  })

  test('a 416 is final if nothing has come before it', async () => {
    const { results, requests } = await playTransfers([URL_1], () => ({ status: 416 }), { age: 90 })
    assert.equal(messageOf(results[0]), 'the server returned 416')
    assert.equal(requests.length, 1)
  })

  test('a transfer gives its connection up only if it received nothing at all', async () => {
    const silent = await playTransfers([URL_1], () => 'hang', { deadline: 5 })
    assert.equal(silent.requests[0]?.silence?.aborted, true)
    const slow = { status: 200, headers: { 'content-length': '900000' }, pieces: Array(600).fill(bytes(900)), every: 1 }
    const moving = await playTransfers([URL_1], () => slow, { deadline: 5 })
    assert.equal(moving.requests[0]?.silence?.aborted, false)
  })
})

describe('the bytes of a transfer', () => {
  test('received bytes are written in parts of a quarter of a mebibyte, and at the end', async () => {
    const writes: [position: number, bytes: number][] = []
    const collected: number[] = []
    const write = async (pieces: readonly Buffer[], position: number) => {
      writes.push([position, pieces.reduce((sum, { length }) => sum + length, 0)])
    }
    const pieces = Array(5).fill(bytes(100_000))
    await playTransfers(
      [URL_1],
      () => ({ status: 200, pieces }),
      {},
      { write },
      {
        collectGarbage: (count) => collected.push(count),
      },
    )
    assert.deepEqual(writes, [
      [0, 300_000],
      [300_000, 200_000],
    ])
    assert.deepEqual(collected, [300_000, 200_000])
  })

  test('bytes beyond the size limit are refused, by the declared length or as they arrive', async () => {
    for (const headers of [{ 'content-length': '100' }, {}] as Record<string, string>[]) {
      const written: number[] = []
      const { results, requests } = await playTransfers(
        [URL_1],
        () => ({ status: 200, headers, pieces: [bytes(100)] }),
        {},
        { write: async (_, position) => void written.push(position) },
        { allowance: new SizeLimits(99, 1000).open() },
      )
      assert.match(messageOf(results[0]), /^it is larger than max-file-size allows/)
      assert.deepEqual([requests.length, written], [1, []])
    }
  })

  test('a transfer ends if the disk fails, and its part file is closed between attempts', async () => {
    let rests = 0
    const rest = async () => void rests++
    await playTransfers([URL_1], ({ at }) => (at < 4 ? refuses : whole), {}, { rest })
    assert.equal(rests, 3)
  })
})

describe('a file that is given up', () => {
  test('a file that is given up ends those that wait for the same host, without a request', async () => {
    const { results, requests, took } = await playTransfers(urlsOf(30), () => refuses)
    assert.ok(took <= 310, `${took} s`)
    assert.ok(requests.length < 50, `${requests.length} requests`)
    for (const result of results)
      assert.match(messageOf(result), /^the server refuses connections .* given up 3(?:00|10) s/)
  })

  test('a file is given up without a request if the transfers of other hosts took all the time', async () => {
    const { results, requests } = await playTransfers(
      urlsOf(13, (i) => `h${i}.example.com`),
      () => 'hang',
      { deadline: 5 },
    )
    assert.equal(requests.length, 12)
    assert.match(messageOf(results[12]), /^other downloads from the host took too long\. The download was given up/)
  })
})
