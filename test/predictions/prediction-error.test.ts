import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { errorMeaning, errorText, isPlatformError, lastLogLine } from '../../src/predictions/prediction-error.ts'

test('the error of a prediction is read in every known shape', () => {
  const shapes: [unknown, string][] = [
    [undefined, ''],
    [null, ''],
    ['', ''],
    [' out of memory ', 'out of memory'],
    [{ message: '内存不足' }, '内存不足'],
    [{ detail: 'x' }, 'x'],
    [{ message: ' ', detail: ' x\n' }, 'x'],
    [{ message: 5, detail: 'x' }, 'x'],
    [{ message: 'm', detail: 'x' }, 'm'],
    [true, 'true'],
    [5, '5'],
    [{ code: 5 }, '{"code":5}'],
    [['a'], '["a"]'],
  ]
  for (const [error, text] of shapes) assert.equal(errorText(error), text)
})

test('a known error code in the text is explained, and an unknown one is not', () => {
  assert.match(
    errorMeaning('Prediction interrupted; please retry (code: PA)'),
    /interrupted it\. The same input may succeed/,
  )
  assert.match(errorMeaning('CUDA broke (E1001)'), /out of memory\. Request less/)
  assert.match(errorMeaning('Flagged as sensitive. E005'), /sensitive\. Change the input/)
  assert.equal(errorMeaning('strange (E1000)'), '')
  assert.equal(errorMeaning('no code'), '')
})

test('an empty error counts as none', () => {
  const emptyFields = { code: 0, message: '', type: null, retryable: false }
  for (const error of [null, undefined, '', ' ', false, 0, {}, [], emptyFields]) assert.equal(errorText(error), '')
})

test('the last line of a log skips blank lines, rules and progress bars', () => {
  assert.equal(lastLogLine('start\nMemoryError: 8 GB\n\n'), 'MemoryError: 8 GB')
  assert.equal(lastLogLine('OOM\r\n 45%|████▌ | 18/40 [00:03<00:04,  5.08it/s]\r 50%|█████ | 20/40'), 'OOM')
  assert.equal(lastLogLine('done\n----\n'), 'done')
  assert.equal(lastLogLine(`${'x'.repeat(400)}`), `${'x'.repeat(300)}…`)
  assert.equal(lastLogLine(' 5 \n'), '5')
  assert.equal(lastLogLine(''), '')
  assert.equal(lastLogLine(undefined), '')
})

test('the last line of a log is searched for in its last 20,000 characters', () => {
  assert.equal(lastLogLine(`said\n${'-'.repeat(19_995)}`), 'said')
  assert.equal(lastLogLine(`said\n${'-'.repeat(20_000)}`), '')
})

test('an error is cut off after 65,536 characters', () => {
  const long = 'x'.repeat(2 ** 16 + 1)
  const clipped = `${'x'.repeat(2 ** 16)}…`
  for (const error of [long, { message: long }]) assert.equal(errorText(error), clipped)
  const { length } = errorText([long])
  assert.equal(length, clipped.length)
})

describe('the code of an error', () => {
  const OUT_OF_MEMORY = /out of memory/
  test('an error code is read in parentheses, at the end or at the start', () => {
    for (const text of ['x (code: E1001), more', 'x (E1001)', 'x (E1001) .', 'x: E1001', 'x: E1001.', ' E1001: x'])
      assert.match(errorMeaning(text), OUT_OF_MEMORY, text)
  })
  test('a code within a word or elsewhere in the text is not an error code', () => {
    for (const text of ['see E1001 for more', 'xE1001', 'E1001x', 'E10011', 'x (E1001) more', 'e1001', 'constructor'])
      assert.equal(errorMeaning(text), '', text)
  })
  test('the codes E001 and E1001 have the same meaning', () => {
    assert.equal(errorMeaning('E001'), errorMeaning('E1001'))
  })
  test('an error code tells faults of the platform from those of the input and of the model', () => {
    for (const code of 'PA E003 E004 E1000 E6716 E8765 E9243 E9825 E9828'.split(' '))
      assert.equal(isPlatformError(`broken (code: ${code})`), true, code)
    for (const code of 'E001 E1001 E005 E8367 E0000'.split(' '))
      assert.equal(isPlatformError(`broken (code: ${code})`), false, code)
    assert.equal(isPlatformError('broken'), false)
  })
  test('the meaning of an error code has advice only if something can be done', () => {
    assert.equal(errorMeaning('E8367'), 'This code means that it was stopped.')
  })
})
