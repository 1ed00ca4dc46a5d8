import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { verdictOf } from '../../src/predictions/verdict.ts'
import { summaryOf } from '../../src/runner/summary.ts'
import { ended } from '../support/judged.ts'

describe('the summary of one prediction', () => {
  test('the summary of a prediction has its model, its output and a note that links expire', () => {
    const markdown = summaryOf([
      ended({
        model: 'owner/model',
        output: ['https://files.example.com/a/out-0.webp'],
        metrics: { predict_time: 8.7334 },
      }),
    ])
    assert.match(markdown, /### ✅ Prediction succeeded/)
    assert.match(markdown, /^`owner\/model` · predict time 8\.7 s$/m)
    assert.match(markdown, /<img src="https:\/\/files\.example\.com\/a\/out-0\.webp" alt="out-0\.webp" width="480">/)
    const parts = ['### ', '<img', 'predict time', '>out-0.webp</a>', 'one hour', '<details>']
    assert.deepEqual(
      parts.map((part) => markdown.indexOf(part)).toSorted((a, b) => a - b),
      parts.map((part) => markdown.indexOf(part)),
    )
    assert.match(markdown, />out-0\.webp<\/a>/)
    assert.match(markdown, /one hour/)
  })
  test('the summary of a failed prediction says what went wrong', () => {
    const markdown = summaryOf([ended({ status: 'failed', error: '内存不足 (E001)' })])
    assert.match(markdown, /### ❌ Prediction failed/)
    assert.match(markdown, /内存不足/)
    assert.match(markdown, /^> - .*ran out of memory/m)
    assert.doesNotMatch(markdown, /No output/)
    assert.match(summaryOf([ended({})]), /^No output\.$/m)
    assert.match(markdown, /^### .*\n\n> \[!CAUTION\]\n> \*\*What went wrong\*\*/)
  })
  test('a summary has the number of requests', () => {
    const prediction = ended({ model: 'owner/model' })
    const words = '9 requests to the API'
    assert.match(summaryOf([prediction], undefined, words), /^`owner\/model` · 9 requests to the API$/m)
    assert.match(summaryOf([prediction, prediction], undefined, words), /^`owner\/model` · 9 requests to the API$/m)
  })
  test('a summary says how long links and pictures at the API are available', () => {
    const prediction = ended({ output: ['https://files.example.com/a/out-0.webp'] })
    const note = (markdown: string) => markdown.split('\n').filter((line) => /the API/.test(line))
    assert.deepEqual(note(summaryOf([prediction])), [
      '> The links above point to the API, which deletes its files one hour after the end of the prediction.',
    ])
    const file = { predictionId: 'abc', index: 0, path: '/x', size: 1, sha256: 'a'.repeat(64), source: 'url' }
    const saved = {
      files: [{ ...file, name: 'abc-0.webp', type: 'image/webp' }],
      failures: [],
      artifacts: [],
      releaseUrls: [],
    }
    assert.deepEqual(note(summaryOf([prediction], saved)), [
      '> The pictures above come from the API, which deletes its files one hour after the end of the prediction.',
    ])
    const kept = { ...saved, releaseUrls: ['https://github.com/octo/pictures/releases/download/v1/abc-0.webp'] }
    assert.deepEqual(note(summaryOf([prediction], kept)), [])
  })
  test('a summary shows a picture by its lasting address on the release, not by the one at the API', () => {
    const prediction = ended({ output: ['https://files.example.com/a/out-0.webp'] })
    const lasting = 'https://github.com/octo/pictures/releases/download/v1/abc-0.webp'
    const file = { predictionId: 'abc', index: 0, path: '/x', size: 1, sha256: 'a'.repeat(64), source: 'url' }
    const files = [{ ...file, name: 'abc-0.webp', type: 'image/webp' }]
    const markdown = summaryOf([prediction], { files, failures: [], artifacts: [], releaseUrls: [lasting] })
    const shown = [...markdown.matchAll(/<img src="([^"]*)"/g)].map(([, address]) => address)
    assert.deepEqual(shown, [lasting])
  })
  test('a summary never contains the input, the logs or the stream', () => {
    const markdown = summaryOf([
      ended({
        input: { prompt: 'hidden-prompt' },
        logs: 'hidden-log',
        urls: { stream: 'https://stream.example.com/hidden-stream' },
      }),
    ])
    assert.doesNotMatch(markdown, /hidden/)
  })
})

describe('untrusted text in a summary', () => {
  test('untrusted text in a summary opens no tag, link or table cell, and mentions nobody', () => {
    const nasty = fc.string({
      unit: fc.constantFrom(
        '<',
        '>',
        '|',
        '`',
        '@',
        '[',
        ']',
        '(',
        ')',
        '\n',
        '\r',
        '*',
        '_',
        '#',
        '!',
        '&',
        ':',
        '/',
        'a',
        '\\',
        '$',
        '~',
        '-',
      ),
    })
    fc.assert(
      fc.property(nasty, nasty, nasty, (model, error, output) => {
        const plain = summaryOf([ended({ status: 'failed', model: 'a', error: 'a', output: 'a' })])
        const markdown = summaryOf([
          ended({ status: 'failed', model: `a${model}a`, error: `a${error}a`, output: `a${output}a` }),
        ])
        const structure = (text: string) =>
          text
            .replace(/<pre>[\s\S]*?<\/pre>/g, '<pre>')
            .replace(/<code>.*?<\/code>|`[^`\n]*`/g, 'C')
            .replace(/<b><\/b>|\\.|&#\d+;|&\w+;|[^<|`\nC]/g, '')
        assert.equal(structure(markdown), structure(plain))
      }),
    )
  })
})

describe('the summary of many predictions', () => {
  test('the summary of many predictions is one table', () => {
    const markdown = summaryOf([ended({ id: 'a1' }), ended({ id: 'b2', status: 'failed', error: 'x|y' })])
    assert.match(markdown, /### ❌ 1 of 2 predictions succeeded/)
    assert.equal(markdown.split('\n').filter((line) => line.startsWith('| ✅') || line.startsWith('| ❌')).length, 2)
  })
  test('a summary shows pictures under the names of their inputs', () => {
    const names = ['cake', 'pie', 'tart|', 'waffle', 'muffin', 'eclair', 'scone']
    const markdown = summaryOf(
      names.map((name, i) => ({ ...ended({ id: `id${i}`, output: [`https://files.example.com/${i}.png`] }), name })),
    )
    const lines = markdown.split('\n')
    const head = lines.indexOf('| cake | pie | tart&#124; | waffle |')
    assert.ok(head > 0, markdown)
    assert.equal(lines[head + 1], '| :-: | :-: | :-: | :-: |')
    assert.equal((lines[head + 2] ?? '').match(/<img /g)?.length, 4)
    assert.equal(lines[head + 3], '| <b>muffin</b> | <b>eclair</b> | <b>scone</b> |')
    assert.equal((lines[head + 4] ?? '').match(/<img /g)?.length, 3)
    assert.match(markdown, /^7 started/m)
  })
  test('a summary shows three pictures in a row if that leaves fewer places empty than four', () => {
    const rows: Record<number, number[]> = {
      2: [2],
      4: [4],
      5: [3, 2],
      6: [3, 3],
      8: [4, 4],
      9: [3, 3, 3],
      10: [4, 4, 2],
    }
    for (const [count, wanted] of Object.entries(rows)) {
      const many = Array.from({ length: Number(count) }, (_, i) => ({
        ...ended({ id: `id${i}`, output: [`https://files.example.com/${i}.png`] }),
        name: `n${i}`,
      }))
      const shown = summaryOf(many)
        .split('\n')
        .filter((line) => line.includes('<img'))
      assert.deepEqual(
        shown.map((line) => line.match(/<img /g)?.length),
        wanted,
      )
    }
  })
  test('a summary reports what was not started', () => {
    const refused = { name: 'pie', status: 'refused' as const, error: 'No such model.' }
    const skipped = { name: 'cake', status: 'skipped' as const, error: undefined }
    const markdown = summaryOf([{ ...ended({}), name: 'tart' }, refused, skipped])
    assert.match(markdown, /^### ❌ 1 of 2 predictions succeeded, 1 skipped$/m)
    assert.match(markdown, /^> - pie: No such model\.$/m)
    assert.match(markdown, /^1 started · 1 ran · 1 not started · 1 skipped, because their files exist$/m)
    assert.match(markdown, /^\| ⏭️ cake \| skipped \| Its files exist\. \|$/m)
  })
  test('a summary does not count skipped inputs among the predictions', () => {
    const skipped = (name: string) => ({ name, status: 'skipped' as const, error: undefined })
    assert.match(summaryOf([]), /^### No predictions: there are no inputs$/m)
    assert.match(summaryOf([skipped('cake'), skipped('pie')]), /^### ✅ No predictions started, 2 skipped$/m)
    const ran = { ...ended({}), name: 'tart' }
    assert.match(summaryOf([ran, skipped('cake')]), /^### ✅ 1 of 1 predictions succeeded, 1 skipped$/m)
  })
  test('a summary shows the status of each prediction, or that it is unknown', () => {
    const unseen: Outcome = { id: 'new', end: 'timeout', status: '', answer: undefined, error: undefined, waited: 9 }
    const markdown = summaryOf([ended({}), { outcome: unseen, verdict: verdictOf(unseen, '5s') }])
    assert.match(markdown, /^\| ✅ `abc` \| succeeded \| +\|$/m)
    assert.match(markdown, /^\| ⏳ `new` \| unknown \| Prediction new had not been found when the timeout of 5s/m)
  })
  test('a summary shows more of what went wrong with the only prediction than with one of many', () => {
    const failed = ended({ status: 'failed', error: 'x'.repeat(3000) })
    const troubles = (markdown: string) => /^> - .*$/m.exec(markdown)?.[0].length ?? 0
    assert.ok(troubles(summaryOf([failed])) > 1900)
    assert.ok(troubles(summaryOf([failed, failed])) < 700)
  })
  test('a summary lists the warnings of predictions that succeeded', () => {
    const warned = (markdown: string) => /> \[!WARNING\]\n(?<lines>(?:> .*\n)+)/.exec(markdown)?.groups?.lines
    assert.equal(warned(summaryOf([ended({ output: 'x' }), ended({ output: 'y' })])), undefined)
    assert.equal(
      warned(summaryOf([ended({ output: 'x' }), ended({})])),
      '> - Prediction abc succeeded, but the API returned no output.\n',
    )
  })
  test('a summary counts the files that are part of the output itself', () => {
    const data = 'data:image/png;base64,AAAA'
    const note = (output: unknown) => /^\d+ files? .* part of .*$/m.exec(summaryOf([ended({ output })]))?.[0]
    assert.equal(note(['https://files.example.com/a.png']), undefined)
    assert.equal(note([data]), '1 file is part of the output itself, as data: URIs.')
    assert.equal(note([data, data]), '2 files are part of the output itself, as data: URIs.')
  })
  test('a summary has a table of digests if there are files', () => {
    const file = { predictionId: 'abc', index: 0, path: '/x', size: 1, sha256: 'a'.repeat(64), source: 'url' }
    const files = [{ ...file, name: 'abc-0.webp', type: 'image/webp', width: 8, height: 9 }]
    const digests = (markdown: string) => /^\| File .*\n.*\n.*$/m.exec(markdown)?.[0].split('\n')
    const saved = { files, failures: [], artifacts: [], releaseUrls: [] }
    assert.deepEqual(digests(summaryOf([ended({})], saved)), [
      '| File | Type | Pixels | Size | SHA-256 |',
      '| --- | --- | --- | --- | --- |',
      `| \`abc-0.webp\` | image/webp | 8 × 9 | 1 B | <code>${'a'.repeat(64)}</code> |`,
    ])
    assert.equal(digests(summaryOf([ended({})])), undefined)
  })
  test('a summary shows twelve pictures and counts the rest, and other files are no pictures', () => {
    const summaryWith = (count: number) => {
      const output = Array.from({ length: count }, (_, i) => `https://files.example.com/${i}.png`)
      const markdown = summaryOf([ended({ output: [...output, 'https://files.example.com/a.png/film.mp4'] })])
      return [markdown.match(/<img /g)?.length, /… and .* pictures?/.exec(markdown)?.[0]]
    }
    assert.deepEqual(summaryWith(12), [12, undefined])
    assert.deepEqual(summaryWith(13), [12, '… and 1 more picture'])
    assert.deepEqual(summaryWith(20), [12, '… and 8 more pictures'])
  })
})

test('a heading does not show success if the step fails for another reason', () => {
  const failures = [{ title: 'File not saved', message: 'The file is gone.' }]
  const delivery = { files: [], artifacts: [], releaseUrls: [], failures }
  assert.match(summaryOf([ended({})], delivery), /^### ❌ Prediction succeeded, but not everything worked$/m)
  assert.match(
    summaryOf([ended({ id: 'a1' }), ended({ id: 'b2' })], delivery),
    /^### ❌ 2 of 2 predictions succeeded, but not everything worked$/m,
  )
  assert.match(summaryOf([ended({ status: 'failed' })], delivery), /^### ❌ Prediction failed$/m)
  assert.match(summaryOf([ended({ id: 'a1' }), ended({ id: 'b2' })]), /^### ✅ 2 of 2 predictions succeeded$/m)
})
