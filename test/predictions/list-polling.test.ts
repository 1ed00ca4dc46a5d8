import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Answer } from '../../src/predictions/answer.ts'
import { type FetchPage, LIST_FROM, LIST_UNTIL, PredictionList } from '../../src/predictions/list.ts'
import { type Listed, ListPolling } from '../../src/predictions/list-polling.ts'

const answerOf = (id: string, status = 'processing'): Answer => ({ prediction: { id, status }, body: {} })
const pageOf = (...answers: Answer[]) => ({ answers, cursor: undefined })
const showsAll: FetchPage = async (_, wanted) => pageOf(...[...wanted].map((id) => answerOf(id)))
const showsNone: FetchPage = async () => pageOf()

/** Predictions that are waited for together, and what each was told of lists. */
function world(count: number, fetchPage: FetchPage = showsAll) {
  const told: string[] = []
  const stop = new AbortController()
  const listed = (id: string): Listed => ({
    id,
    deliver: ({ prediction }) => told.push(`${id} ${prediction.status}`),
    listBegins: () => told.push(`${id} begins`),
    listEnds: () => told.push(`${id} ends`),
    pollSingly: () => told.push(`${id} singly`),
  })
  const waits = Array.from({ length: count }, (_, i) => listed(`id${i}`))
  const open = new Set(waits)
  let lists = 0
  const list = new PredictionList((cursor, wanted) => {
    lists++
    return fetchPage(cursor, wanted)
  })
  const polling = new ListPolling(list, open, stop.signal)
  /** Leaves so many open. */
  const leave = (most: number) => {
    for (const each of waits.slice(most)) open.delete(each)
  }
  /** Reads a list. @returns the IDs that are polled singly beside it */
  const singles = async () => {
    told.length = 0
    await polling.refresh()
    return told.filter((each) => each.endsWith(' singly')).map((each) => each.split(' ')[0])
  }
  return { polling, list, open, told, stop, leave, singles, requests: () => lists }
}

describe('whether a list takes the place of polls', () => {
  test('the list is first used for eight open predictions, then for as few as three if it has shown them', async () => {
    assert.equal(world(LIST_FROM - 1).polling.isOn, false)
    const { polling, leave } = world(LIST_FROM)
    assert.equal(polling.isOn, true)
    await polling.refresh()
    leave(LIST_UNTIL)
    assert.equal(polling.isOn, true)
    leave(LIST_UNTIL - 1)
    assert.equal(polling.isOn, false)
  })

  test('a list that has shown no prediction of the step is not used for fewer than eight', async () => {
    const { polling, leave } = world(LIST_FROM, showsNone)
    await polling.refresh()
    assert.equal(polling.isOn, true)
    leave(LIST_FROM - 1)
    assert.equal(polling.isOn, false)
  })

  test('a list that is no longer usable is not requested', () => {
    const { polling, list } = world(LIST_FROM)
    list.leave()
    assert.equal(polling.isOn, false)
  })

  test('a round of polls takes one request a page and two polls beside it, or one a prediction without a list', async () => {
    assert.equal(world(LIST_FROM - 1).polling.requestsOfRound, LIST_FROM - 1)
    assert.equal(world(LIST_FROM).polling.requestsOfRound, 3)
    assert.equal(world(100).polling.requestsOfRound, 3)
    assert.equal(world(101).polling.requestsOfRound, 4)
    const { polling, list, leave } = world(LIST_FROM)
    await polling.refresh()
    leave(LIST_UNTIL)
    assert.equal(polling.requestsOfRound, 2)
    list.leave()
    assert.equal(polling.requestsOfRound, LIST_UNTIL)
  })
})

describe('a list', () => {
  test('a list request in flight is shared by all waits', async () => {
    const page = Promise.withResolvers<void>()
    const { polling, requests } = world(LIST_FROM, async (cursor, wanted) => {
      await page.promise
      return await showsAll(cursor, wanted)
    })
    assert.equal(polling.isUnderWay, false)
    const both = Promise.all([polling.refresh(), polling.refresh()])
    assert.equal(polling.isUnderWay, true)
    page.resolve()
    await both
    assert.deepEqual([polling.isUnderWay, requests()], [false, 1])
    await polling.refresh()
    assert.equal(requests(), 2)
  })

  test('open waits are notified of the start, the response and the end of a list request, in this order', async () => {
    const { polling, told, leave } = world(3, async () => {
      leave(2)
      return pageOf(answerOf('id0'), answerOf('id2', 'succeeded'), answerOf('stranger'))
    })
    await polling.refresh()
    assert.deepEqual(told, [
      'id0 singly',
      'id0 begins',
      'id1 begins',
      'id2 begins',
      'id0 processing',
      'id2 succeeded',
      'id0 ends',
      'id1 ends',
    ])
  })

  test('waits are notified of the end of a list request that fails, and the failure is thrown', async () => {
    const { polling, told } = world(1, async () => await Promise.reject(new TypeError('a bug')))
    await assert.rejects(polling.refresh(), /a bug/)
    assert.deepEqual(told.slice(-2), ['id0 begins', 'id0 ends'])
    assert.equal(polling.isUnderWay, false)
  })

  test('a list request ends with its signal', async () => {
    const { polling, stop } = world(LIST_FROM, async () => {
      stop.abort(new Error('enough'))
      throw stop.signal.reason
    })
    await assert.rejects(polling.refresh(), /enough/)
  })
})

describe('polls of single predictions beside a list', () => {
  test('two predictions are polled beside each list, each in its turn', async () => {
    const { singles } = world(9)
    assert.deepEqual(await singles(), ['id0', 'id1'])
    for (let i = 0; i < 3; i++) await singles()
    assert.deepEqual(await singles(), ['id8', 'id0'])
    assert.deepEqual(await singles(), ['id1', 'id2'])
  })

  test('one prediction is polled beside a list of fewer than eight', async () => {
    const { singles } = world(LIST_FROM - 1)
    assert.deepEqual(await singles(), ['id0'])
    assert.deepEqual(await singles(), ['id1'])
  })

  test('one prediction is polled beside a list of fewer than sixteen if a poll has confirmed an end', async () => {
    for (const [count, expected] of [
      [15, 1],
      [16, 2],
    ] as const) {
      const { polling, singles } = world(count, async () => pageOf(answerOf('id0', 'succeeded'), answerOf('id1')))
      await polling.refresh()
      polling.polled('id0', answerOf('id0', 'succeeded'))
      assert.equal((await singles()).length, expected)
    }
  })

  test('no prediction is polled if none is waited for', async () => {
    const { singles } = world(0)
    assert.deepEqual(await singles(), [])
  })
})
