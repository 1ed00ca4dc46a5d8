import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { isOver, type Living } from './simulated-prediction.ts'
import { problem } from './tricks.ts'

/** Replicate ends a stream after half a minute, with this comment. */
const LIMIT_MS = 30_000
const REASONS: Readonly<Record<string, string>> = { failed: 'error', canceled: 'canceled', aborted: 'canceled' }

/**
 * The stream of a prediction as text/event-stream: each piece of the output as it is, an event of its own
 * (replicate.com/docs/topics/predictions/streaming). @param now the prediction as the API answers with it now
 */
export async function serveStream(
  prediction: Living | undefined,
  now: (prediction: Living) => Record<string, unknown>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const manner = prediction?.stream ?? 'honest'
  if (!prediction || manner === 'refused' || manner === 'none')
    return problem(response, 404, { detail: 'There is no such stream.' })
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' })
  const gone = new Promise<void>((resolve) => request.on('close', resolve).socket.on('close', resolve))
  const event = (name: string, data: string) =>
    response.write(`event: ${name}\nid: ${Date.now()}:0\ndata: ${data.replaceAll('\n', '\ndata: ')}\n\n`)
  if (manner === 'silent') return gone
  response.write(': hi\n\n')
  if (manner === 'short') return void response.end()
  if (manner === 'early') event('done', '{}')
  if (manner === 'flood') return flood(event, response)
  return follow(prediction, now, event, response)
}

async function flood(event: (name: string, data: string) => void, response: ServerResponse): Promise<void> {
  while (!response.destroyed) {
    event('output', 'x'.repeat(1000))
    await sleep(0)
  }
}

async function follow(
  prediction: Living,
  now: (prediction: Living) => Record<string, unknown>,
  event: (name: string, data: string) => void,
  response: ServerResponse,
): Promise<void> {
  let logs = 0
  let told = 0
  const opened = performance.now()
  while (!response.destroyed) {
    const body = now(prediction)
    const text = String(body.logs)
    if (text.length > logs) event('logs', text.slice(logs).replaceAll('\n', ' '))
    logs = text.length
    const over = isOver(body.status)
    if (over && prediction.streamLag !== undefined) await sleep(prediction.streamLag * 1000)
    const outputs = body.output === null ? [] : [body.output].flat()
    for (const each of outputs.slice(told)) event('output', typeof each === 'string' ? each : JSON.stringify(each))
    told = outputs.length
    if (over) {
      event('done', body.status === 'succeeded' ? '{}' : `{"reason":"${REASONS[String(body.status)]}"}`)
      response.end()
      return
    }
    if (performance.now() - opened > LIMIT_MS) return void response.end(':408: 408 Request Timeout\n\n')
    await sleep(25)
  }
}
