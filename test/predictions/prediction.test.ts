import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isJsonOutput, outputFiles, outputText, outputUrls } from '../../src/predictions/output.ts'
import {
  ageOf,
  completedAt,
  hasNoOutput,
  isExpired,
  Prediction,
  predictTime,
  readStatus,
  statusOf,
  totalTime,
} from '../../src/predictions/prediction.ts'

const file = (name: string) => `https://files.example.com/x/${name}`

describe('the schema', () => {
  test('a prediction needs the strings id and status, and nothing else', () => {
    assert.equal(Prediction.safeParse({ id: 'a', status: 'starting' }).success, true)
    for (const body of [
      {},
      { id: 'a' },
      { status: 'starting' },
      { id: 1, status: 'starting' },
      { id: 'a', status: null },
      [],
      null,
      'text',
    ]) {
      assert.equal(Prediction.safeParse(body).success, false, JSON.stringify(body))
    }
  })
  test('a field of a prediction with the wrong type is ignored', () => {
    const odd = {
      id: 'a',
      status: 'x',
      model: 1,
      logs: {},
      metrics: 'none',
      urls: [],
      created_at: 5,
      data_removed: 'yes',
    }
    assert.equal(JSON.stringify(Prediction.parse(odd)), '{"id":"a","status":"x"}')
  })
})

describe('a status', () => {
  test('a status is read whatever its case and the blanks around it', () => {
    for (const word of [' SUCCEEDED\n', 'sUCCEEDED'])
      assert.deepEqual(readStatus(word), { status: 'succeeded', spelling: 'own' })
  })
  const SYNONYMS = {
    succeeded: 'successful success completed complete done finished ready succeed 成功 已完成',
    failed:
      'failure fail error errored expired timeout timed_out rejected moderated nsfw blocked terminated stopped killed not_found 失败',
    canceled: 'cancelled cancel 已取消',
    starting:
      'queued pending submitted created waiting scheduled booting in_queue not_start not_started queueing preparing throttled 排队中',
    processing: 'running in_progress started generating dreaming 进行中 处理中 生成中',
  }
  for (const [status, words] of Object.entries(SYNONYMS)) {
    test(`a status of another gateway is understood as ${status}, however it is written`, () => {
      for (const word of words.split(' ')) {
        for (const spelled of [word, word.toUpperCase(), word.replaceAll('_', ' '), word.replaceAll('_', '--')])
          assert.deepEqual(readStatus(spelled), { status, spelling: 'synonym' }, spelled)
      }
    })
  }
  test('a status of the API itself is no synonym', () => {
    for (const word of ['starting', 'processing', 'succeeded', 'failed', 'canceled', 'aborted'])
      assert.deepEqual(readStatus(word), { status: word, spelling: 'own' })
    assert.equal(statusOf({ status: 'Done' }), 'succeeded')
  })
  test('a status that means a failure is read as failed in every spelling', () => {
    const words = [
      'EXPIRED',
      'timeout',
      'timed_out',
      'Timed Out',
      'TimedOut',
      'requestModerated',
      'TaskNotFound',
      'timed-out',
      'rejected',
      'moderated',
      'Request Moderated',
      'content_moderated',
      'NSFW',
      'blocked',
      'terminated',
      'stopped',
      'killed',
      'Task not found',
      'not found',
      'MODEL_NOT_FOUND',
    ]
    for (const word of words) assert.deepEqual(readStatus(word), { status: 'failed', spelling: 'synonym' }, word)
  })
  test('a status that only contains a known word is unknown', () => {
    for (const word of ['unmoderated', 'not found yet', 'moderated_ok', 'stopping']) {
      assert.equal(readStatus(word).status, 'unknown', word)
    }
  })
  test('a status that is not documented is unknown', () => {
    for (const word of ['', '<string>', 'constructor', '__proto__', 'paused', 'succeeded!']) {
      assert.deepEqual(readStatus(word), { status: 'unknown', spelling: 'unknown' })
    }
  })
})

describe('the files of an output', () => {
  test('the files of an output are found at any depth, in document order', () => {
    const output = { mask: file('1.png'), list: [file('2.png'), { deep: [[file('3.mp4')]] }], n: 5, none: null }
    assert.deepEqual(outputFiles(output), [file('1.png'), file('2.png'), file('3.mp4')])
  })
  test('a text is a file only if it is a URL as a whole', () => {
    assert.deepEqual(outputFiles(` ${file('a.png')}`), [])
    assert.deepEqual(outputFiles(`${file('a.png')}\n`), [])
    assert.deepEqual(outputFiles(`see ${file('a.png')}`), [])
    assert.deepEqual(outputFiles(file('a.png')), [file('a.png')])
  })
  test('the URL of a file may contain blanks if its last part has an extension', () => {
    const list = [file('a red, blue cat.png'), file('b.png')]
    assert.deepEqual(outputFiles(list), list)
    assert.equal(outputText(list), undefined)
    for (const text of [
      'https://files.example.com/x and more',
      'https://files.example.com is a.site',
      `${file('a.png')} and ${file('b.png')}`,
      `${file('a')}\nb.png`,
      `${file('a b.png')} `,
      'https://[files/a b.png',
    ]) {
      assert.deepEqual(outputFiles(text), [], text)
      assert.equal(outputText(text), text)
    }
  })
  test('the URL of a file with blanks has at most 2,000 characters', () => {
    const long = (length: number) => file(`a ${'b'.repeat(length - file('a .png').length)}.png`)
    assert.deepEqual(outputFiles(long(2000)), [long(2000)])
    assert.deepEqual(outputFiles(long(2001)), [])
  })
  test('files are searched for in a million values, and at most 5,000 are found', () => {
    const many = Array.from({ length: 100_000 }, () => file('a.png'))
    assert.equal(outputFiles(many).length, 5000)
    assert.equal(outputFiles(many, 5001).length, 5001)
    const after = (values: number) => [Array.from({ length: values - 3 }, () => 0), [file('a.png')]]
    assert.equal(outputFiles(after(999_999)).length, 1)
    assert.equal(outputFiles(after(1_000_001)).length, 0)
  })
  test('an output that is neither empty, text nor files is JSON', () => {
    for (const output of [{ a: 1 }, [[0.5]], [{}], 0, false, [1], ['a', 1]]) assert.equal(isJsonOutput(output), true)
    for (const output of [null, undefined, {}, [], 'a', ['a', 'b'], file('a.png'), { a: [file('a.png')] }])
      assert.equal(isJsonOutput(output), false, JSON.stringify(output))
  })
  test('a list of texts is a list of files only if every text is a URL', () => {
    assert.deepEqual(outputFiles(['see ', file('a.png'), '.']), [])
    assert.deepEqual(outputFiles([file('a.png'), file('b.png')]), [file('a.png'), file('b.png')])
    assert.deepEqual(outputFiles(['caption', [file('a.png')], file('b.png')]), [file('a.png')])
  })
  test('a text that begins with "data:" is a file only if it is a data: URI', () => {
    for (const text of ['data: the set has a, b and c', 'data: {"a":1,"b":2}', 'data:hello, world', 'data:a b/c,x']) {
      assert.deepEqual(outputFiles(text), [], text)
      assert.equal(outputText(text), text)
    }
    for (const uri of [
      'data:,x',
      'data:text/plain,a b',
      'data:;base64,QQ==',
      'data:image/svg+xml;charset=utf-8,<svg/>',
      'data:a/b;x="y";base64,QQ==',
    ])
      assert.deepEqual(outputFiles(uri), [uri])
  })
  test('a file may be a data: URI, which is not among the URLs', () => {
    const output = [file('a.png'), 'data:image/png;base64,AAAA']
    assert.deepEqual(outputFiles(output), output)
    assert.deepEqual(outputUrls(output), [file('a.png')])
  })
  test('files are found in an output whose depth or length would exhaust a stack', () => {
    let deep: unknown = file('deep.png')
    for (let i = 0; i < 100_000; i++) deep = [deep]
    assert.deepEqual(outputFiles(deep), [file('deep.png')])
    assert.equal(outputFiles(Array.from({ length: 500_000 }, () => 1)).length, 0)
    assert.equal(outputFiles(Object.fromEntries(Array.from({ length: 300_000 }, (_, i) => [i, i]))).length, 0)
  })
})

describe('the text of an output', () => {
  test('the text of an output is a text, or the joined tokens of a list', () => {
    assert.equal(outputText('a cake'), 'a cake')
    assert.equal(outputText(['a', '', ' cake', ` ${file('a.png')}`]), `a cake ${file('a.png')}`)
  })
  test('the text of an output ends with the token that reaches the wanted number of characters', () => {
    assert.equal(outputText(['ab', 'cd', 'ef'], 4), 'abcd')
    assert.equal(outputText(['ab', 'cd', 'ef'], 5), 'abcdef')
    assert.equal(outputText(['ab', 'cd', 'ef'], 7), 'abcdef')
  })
  test('an output of files or other values has no text', () => {
    for (const output of [file('a.png'), [file('a.png')], [], {}, null, undefined, 5, [1], ['a', 1]])
      assert.equal(outputText(output), undefined)
  })
})

describe('times', () => {
  const at = (created_at?: string, completed_at?: string) =>
    Prediction.parse({ id: 'a', status: 'succeeded', created_at, completed_at })
  test('the total time is read from timestamps with any number of fraction digits', () => {
    assert.equal(totalTime([at('2026-01-01T00:00:00Z', '2026-01-01T00:00:08.750133626Z')]), 8.75)
    assert.equal(
      totalTime([
        at('2026-01-01T00:00:00.5Z', '2026-01-01T00:00:08Z'),
        at('2026-01-01T00:00:02Z', '2026-01-01T00:01:00Z'),
      ]),
      59.5,
    )
  })
  test('the total time is unknown if a timestamp is missing, invalid or before the creation', () => {
    assert.equal(totalTime([at('2026-01-01T00:00:00Z')]), undefined)
    assert.equal(totalTime([at('<string>', '<string>')]), undefined)
    assert.equal(totalTime([at('0001-01-01T00:00:00Z', '2026-01-01T00:00:08Z')]), undefined)
    assert.equal(totalTime([at('2026-01-01T00:00:09Z', '2026-01-01T00:00:08Z')]), undefined)
    assert.equal(totalTime([]), undefined)
  })
  test('the predict time is read from a number or a text', () => {
    const ran = (predict_time: unknown) =>
      predictTime(Prediction.parse({ id: 'a', status: 'succeeded', metrics: { predict_time } }))
    assert.equal(ran(8.733386377), 8.733386377)
    assert.equal(ran('8.7'), 8.7)
    for (const none of [undefined, null, '', 'soon', {}]) assert.equal(ran(none), undefined)
  })
})

test('an output has expired if the data was removed and no output is left', () => {
  const body = { id: 'a', status: 'succeeded', data_removed: true }
  assert.equal(isExpired(Prediction.parse(body)), true)
  assert.equal(isExpired(Prediction.parse({ ...body, output: ['x'] })), false)
  assert.equal(isExpired(Prediction.parse({ ...body, data_removed: false })), false)
  assert.equal(isExpired(Prediction.parse({ ...body, status: 'failed' })), false)
})

describe('the times of a prediction', () => {
  const timed = (created_at?: string, completed_at?: string) => ({
    id: 'a',
    status: 'succeeded',
    created_at,
    completed_at,
  })
  const START = '2026-03-01T12:00:00.000Z'
  const END = '2026-03-01T12:00:08.5Z'

  test('the end of a prediction is the completed_at of the API', () => {
    assert.equal(completedAt(timed(START, END)), Date.parse(END))
    for (const none of [undefined, '', 'soon']) assert.equal(completedAt(timed(START, none)), undefined)
  })
  test('the age of a prediction is what has passed since its end, and never negative', () => {
    const at = Date.parse(END)
    assert.deepEqual(
      [at + 61_500, at, at - 1000].map((date) => ageOf(timed(START, END), date)),
      [61.5, 0, 0],
    )
    assert.equal(ageOf(timed(START), at), undefined)
  })
  test('a timestamp without a time zone is in UTC, wherever the step runs', (t) => {
    const { TZ } = process.env
    t.after(() => {
      if (TZ === undefined) delete process.env.TZ
      else process.env.TZ = TZ
    })
    process.env.TZ = 'Asia/Shanghai'
    for (const end of ['2026-03-01T12:00:08.5', '2026-03-01 12:00:08.500000', '2026-03-01T20:00:08.5+08:00']) {
      assert.equal(completedAt(timed(START, end)), Date.parse(END), end)
    }
  })
  test('the total time reaches from the first creation to the last end', () => {
    assert.equal(totalTime([timed(START, END)]), 8.5)
    assert.equal(totalTime([timed('2026-03-01T12:00:04Z', END), timed(START, '2026-03-01T12:00:06Z')]), 8.5)
    assert.equal(totalTime([timed(START, START)]), 0)
  })
  test('the total time is unknown if any prediction lacks a timestamp or ends before it was created', () => {
    for (const list of [
      [],
      [timed(START)],
      [timed(undefined, END)],
      [timed(START, END), timed(START)],
      [timed(END, START)],
    ])
      assert.equal(totalTime(list), undefined, JSON.stringify(list))
  })
  test('the predict time may be zero, but not negative, blank or missing', () => {
    const ran = (predict_time: unknown) => predictTime({ id: 'a', status: 'succeeded', metrics: { predict_time } })
    assert.deepEqual([1.5, 0, '1.5', ' 2 '].map(ran), [1.5, 0, 1.5, 2])
    for (const none of ['', ' ', 'long', null, undefined, {}, Number.NaN, -1, '-1'])
      assert.equal(ran(none), undefined, String(none))
    assert.equal(predictTime({ id: 'a', status: 'succeeded' }), undefined)
  })
})

test('a prediction has no output only if the field is missing or null', () => {
  const answered = (output: unknown) => hasNoOutput({ id: 'a', status: 'succeeded', output })
  assert.deepEqual([undefined, null].map(answered), [true, true])
  assert.deepEqual(['', [], {}, 0, false].map(answered), [false, false, false, false, false])
})
