import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import { receive, type StoredText, type TextStore } from '../../src/predictions/body.ts'
import { TooLargeError } from '../../src/predictions/errors.ts'

const REQUEST = { method: 'GET', url: 'https://api.test/v1/predictions/abc', call: 'get' } as const
const MB = 2 ** 20

/** A store in memory that fails from the given append on. */
class Store implements TextStore {
  readonly #failsAt: number
  opened = 0
  closed = 0
  appended = 0

  constructor(failsAt = Number.POSITIVE_INFINITY) {
    this.#failsAt = failsAt
  }

  async open(): Promise<StoredText> {
    if (this.#failsAt === 0) throw new Error('no space')
    this.opened++
    const parts: Buffer[] = []
    return {
      append: async (bytes) => {
        if (++this.appended >= this.#failsAt) throw new Error('no space')
        parts.push(...bytes)
      },
      read: async () => Buffer.concat(parts).toString(),
      bytes: async function* () {
        yield* parts
      },
      another: () => this.open(),
      close: async () => {
        this.closed++
      },
    }
  }
}

/** Of three megabytes and a half, with a character of two bytes across the first two parts. */
async function* large() {
  const bytes = Buffer.from(`${'a'.repeat(MB - 1)}é${'b'.repeat(2.5 * MB)}`)
  for (let at = 0; at < bytes.length; at += MB) yield bytes.subarray(at, at + MB)
}
const LARGE = `${'a'.repeat(MB - 1)}é${'b'.repeat(2.5 * MB)}`

describe('the body of an answer', () => {
  test('a body of up to a megabyte stays in memory', async () => {
    const store = new Store()
    const chunks = [Buffer.alloc(MB / 2, 'a'), Buffer.alloc(MB / 2, 'b')]
    const body = await receive(chunksOf(chunks), REQUEST, { limit: 64 * MB, store })
    assert.equal(body, 'a'.repeat(MB / 2) + 'b'.repeat(MB / 2))
    assert.equal(store.opened, 0)
  })

  test('a body above a megabyte is stored on disk, and can be read by its caller', async () => {
    const store = new Store()
    const body = await receive(large(), REQUEST, { limit: 64 * MB, store })
    assert.ok(typeof body !== 'string')
    assert.equal(await body.read(), LARGE)
    assert.ok(store.appended >= 2)
    assert.equal(store.closed, 0)
  })

  test('a large body stays in memory if there is no store', async () => {
    assert.equal(await receive(large(), REQUEST, { limit: 64 * MB, store: undefined }), LARGE)
  })

  for (const failsAt of [0, 1, 2]) {
    test(`a large body is complete in memory if the store fails at step ${failsAt}`, async () => {
      const store = new Store(failsAt)
      assert.equal(await receive(large(), REQUEST, { limit: 64 * MB, store }), LARGE)
      assert.equal(store.closed, store.opened)
    })
  }

  test('a body above the limit is refused, and nothing of it stays in the store', async () => {
    const store = new Store()
    await assert.rejects(receive(large(), REQUEST, { limit: 3 * MB, store }), TooLargeError)
    assert.deepEqual([store.opened, store.closed], [1, 1])
  })
})

async function* chunksOf(chunks: readonly Buffer[]) {
  yield* chunks
}
