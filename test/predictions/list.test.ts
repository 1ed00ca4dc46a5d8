import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Answer } from '../../src/predictions/answer.ts'
import { ConnectionError, NotAPredictionError, RefusalError, TooLargeError } from '../../src/predictions/errors.ts'
import { PredictionList } from '../../src/predictions/list.ts'
import type { ListPage } from '../../src/predictions/list-page.ts'

const REQUEST = { method: 'GET', url: 'https://api.test/v1/predictions' } as const
const { signal } = new AbortController()
const says = (id: string, status = 'processing'): Answer => ({ prediction: { id, status }, body: {} })
const ids = (count: number, prefix = 'p') => Array.from({ length: count }, (_, i) => `${prefix}${i}`)

/** A list of pages, each of these answers, that counts the pages that were fetched. */
function listOf(pages: () => readonly (readonly Answer[])[]) {
  const fetched: (string | undefined)[] = []
  const list = new PredictionList(async (cursor, wanted): Promise<ListPage> => {
    fetched.push(cursor)
    const at = Number(cursor ?? 0)
    const answers = (pages()[at] ?? []).filter(({ prediction }) => wanted.has(prediction.id))
    return { answers, cursor: at + 1 < pages().length ? String(at + 1) : undefined }
  })
  return { list, fetched }
}

describe('the list of predictions', () => {
  test('one page of the list answers for all predictions on it', async () => {
    const { list, fetched } = listOf(() => [ids(12).map((id) => says(id)), []])
    const answers = await list.fetch(new Set(ids(12)), signal)
    assert.equal(answers.size, 12)
    assert.deepEqual(fetched, [undefined])
  })

  test('the pages of the list are fetched only as deep as the open predictions are', async () => {
    const strangers = ids(100, 'x').map((id) => says(id))
    const { list, fetched } = listOf(() => [strangers, strangers, ids(9).map((id) => says(id)), strangers, strangers])
    assert.equal((await list.fetch(new Set(ids(9)), signal)).size, 9)
    assert.deepEqual(fetched, [undefined, '1', '2'])
  })

  test('more pages of the list are fetched for more open predictions', async () => {
    const strangers = ids(100, 'x').map((id) => says(id))
    const pages = [strangers, strangers, strangers, strangers, strangers, ids(100).map((id) => says(id)), strangers]
    const { list, fetched } = listOf(() => pages)
    assert.equal((await list.fetch(new Set(ids(250)), signal)).size, 100)
    assert.equal(fetched.length, 6)
    assert.equal((await list.fetch(new Set(ids(100)), signal)).size, 100)
  })

  test('the last page of the list is fetched once, although predictions are missing', async () => {
    const { list, fetched } = listOf(() => [ids(9).map((id) => says(id))])
    await list.fetch(new Set([...ids(9), 'old']), signal)
    assert.deepEqual(fetched, [undefined])
  })

  test('a list that is not needed is not fetched, and can still be used', async () => {
    const { list, fetched } = listOf(() => [ids(9).map((id) => says(id))])
    for (let i = 0; i < 4; i++) await list.fetch(new Set(), signal)
    assert.deepEqual([fetched, list.usable], [[], true])
  })

  test('a list without predictions of the step is no longer used after twelve requests', async () => {
    const strangers = ids(100, 'x').map((id) => says(id))
    const { list, fetched } = listOf(() => Array.from({ length: 50 }, () => strangers))
    for (let i = 0; i < 20 && list.usable; i++) await list.fetch(new Set(ids(9)), signal)
    assert.equal(fetched.length, 12)
    assert.equal(list.usable, false)
  })

  test('a prediction that three lists did not show no longer causes deeper pages to be fetched', async () => {
    const strangers = ids(100, 'x').map((id) => says(id))
    const { list, fetched } = listOf(() => [ids(9).map((id) => says(id)), strangers, strangers, strangers, strangers])
    for (let i = 0; i < 3; i++) await list.fetch(new Set([...ids(9), 'old']), signal)
    fetched.length = 0
    assert.equal((await list.fetch(new Set([...ids(9), 'old']), signal)).size, 9)
    assert.equal(fetched.length, 1)
  })

  test('a list that is twice behind single polls is no longer used', async () => {
    const { list } = listOf(() => [ids(9).map((id) => says(id, 'starting'))])
    const open = new Set(ids(9))
    await list.fetch(open, signal)
    list.polled('p0', says('p0', 'processing'))
    assert.equal((await list.fetch(open, signal)).size, 9)
    assert.equal((await list.fetch(open, signal)).size, 9)
    list.polled('p1', says('p1', 'succeeded'))
    assert.equal((await list.fetch(open, signal)).size, 0)
    assert.equal(list.usable, false)
  })

  test('a list is behind if it hides an end from the second fetch after the poll that showed it', async () => {
    const { list } = listOf(() => [ids(9).map((id) => says(id))])
    const open = new Set(ids(9))
    await list.fetch(open, signal)
    for (const [id, usable] of [
      ['p0', true],
      ['p1', false],
    ] as const) {
      list.polled(id, says(id, 'succeeded'))
      open.delete(id)
      await list.fetch(open, signal)
      assert.equal(list.usable, true)
      await list.fetch(open, signal)
      assert.equal(list.usable, usable)
    }
  })

  test('a list that is ahead of single polls is still used', async () => {
    const { list } = listOf(() => [ids(9).map((id) => says(id, 'succeeded'))])
    for (let i = 0; i < 3; i++) {
      list.polled('p0', says('p0', 'starting'))
      await list.fetch(new Set(ids(9)), signal)
    }
    assert.equal(list.usable, true)
  })

  test('a list is no longer used if three polls contradict an end that it reported', async () => {
    const { list } = listOf(() => [ids(9).map((id) => says(id, 'failed'))])
    for (let i = 0; i < 3; i++) {
      assert.equal((await list.fetch(new Set(ids(9)), signal)).size, 9)
      list.polled(`p${i}`, says(`p${i}`, 'failed'))
      list.polled('p8', says('p8'))
    }
    assert.equal(list.usable, false)
  })

  test('a list is still used if one poll of each prediction lags behind it', async () => {
    const { list } = listOf(() => [ids(9).map((id) => says(id, 'failed'))])
    for (const id of ids(9)) {
      await list.fetch(new Set(ids(9)), signal)
      list.polled(id, says(id))
    }
    assert.equal(list.usable, true)
  })

  test('a list is current once a poll confirms an end that it reported, until it lags behind a poll', async () => {
    const { list } = listOf(() => [ids(9).map((id) => says(id, id === 'p0' ? 'failed' : 'starting'))])
    const open = new Set(ids(9))
    list.polled('p0', says('p0', 'failed'))
    await list.fetch(open, signal)
    assert.equal(list.isCurrent, false)
    list.polled('p0', says('p0', 'processing'))
    assert.equal(list.isCurrent, false)
    await list.fetch(open, signal)
    list.polled('p0', says('p0', 'failed'))
    assert.equal(list.isCurrent, true)
    list.polled('p1', says('p1', 'processing'))
    await list.fetch(open, signal)
    assert.equal(list.isCurrent, false)
  })

  for (const [name, error, requests] of [
    ['404', () => new RefusalError(REQUEST, { status: 404, headers: {}, text: '' }), 2],
    ['405', () => new RefusalError(REQUEST, { status: 405, headers: {}, text: '' }), 2],
    ['a web page', () => new NotAPredictionError(REQUEST, 'a web page'), 2],
    ['a response that is too large', () => new TooLargeError(REQUEST, 2), 1],
    ['500', () => new RefusalError(REQUEST, { status: 500, headers: {}, text: '' }), 3],
    ['a reset connection', () => new ConnectionError(REQUEST, new Error('reset')), 3],
  ] as const) {
    test(`request ${requests} for a list that fails with ${name} is the last one`, async () => {
      let made = 0
      const list = new PredictionList(async () => {
        made++
        throw error()
      })
      for (let i = 0; i < 20 && list.usable; i++) await list.fetch(new Set(ids(9)), signal)
      assert.equal(made, requests)
    })
  }

  test('a list that fails now and then is still used', async () => {
    let made = 0
    const list = new PredictionList(async () => {
      if (++made % 3 === 0) throw new RefusalError(REQUEST, { status: 503, headers: {}, text: '' })
      return { answers: ids(9).map((id) => says(id)), cursor: undefined }
    })
    for (let i = 0; i < 30; i++) await list.fetch(new Set(ids(9)), signal)
    assert.equal(list.usable, true)
  })

  test('a bug is not mistaken for a failure of the API', async () => {
    const list = new PredictionList(async () => {
      throw new TypeError('a bug')
    })
    await assert.rejects(list.fetch(new Set(ids(9)), signal), TypeError)
  })

  test('a cursor that repeats ends the list', async () => {
    let made = 0
    const list = new PredictionList(async () => {
      made++
      return { answers: [], cursor: 'same' }
    })
    await list.fetch(new Set(ids(900)), signal)
    assert.equal(made, 2)
  })
})
