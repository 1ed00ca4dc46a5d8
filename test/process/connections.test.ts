import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, createSecureServer, type Http2ServerResponse } from 'node:http2'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { generate } from 'selfsigned'
import { startSimulator } from '../servers/simulator.ts'
import { certificateAuthority } from '../support/certificate.ts'
import { listen } from '../support/listen.ts'
import { type RunResult, runAction } from '../support/run-action.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const KEY = 'sk-secret-0123456789'
const SUCCEEDED = '{"id":"abc","status":"succeeded","output":"whole"}'
const errors = (run: RunResult) =>
  run.annotations.filter(({ level }) => level === 'error').map(({ message }) => message)
const inputs = (origin: string, more: Record<string, string> = {}) => ({
  'prediction-id': 'abc',
  'api-key': KEY,
  'api-url': `${origin}/v1`,
  ...more,
})

/** A server on 127.0.0.1 that keeps its sockets, so that they can be closed. */
async function serve(handle: (socket: Socket) => void, tls?: TlsOptions) {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket.on('error', () => {}))
    handle(socket)
  }
  const server = tls ? createTlsServer(tls, keep) : createServer(keep)
  server.on('tlsClientError', () => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

const DAY_MS = 86_400_000
const fromNow = (days: number) => new Date(Date.now() + days * DAY_MS)

/** A certificate that its own process trusts, and is wrong in one way. */
const madeFor = (ip: string, days: [from: number, to: number] = [-1, 1]) =>
  generate([{ name: 'commonName', value: 'gateway' }], {
    notBeforeDate: fromNow(days[0]),
    notAfterDate: fromNow(days[1]),
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip }] },
    ],
  })

describe('TLS that cannot work ends the step at once, each in words of its own', { concurrency: 3 }, () => {
  const here = () => madeFor('127.0.0.1')
  const alert = (code: number) => (socket: Socket) =>
    void socket.once('data', () => socket.write(Buffer.from([21, 3, 3, 0, 2, 2, code])))
  const cases: [
    name: string,
    certificate: () => ReturnType<typeof madeFor>,
    tls: TlsOptions | ((socket: Socket) => void),
    words: RegExp,
  ][] = [
    [
      'a port of plain http',
      here,
      (socket) => void socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
      /does not speak TLS on this port \(ERR_SSL_WRONG_VERSION_NUMBER\).*http:\/\//,
    ],
    [
      'a server of TLS 1.1',
      here,
      { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' },
      /TLS 1\.2 or a later version \(/,
    ],
    [
      'an expired certificate',
      () => madeFor('127.0.0.1', [-9, -2]),
      {},
      /certificate has expired \(CERT_HAS_EXPIRED\)\. Its certificate is for "gateway".*Renew it/,
    ],
    [
      'a certificate that is not yet valid',
      () => madeFor('127.0.0.1', [1, 2]),
      {},
      /not yet valid \(CERT_NOT_YET_VALID\)\..*not before.*clock/,
    ],
    [
      'a certificate for another host',
      () => madeFor('127.0.0.9'),
      {},
      /for another host \(ERR_TLS_CERT_ALTNAME_INVALID\)\. Its certificate is for "gateway".*127\.0\.0\.9/,
    ],
    ['a refused handshake', here, alert(40), /refuses the TLS handshake \(.*client certificate/],
    ['a required client certificate', here, alert(116), /requires a client certificate \(/],
  ]
  for (const [name, make, tls, words] of cases) {
    test(`${name} ends the step at once with a message of its own`, async () => {
      const made = await make()
      await using folder = await temporaryFolder('tls')
      const env = { NODE_EXTRA_CA_CERTS: folder.file('ca.pem') }
      await writeFile(env.NODE_EXTRA_CA_CERTS, made.cert)
      await using server =
        typeof tls === 'function'
          ? await serve(tls)
          : await serve((socket) => socket.destroy(), { key: made.private, cert: made.cert, ...tls })
      const origin = `https://127.0.0.1:${server.port}`
      await using run = await runAction({ inputs: inputs(origin), env })
      const creation = { 'api-key': KEY, 'api-url': `${origin}/v1`, model: 'owner/painter', input: 'prompt: x' }
      await using created = await runAction({ action: 'create', inputs: creation, env })
      for (const { exitCode, log } of [run, created]) {
        assert.equal(exitCode, 1)
        assert.doesNotMatch(log, /retrying|:error:|\.c:\d|routines|NODE_EXTRA_CA_CERTS|may have been started/)
      }
      assert.match(errors(run)[0] ?? '', words)
      assert.match(errors(created)[0] ?? '', words)
    })
  }
})

describe('a gateway over TLS', { concurrency: 4 }, () => {
  const packings = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync }
  for (const http2 of [false, true]) {
    test(`responses in gzip, deflate, br and zstd are decoded over HTTP/${http2 ? 2 : 1.1}`, async () => {
      await using authority = await certificateAuthority()
      for (const [encoding, pack] of Object.entries(packings)) {
        await using api = await listen(
          (_, response) => response.writeHead(200, { 'content-encoding': encoding }).end(pack(SUCCEEDED)),
          { tls: authority.certificate, http2 },
        )
        await using run = await runAction({ inputs: inputs(api.origin), env: authority.env })
        assert.equal(run.outputs.output_text, 'whole', `${encoding}: ${run.log}`)
      }
    })
  }

  test('a response with damaged compression is polled again', async () => {
    await using authority = await certificateAuthority()
    let polls = 0
    await using api = await listen(
      (_, response) => {
        const body = gzipSync(SUCCEEDED)
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(polls++ === 0 ? body.subarray(0, -10) : body)
      },
      { tls: authority.certificate },
    )
    await using run = await runAction({ inputs: inputs(api.origin), env: authority.env })
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(polls, 2)
    assert.match(run.log, /gzip compression is damaged/)
  })

  test('a response with 250 KiB of headers is accepted', async () => {
    await using authority = await certificateAuthority()
    await using api = await listen(
      (_, response) => response.writeHead(200, { 'content-security-policy': 'p'.repeat(250 * 1024) }).end(SUCCEEDED),
      { tls: authority.certificate },
    )
    await using run = await runAction({ inputs: inputs(api.origin), env: authority.env })
    assert.equal(run.exitCode, 0, run.log)
  })
})

describe('a connection that goes silent without a word', { concurrency: 4 }, () => {
  /** Forwards to a port; `deafen` makes it forget the connections that it has, without closing them. */
  async function nat(port: number) {
    const forgotten = new Set<() => void>()
    const server = await serve((client) => {
      const upstream = connect(port, '127.0.0.1')
      upstream.on('error', () => client.destroy())
      client.on('close', () => upstream.destroy())
      client.pipe(upstream).pipe(client)
      forgotten.add(() => {
        client.unpipe(upstream).resume()
        upstream.unpipe(client).resume()
      })
    })
    return { ...server, deafen: () => [...forgotten].forEach((forget) => void forget()) }
  }

  for (const http2 of [false, true]) {
    const version = `HTTP/${http2 ? 2 : 1.1}`
    test(`an ${version} connection that goes silent delays a wait by about ten seconds`, async () => {
      await using authority = await certificateAuthority()
      await using simulator = await startSimulator({ tls: authority.certificate, http2 })
      await using way = await nat(Number(new URL(simulator.origin).port))
      const id = simulator.add({
        moments: [
          { at: 0, status: 'processing' },
          { at: 3, status: 'succeeded', output: 'whole' },
        ],
        stream: 'none',
        startsWhenSeen: true,
      })
      const started = performance.now()
      let deaf = false
      await using run = await runAction({
        inputs: {
          ...inputs(`https://127.0.0.1:${way.port}`),
          'prediction-id': id,
          'api-key': simulator.key,
          'api-url': `https://127.0.0.1:${way.port}/replicate/v1`,
        },
        env: authority.env,
        onPrint: (text) => {
          if (deaf || !text.includes('processing')) return
          deaf = true
          way.deafen()
        },
      })
      assert.equal(run.exitCode, 0, run.log)
      assert.ok(deaf)
      const seconds = (performance.now() - started) / 1000
      // Without a second connection it would be the 90 s of a request.
      assert.ok(seconds > 9 && seconds < 60, `${seconds} s`)
    })

    test(`post retries a cancellation whose ${version} connection goes silent`, async () => {
      await using authority = await certificateAuthority()
      const cancels: string[] = []
      let forget = () => {}
      await using api = await listen(
        (request, response) => {
          if (request.method === 'GET') return void response.end('{"id":"abc","status":"processing"}')
          cancels.push(request.httpVersion)
          if (cancels.length === 1) forget()
          else response.end('{"id":"abc","status":"canceled"}')
        },
        { tls: authority.certificate, http2 },
      )
      await using way = await nat(api.port)
      forget = way.deafen
      await using run = await runAction({
        step: 'post',
        state: { open: 'abc' },
        inputs: inputs(`https://127.0.0.1:${way.port}`),
        env: authority.env,
      })
      assert.equal(run.exitCode, 0, run.log)
      assert.match(run.log, /abc canceled/)
      assert.equal(cancels.length, 2)
    })
  }

  test('a TLS handshake without an answer ends a wait at its timeout', async () => {
    await using server = await serve(() => {})
    const start = performance.now()
    await using run = await runAction({ inputs: inputs(`https://127.0.0.1:${server.port}`, { timeout: '2s' }) })
    assert.equal(run.exitCode, 1)
    // A handshake has 60 s.
    assert.ok(performance.now() - start < 45_000)
  })
})

test('an HTTP/2 connection that breaks off at every third request does not end a wait', async () => {
  await using authority = await certificateAuthority()
  let requests = 0
  const server = createSecureServer({ ...authority.certificate }, (request, response) => {
    if (requests++ % 3 === 0) return void request.stream.session?.destroy()
    response.setHeader('content-type', 'application/json')
    response.end(requests < 8 ? '{"id":"abc","status":"processing"}' : SUCCEEDED)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await using run = await runAction({
    inputs: inputs(`https://127.0.0.1:${port}`, { timeout: '60s', 'poll-interval': '1s' }),
    env: authority.env,
  })
  server.close()
  assert.equal(run.exitCode, 0, run.log)
  assert.equal(run.outputs.output_text, 'whole')
  assert.ok(requests >= 8, `${requests} requests`)
})

test('a file without a length is downloaded again if its transfer is reset midway', async () => {
  await using authority = await certificateAuthority()
  const text = 'a cake '.repeat(1000)
  let transfers = 0
  const breakOff = (request: IncomingMessage, response: ServerResponse) => {
    if (!('stream' in response)) return void request.socket.destroy()
    const { stream } = response as unknown as Http2ServerResponse
    // Its answer says that what was sent before has arrived.
    stream.session?.ping(() => stream.close(constants.NGHTTP2_CANCEL))
  }
  await using host = await listen(
    (request, response) => {
      if (!request.url?.startsWith('/cake')) return void response.end(answer)
      response.writeHead(200, { 'content-type': 'text/plain' })
      if (++transfers > 1) response.end(text)
      else response.write(text.slice(0, 3000), () => breakOff(request, response))
    },
    { tls: authority.certificate, http2: true },
  )
  const answer = JSON.stringify({ id: 'abc', status: 'succeeded', output: [`${host.origin}/cake.txt`] })
  await using run = await runAction({ inputs: inputs(host.origin, { 'output-dir': 'out' }), env: authority.env })
  assert.equal(run.exitCode, 0, run.log)
  assert.equal(await readFile(run.outputs.files ?? '', 'utf8'), text)
  assert.equal(transfers, 2)
})
