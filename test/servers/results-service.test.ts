import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ResultsService, startResultsService } from './results-service.ts'

async function call(service: ResultsService, method: string, request: object) {
  const url = `${service.env.ACTIONS_RESULTS_URL}twirp/github.actions.results.api.v1.ArtifactService/${method}`
  const headers = { authorization: `Bearer ${service.env.ACTIONS_RUNTIME_TOKEN}` }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(request) })
  const body = (await response.json()) as { artifacts?: unknown[]; artifact_id?: string; code?: string }
  return { status: response.status, ...body }
}

const create = (service: ResultsService, name: string) => call(service, 'CreateArtifact', { name, version: 7 })
const listed = async (service: ResultsService) => (await call(service, 'ListArtifacts', {})).artifacts?.length

test('the double of the results service reserves a name for one attempt, and the newest copy counts', async () => {
  await using service = await startResultsService()
  assert.equal((await create(service, 'a')).status, 200)
  assert.deepEqual([(await create(service, 'a')).status, (await create(service, 'a')).code], [409, 'already_exists'])
  service.rerun('failed')
  assert.equal((await create(service, 'a')).status, 200)
  assert.equal(await listed(service), 2)
  assert.equal((await call(service, 'DeleteArtifact', { name: 'a' })).artifact_id, '102')
  assert.equal(await listed(service), 1)
  service.rerun('all')
  assert.equal(await listed(service), 0)
})

test('the double of the results service can reserve a name for the whole run', async () => {
  await using service = await startResultsService({ namesPer: 'run' })
  service.occupy('a')
  service.rerun('all')
  assert.equal((await create(service, 'a')).status, 409)
})
