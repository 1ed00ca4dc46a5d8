import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { predictions } from '../../src/predictions/apis/predictions.ts'
import { NotAPredictionError } from '../../src/predictions/errors.ts'
import { readListPage } from '../../src/predictions/list-page.ts'

const REQUEST = { method: 'GET', url: 'https://api.test/v1/predictions' } as const
const read = (body: unknown, ...wanted: string[]) =>
  readListPage(REQUEST, JSON.stringify(body), new Set(wanted), predictions)

describe('a page of the list', () => {
  test('a page of the list gives the wanted predictions and nothing of the others', async () => {
    const page = await read(
      {
        results: [
          { id: 'a', status: 'processing' },
          { id: 'secret', status: 'succeeded', output: 'x' },
        ],
      },
      'a',
    )
    assert.deepEqual(
      page.answers.map(({ prediction, body }) => [prediction.id, prediction.status, body]),
      [['a', 'processing', { id: 'a', status: 'processing' }]],
    )
    assert.ok(!JSON.stringify(page).includes('secret'))
  })

  for (const [next, cursor] of [
    ['https://api.replicate.com/v1/predictions?cursor=cD0y', 'cD0y'],
    ['http://elsewhere.test/x?cursor=a%2Bb', 'a+b'],
    ['/predictions?cursor=abc', 'abc'],
    ['https://api.replicate.com/v1/predictions', undefined],
    ['https://api.replicate.com/v1/predictions?cursor=', undefined],
    [null, undefined],
    [7, undefined],
    [['?cursor=abc'], undefined],
  ] as const) {
    test(`the cursor after ${JSON.stringify(next)} is ${cursor ?? 'missing'}`, async () => {
      assert.equal((await read({ results: [], next })).cursor, cursor)
    })
  }

  test('a page without a list of results is an error', async () => {
    for (const body of [{}, { results: {} }, { id: 'a', status: 'succeeded' }])
      await assert.rejects(
        read(body, 'a'),
        (error) => error instanceof NotAPredictionError && /JSON that is not a list of predictions/.test(error.message),
      )
  })

  test('a page leaves out items that have no ID or are no predictions', async () => {
    const results = [null, 7, 'a', {}, { id: 7 }, { id: 'a' }, { id: 'b', status: 'starting' }]
    assert.deepEqual(
      (await read({ results }, 'a', 'b')).answers.map(({ prediction }) => prediction.id),
      ['b'],
    )
  })
})
