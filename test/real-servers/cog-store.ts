import { isOver } from '../servers/simulated-prediction.ts'
import { bodyOf, type Listening, listen } from '../support/listen.ts'

/**
 * cog has no `GET /predictions/{id}`: whoever serves it keeps the bodies of its webhooks. This keeps the newest of each
 * prediction and passes creations and cancels on to cog, whose answers come back as they are.
 */
export async function startCogStore(cog: string, key: string): Promise<Listening> {
  const kept = new Map<string, Record<string, unknown>>()
  const store = await listen(async (request, response) => {
    const body = (await bodyOf(request)).toString()
    const send = (status: number, answer: string) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(answer)
    const path = (request.url ?? '').split('/').filter(Boolean)
    if (path[0] === 'webhook') {
      const prediction = JSON.parse(body)
      // A late `processing` can overtake the end.
      const before = kept.get(prediction.id)
      if (!isOver(before?.status)) kept.set(prediction.id, { ...before, ...prediction })
      return send(200, '{}')
    }
    if (request.headers.authorization !== `Bearer ${key}`) return send(401, '{"detail":"Unauthenticated"}')
    const [, , id = '', call] = path
    if (request.method === 'GET') {
      const prediction = kept.get(id)
      return prediction ? send(200, JSON.stringify(prediction)) : send(404, '{"detail":"Not found."}')
    }
    const target = call === 'cancel' ? `${cog}/predictions/${id}/cancel` : `${cog}/predictions`
    const wanted = call === 'cancel' ? {} : { ...JSON.parse(body), webhook: `${store.origin}/webhook` }
    const headers = { 'content-type': 'application/json', prefer: 'respond-async' }
    const answer = await fetch(target, { method: 'POST', headers, body: JSON.stringify(wanted) })
    const text = await answer.text()
    if (call !== 'cancel' && answer.ok) {
      const started = JSON.parse(text)
      // A webhook can be quicker than the answer.
      kept.set(started.id, { ...started, ...kept.get(started.id) })
    }
    send(answer.status, text)
  })
  return store
}
