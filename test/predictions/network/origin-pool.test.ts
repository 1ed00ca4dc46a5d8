import assert from 'node:assert/strict'
import type { IncomingMessage, RequestListener } from 'node:http'
import { test } from 'node:test'
import { ConnectFailure, ProxyRefusal } from '../../../src/predictions/network/connect-errors.ts'
import { createDispatcher } from '../../../src/predictions/network/dispatcher.ts'
import { causeOf } from '../../../src/predictions/network/network-errors.ts'
import { listen } from '../../support/listen.ts'

const GET = { method: 'GET', headers: { accept: 'text/plain' }, path: '/cake?layers=3' } as const

/** Requests plain http through a proxy. */
async function forwarded(answer: RequestListener, credentials = '') {
  const seen: IncomingMessage[] = []
  await using proxy = await listen((request, response) => {
    seen.push(request)
    answer(request, response)
  })
  const made = createDispatcher({ http_proxy: `http://${credentials}127.0.0.1:${proxy.port}` })
  try {
    const outcome = await made
      .request({ ...GET, origin: 'http://files.test:8080' })
      .then(({ body }) => body.text())
      .catch((error: unknown) => error)
    return { outcome, seen: seen[0] }
  } finally {
    await made.destroy()
  }
}

test('a proxy gets a request of plain http with its whole URL, its host and the password of the proxy', async () => {
  const { outcome, seen } = await forwarded((_, response) => response.end('fine'), 'user:secret@')
  assert.equal(outcome, 'fine')
  assert.equal(seen?.url, 'http://files.test:8080/cake?layers=3')
  assert.equal(seen?.headers.host, 'files.test:8080')
  assert.equal(seen?.headers.accept, 'text/plain')
  assert.equal(seen?.headers['proxy-authorization'], `Basic ${Buffer.from('user:secret').toString('base64')}`)
})

test('a proxy without a user name gets no credentials with a request of plain http', async () => {
  const { seen } = await forwarded((_, response) => response.end('fine'))
  assert.equal(seen?.headers['proxy-authorization'], undefined)
})

test('a 407 is what the proxy says, with the kinds of authentication that it offers', async () => {
  const { outcome } = await forwarded((_, response) =>
    response.writeHead(407, { 'proxy-authenticate': ['Negotiate', 'NTLM'] }).end('no'),
  )
  const refusal = causeOf(outcome, ProxyRefusal)
  assert.equal(refusal?.status, 407)
  assert.match(refusal.message, /requires Negotiate or NTLM authentication/)
})

test('a 407 of a server without a proxy is a response', async () => {
  await using server = await listen((_, response) => response.writeHead(407).end())
  const made = createDispatcher({})
  const { statusCode, body } = await made.request({ ...GET, origin: server.origin })
  await body.dump()
  await made.destroy()
  assert.equal(statusCode, 407)
})

test('a request of plain http names the proxy that cannot be reached', async () => {
  const made = createDispatcher({ HTTP_PROXY: 'http://127.0.0.1:1' })
  const failure = await made.request({ ...GET, origin: 'http://files.test' }).catch((error: unknown) => error)
  await made.destroy()
  assert.deepEqual(causeOf(failure, ConnectFailure)?.proxy, { variable: 'HTTP_PROXY', step: 'connection' })
})
