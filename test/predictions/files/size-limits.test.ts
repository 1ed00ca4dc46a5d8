import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PermanentError } from '../../../src/predictions/files/file-error.ts'
import { SizeLimits } from '../../../src/predictions/files/size-limits.ts'

const refused = (message: RegExp) => (error: unknown) => error instanceof PermanentError && message.test(error.message)

describe('the limit of one file', () => {
  test('a file of exactly max-file-size is allowed, and a larger one is refused', () => {
    const file = new SizeLimits(100, 1000).open()
    file.expect(100)
    file.use(100)
    assert.throws(
      () => file.use(101),
      refused(/larger than max-file-size allows \(more than 100 bytes, the limit is 100 bytes\)/),
    )
  })
  test('a file that is too large is refused with its exact size if the server sent it', () => {
    const file = new SizeLimits(100, 1000).open()
    assert.throws(() => file.expect(150), refused(/\(150 bytes, the limit is 100 bytes\)/))
  })
})

describe('the limit of all files', () => {
  test('a file counts once toward the total size, however often its size is reported', () => {
    const limits = new SizeLimits(100, 150)
    const first = limits.open()
    for (const size of [50, 80, 80, 20]) first.use(size)
    limits.open().expect(70)
    assert.throws(
      () => limits.open().expect(1),
      refused(/max-total-size allows \(1 bytes, and 150 of 150 bytes are used\)/),
    )
  })
  test('an error about the total size names the bytes of the other files only', () => {
    const limits = new SizeLimits(100, 120)
    limits.open().use(60)
    const second = limits.open()
    second.use(40)
    assert.throws(() => second.use(61), refused(/\(more than 61 bytes, and 60 of 120 bytes are used\)/))
    second.use(60)
  })
  test('the total size has room again after a file was released', () => {
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
