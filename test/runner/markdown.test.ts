import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { code, inline, link, nameOf, pre, table, thumbnail } from '../../src/runner/markdown.ts'

/** Renders as GitHub does, before its own filters. */
function render(markdown: string): string {
  const extensions = ['table', 'strikethrough', 'autolink', 'tagfilter', 'tasklist'].flatMap((name) => ['-e', name])
  const { stdout, error } = spawnSync('cmark-gfm', ['--unsafe', ...extensions], { input: markdown, encoding: 'utf8' })
  if (error) throw error
  return stdout
}
/** GitHub's workflow installs it, so that nothing is skipped there. */
const isInstalled = process.env.GITHUB_ACTIONS === 'true' || spawnSync('cmark-gfm', ['--version']).error === undefined
const skip = !isInstalled && 'cmark-gfm is not installed'

const CHARACTERS = {
  '&#36;': '$',
  '&#58;': ':',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&#96;': '`',
  '&#124;': '|',
  '&#92;': '\\',
  '&amp;': '&',
}
const decode = (html: string) =>
  html.replace(
    /&(?:lt|gt|quot|amp|#36|#58|#39|#96|#124|#92);/g,
    (entity) => CHARACTERS[entity as keyof typeof CHARACTERS],
  )
/** What a reader sees, and the texts between tags in which GitHub looks for mentions; not those of code. */
const seen = (html: string) => decode(html.replace(/<[^>]*>/g, ''))
const texts = (html: string) =>
  html
    .replace(/<(code|pre|a)\b[\s\S]*?<\/\1>/g, '<>')
    .split(/<[^>]*>/)
    .map(decode)
const tags = (html: string) => [...html.matchAll(/<(?!\/)([a-z]+\b[^>]*)>/g)].map(([, tag]) => tag)

const hostile = fc.string({
  unit: fc.constantFrom(
    ...[
      '`',
      '``',
      '*',
      '**',
      '_',
      '__',
      '[',
      ']',
      '(',
      ')',
      '<',
      '>',
      '&',
      '|',
      '\\',
      '~',
      '~~',
      '!',
      '#',
      '@',
      '$',
      ':',
      '^',
    ],
    ...[
      '-',
      '+',
      '.',
      '/',
      '=',
      '"',
      "'",
      ' ',
      '\n',
      '\t',
      'a',
      'b',
      '1',
      '图',
      '&lt;',
      '&#64;',
      '&commat;',
      '<b>',
      '</code>',
      '</pre>',
    ],
    ...[
      '<!--',
      '-->',
      '![x](y)',
      '[x](https://e.com)',
      '[^1]',
      'https://e.com',
      'http://',
      'www.e.com',
      'WWW.',
      'mailto:a@b.co',
    ],
    ...[
      'xmpp:a@b.co',
      'a@b.co',
      '<a@b.co>',
      '<https://e.com>',
      '@user',
      '#12',
      ':smile:',
      '$x$',
      '- [ ] ',
      '\u200b',
      '\u202e',
    ],
  ),
  maxLength: 12,
})

const squeezed = (text: string) => text.replace(/[\s\u200b\u202e]+/g, '')

describe('untrusted text in Markdown', { skip }, () => {
  test('untrusted text in a table is a cell of text without links, mentions or markup, and keeps every character', () => {
    fc.assert(
      fc.property(fc.array(hostile, { minLength: 20, maxLength: 60 }), (all) => {
        const html = render(
          table(
            ['a', 'b'],
            all.map((text) => [`x${inline(text)}x`, code(text)]),
          ),
        )
        const rows = html.split('<tr>').slice(2)
        assert.equal(rows.length, all.length)
        for (const [i, row] of rows.entries()) {
          const [first = '', second = '', ...more] = row.split('</td>')
          assert.deepEqual(more.length, 1, row)
          const text = all[i] ?? ''
          assert.equal(squeezed(seen(first)), `x${squeezed(text)}x`)
          assert.equal(squeezed(seen(second)), squeezed(text))
          assert.ok(
            tags(row).every((tag) => ['td', 'b', 'code', 'p'].includes(tag ?? '')),
            row,
          )
          for (const each of texts(first)) assert.doesNotMatch(each, /@\w|#\d|:[a-z]+:/, row)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('untrusted text in a list, a quotation or a preformatted block stays text', () => {
    fc.assert(
      fc.property(fc.array(hostile, { minLength: 5, maxLength: 20 }), (all) => {
        const html = render(
          [
            all.map((text) => `- ❌ ${inline(text)}`).join('\n'),
            ...all.map((text) => `> [!WARNING]\n> Text ${inline(text)}`),
            ...all.map((text) => pre(text)),
          ].join('\n\n'),
        )
        const allowed = ['ul', 'li', 'b', 'pre', 'blockquote', 'p']
        assert.deepEqual(
          tags(html).filter((tag) => !allowed.includes(tag ?? '')),
          [],
        )
        const preformatted = [...html.matchAll(/<pre>([\s\S]*?)<\/pre>/g)].map(([, text = '']) => squeezed(seen(text)))
        assert.deepEqual(preformatted, all.map(squeezed))
      }),
      { numRuns: 60 },
    )
  })

  test('an untrusted URL is a link to itself and to nothing else', () => {
    const url = fc
      .tuple(hostile, hostile)
      .map(([path, query]) => new URL(`https://evil.example/x/${encodeURIComponent(path)}?${query}`).href)
    fc.assert(
      fc.property(url, (address) => {
        const html = render(table(['a'], [[link(address)], [thumbnail(address, 200)]]))
        const hrefs = [...html.matchAll(/<a href="([^"]*)">/g)].map(([, href = '']) => decode(href))
        assert.deepEqual(hrefs, [address, address])
        assert.deepEqual(
          [...html.matchAll(/<img src="([^"]*)"/g)].map(([, src = '']) => decode(src)),
          [address],
        )
        assert.deepEqual(
          tags(html).filter((tag) => !/^(table|thead|tbody|tr|th|td|a|img|b)\b/.test(tag ?? '')),
          [],
        )
      }),
      { numRuns: 60 },
    )
  })
})

describe('the source of a summary', () => {
  test('only text that can act is escaped in the source of a summary', () => {
    for (const text of [
      'owner/model-name',
      'a_b.c',
      'CUDA out of memory (E001): 2 + 2 = 4!',
      'C:\\temp',
      'R&D',
      '10:30:00',
      '100 %',
    ]) {
      assert.equal(inline(text), text)
    }
    assert.equal(inline('*a* `b` [d](e) ~f~ _g_ \\*'), '\\*a\\* \\`b\\` \\[d](e) \\~f\\~ \\_g\\_ \\\\\\*')
    assert.equal(inline('a | <b> &lt; $x$'), 'a &#124; &lt;b&gt; &amp;lt; &#36;x&#36;')
    assert.equal(inline('https://a.co www.a.co javascript:x'), 'https\\://a.co www\\.a.co javascript\\:x')
    assert.equal(inline('@a #1 :b:'), '@<b></b>a #<b></b>1 :<b></b>b:')
    assert.equal(pre('a@b javascript:x'), '<pre>a@<b></b>b javascript&#58;x</pre>')
    assert.equal(code('owner/model_v1-2.0'), '`owner/model_v1-2.0`')
    assert.equal(code('a@b'), '<code>a@<b></b>b</code>')
    assert.equal(code('a|b'), '<code>a&#124;b</code>')
    assert.equal(pre('a *b*\n\n<c> & d'), '<pre>a *b*\n\n&lt;c&gt; &amp; d</pre>')
  })

  test('the source of a summary has no invisible character', () => {
    for (const make of [inline, code, pre]) {
      assert.equal(make('a\u061c\u2060\u00ad\u{e0041}\u180e\ufe0f\u3164b').replace(/<\/?pre>|`/g, ''), 'ab')
    }
  })
})

test('the text of a link is a file name that no host has, or begins with the host', () => {
  for (const [url, name] of [
    ['https://files.example/a/out-0.webp', 'out-0.webp'],
    ['https://files.example/a/%E5%9B%BE%E7%89%87.png?x=1', '图片.png'],
    ['https://files.example/', 'files.example'],
    ['https://files.example:8443/', 'files.example:8443'],
    ['https://evil.example/github.com', 'evil.example/…/github.com'],
    ['https://evil.example/x/github.com%2Flogin.png', 'evil.example/…/github.com%2Flogin.png'],
    ['https://evil.example/github.com%E2%80%94approve.png', 'evil.example/…/github.com%E2%80%94approve.png'],
    ['https://evil.example/github.zip', 'evil.example/…/github.zip'],
    ['https://evil.example/%zz', 'evil.example/…/%zz'],
  ] as const) {
    assert.equal(nameOf(url), name)
  }
})
