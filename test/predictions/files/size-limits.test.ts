import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PermanentError } from '../../../src/predictions/files/file-error.ts'
import { SizeLimits } from '../../../src/predictions/files/size-limits.ts'

const refused = (message: RegExp) => (error: unknown) => error instanceof PermanentError && message.test(error.message)

describe('the limit of one file', () => {
  test('is the last size that is allowed', () => {
    const file = new SizeLimits(100, 1000).open()
    file.expect(100)
    file.use(100)
    assert.throws(
      () => file.use(101),
      refused(/larger than max-file-size allows \(more than 100 bytes, the limit is 100 bytes\)/),
    )
  })
  test('is named with the exact size if the server told it', () => {
    const file = new SizeLimits(100, 1000).open()
    assert.throws(() => file.expect(150), refused(/\(150 bytes, the limit is 100 bytes\)/))
  })
})

describe('the limit of all files', () => {
  test('counts each file once, however often its size is told', () => {
    const limits = new SizeLimits(100, 150)
    const first = limits.open()
    for (const size of [50, 80, 80, 20]) first.use(size)
    limits.open().expect(70)
    assert.throws(
      () => limits.open().expect(1),
      refused(/max-total-size allows \(1 bytes, and 150 of 150 bytes are used\)/),
    )
  })
  test('names what the other files use, and not what the file itself has', () => {
    const limits = new SizeLimits(100, 120)
    limits.open().use(60)
    const second = limits.open()
    second.use(40)
    assert.throws(() => second.use(61), refused(/\(more than 61 bytes, and 60 of 120 bytes are used\)/))
    second.use(60)
  })
  test('the total limit has room again for a file that no longer counts', () => {
    const limits = new SizeLimits(100, 100)
    const first = limits.open()
    first.expect(100)
    first.release()
    first.release()
    const second = limits.open()
    second.expect(100)
    assert.throws(() => first.use(1), refused(/100 of 100/))
  })
})
