import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** What a server does with one request in place of answering it. */
export type Trick =
  | { status: number; body?: string; headers?: Record<string, string> }
  | { body: string; type?: string }
  | { cutOff: string }
  | { drip: string; every: number }
  | { redirect: string }
  | { after: number; then: Trick }
  | 'reset'
  | 'hang'
  | 'pass'

/** @returns whether the request is to be answered as if nothing had happened */
export async function play(trick: Trick, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  if (trick === 'pass') return true
  if (trick === 'reset') request.socket.destroy()
  else if (trick === 'hang') await new Promise((resolve) => response.on('close', resolve))
  else if ('after' in trick) {
    await sleep(trick.after * 1000, undefined, { ref: false })
    return play(trick.then, request, response)
  } else if ('cutOff' in trick) cutOff(trick.cutOff, request, response)
  else if ('drip' in trick) await drip(trick, response)
  else if ('redirect' in trick) response.writeHead(302, { location: trick.redirect }).end()
  else if ('status' in trick)
    response.writeHead(trick.status, { 'content-type': 'application/json', ...trick.headers }).end(trick.body ?? '')
  else response.writeHead(200, { 'content-type': trick.type ?? 'application/json' }).end(trick.body)
  return false
}

function cutOff(text: string, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text) + 100,
  })
  response.write(text, () => request.socket.destroy())
}

async function drip(trick: { drip: string; every: number }, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json' })
  for (const character of trick.drip) {
    response.write(character)
    await sleep(trick.every * 1000, undefined, { ref: false })
  }
  response.end()
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

export function problem(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  json(response, status, body, { 'content-type': 'application/problem+json', ...headers })
}

/** What many gateways answer to a path that they do not know. */
export function gatewayPage(response: ServerResponse): void {
  response
    .writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    .end('<!doctype html><html><head><title>Gateway</title></head><body></body></html>')
}
