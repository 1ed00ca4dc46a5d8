import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type FileRequest, requestFile } from '../../../src/predictions/files/file-request.ts'
import type { Connections } from '../../../src/predictions/network/dispatcher.ts'
import { HostRefusal } from '../../../src/predictions/network/host-policy.ts'
import type { UntrustedNetwork } from '../../../src/predictions/network/untrusted-network.ts'

const LINK = 'https://files.example.com/a.bin?signature=x'

interface Answer {
  status: number
  location?: string
}

/** Requests a file from hosts that answer each URL with a status and a place, or throw. */
async function request(
  answers: Readonly<Record<string, Answer>> | Error,
  { authorization, rest }: Partial<Pick<FileRequest, 'authorization' | 'rest'>> = {},
) {
  const requests: { url: string; headers: Readonly<Record<string, string>> }[] = []
  let given = 0
  const connections = {
    async request({ origin, path, headers }: Parameters<Connections['request']>[0]) {
      requests.push({ url: origin + path, headers })
      if (answers instanceof Error) throw answers
      const { status, location } = answers[origin + path] ?? { status: 200 }
      const body = { on: () => body, destroy: () => given++ }
      return { statusCode: status, headers: location === undefined ? {} : { location }, body }
    },
  } as unknown as Connections
  const network: UntrustedNetwork = { to: async () => connections, close: async () => {} }
  const { signal } = new AbortController()
  const options = { network, authorization, rest, signal, silence: signal }
  const outcome = await requestFile(new URL(LINK), options).catch((error: Error) => error)
  const failure = outcome instanceof Error ? outcome : undefined
  return { requests, failure, responded: outcome instanceof Error ? undefined : outcome, discarded: given }
}

const urls = ({ requests }: { requests: { url: string }[] }) => requests.map(({ url }) => url)
const keys = ({ requests }: { requests: { headers: Readonly<Record<string, string>> }[] }) =>
  requests.map(({ headers }) => headers.authorization)

describe('the request of a file', () => {
  test('a download requests the bytes unencoded, without a range and without the key', async () => {
    const { requests, responded } = await request({})
    const [{ url, headers } = { url: '', headers: {} }] = requests
    const { 'user-agent': agent, ...others } = headers
    assert.equal(url, LINK)
    assert.deepEqual(others, { accept: '*/*', 'accept-encoding': 'identity' })
    assert.match(agent ?? '', /^await-prediction/)
    assert.deepEqual([responded?.url.href, responded?.keyed], [LINK, false])
  })

  test('a download requests the rest of the same file', async () => {
    const { requests } = await request({}, { rest: { from: 10, validator: '"e"' } })
    assert.equal(requests[0]?.headers.range, 'bytes=10-')
    assert.equal(requests[0]?.headers['if-range'], '"e"')
  })

  test('a download sends the key to the origin of its link only, and not after a redirect back', async () => {
    const run = await request(
      {
        [LINK]: { status: 302, location: '/b' },
        'https://files.example.com/b': { status: 307, location: 'https://cdn.example.com/c' },
        'https://cdn.example.com/c': { status: 303, location: 'https://files.example.com/d' },
      },
      { authorization: 'Bearer key' },
    )
    assert.deepEqual(keys(run), ['Bearer key', 'Bearer key', undefined, undefined])
    assert.equal(run.responded?.keyed, false)
    assert.equal(run.responded?.url.href, 'https://files.example.com/d')
    assert.equal(run.discarded, 3)
    const direct = await request({}, { authorization: 'Bearer key' })
    assert.equal(direct.responded?.keyed, true)
  })

  test('a download follows five redirects and no sixth', async () => {
    const hops = (count: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, i) => [
          i === 0 ? LINK : `https://files.example.com/${i}`,
          { status: 302, location: `/${i + 1}` },
        ]),
      )
    const five = await request(hops(5))
    assert.equal(five.responded?.url.href, 'https://files.example.com/5')
    const six = await request(hops(6))
    assert.equal(six.failure?.name, 'PermanentError')
    assert.equal(six.failure?.message, 'it was redirected more than 5 times')
    assert.equal(urls(six).length, 6)
  })

  test('a download fails for good at a redirect without a target, or to one that is no URL', async () => {
    for (const answer of [{ status: 302 }, { status: 302, location: 'https://[' }]) {
      const { failure } = await request({ [LINK]: answer })
      assert.equal(failure?.name, 'PermanentError')
      assert.equal(failure?.message, 'it was redirected (302) without a target')
    }
  })

  test('a download fails with a transient error of the network, and for good if a setting is wrong', async () => {
    const coded = (code: string) => request(Object.assign(new Error(code), { code }))
    const reset = await coded('ECONNRESET')
    assert.equal(reset.failure?.name, 'InterruptedTransfer')
    assert.equal(reset.failure?.message, 'the connection was reset (ECONNRESET)')
    const expired = await coded('CERT_HAS_EXPIRED')
    assert.equal(expired.failure?.name, 'PermanentError')
    assert.match(
      expired.failure?.message ?? '',
      /^files\.example\.com: the certificate has expired \(CERT_HAS_EXPIRED\)\. Renew it/,
    )
  })

  test('a download throws the refusal of a host, and a bug, as they are', async () => {
    const refusal = new HostRefusal('its host is not allowed')
    assert.equal((await request(new Error('connect', { cause: refusal }))).failure, refusal)
    const bug = new TypeError('undefined is not a function')
    assert.equal((await request(bug)).failure, bug)
  })
})
