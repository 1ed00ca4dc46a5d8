import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { access, glob, readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { marked, type Token } from 'marked'
import { parse } from 'yaml'
import { RefusalError } from '../src/predictions/errors.ts'

const ROOT = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFile(path.join(ROOT, name), 'utf8')

/** Where a document links to, pictures and HTML included, and the anchors that it has. */
function linksAndAnchors(markdown: string): { links: string[]; anchors: Set<string> } {
  const links: string[] = []
  const slugs: string[] = []
  marked.walkTokens(marked.lexer(markdown), (token: Token) => {
    if (token.type === 'link' || token.type === 'image') links.push(token.href)
    if (token.type === 'html')
      for (const [, , address = ''] of token.text.matchAll(/\s(href|src|srcset)="([^"]*)"/g)) links.push(address)
    // GitHub's rule: small letters, no signs but - and _, blanks to -, a number from the second of a name on.
    if (token.type === 'heading') {
      const slug = token.text
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
        .replaceAll(' ', '-')
      slugs.push(slug)
    }
  })
  const anchors = slugs.map((slug, i) => {
    const before = slugs.slice(0, i).filter((each) => each === slug).length
    return before === 0 ? slug : `${slug}-${before}`
  })
  return { links, anchors: new Set(anchors) }
}

/** What is wrong with an address outside the repository; undefined where nothing is. */
async function faultOf(address: string): Promise<string | undefined> {
  if (!URL.canParse(address) || /\s/.test(address)) return 'is no address'
  const { protocol, hostname, pathname, username } = new URL(address)
  const parts = pathname.split('/').filter(Boolean)
  if (protocol !== 'https:') return 'is not https'
  if (username !== '' || !/^([a-z0-9-]+\.)+[a-z]{2,}$/.test(hostname)) return 'names no public host'
  if (hostname === 'github.com' && parts.length < 2) return 'names no repository'
  if (hostname === 'docs.github.com' && parts[0] !== 'en') return 'has no language'
  if (hostname === 'www.npmjs.com') {
    const name = /^\/package\/(.+)$/.exec(pathname)?.[1] ?? ''
    const { dependencies, devDependencies } = JSON.parse(await read('package.json'))
    if (!(name in { ...dependencies, ...devDependencies })) return 'names no package that is used here'
  }
  return undefined
}

/** The links of a document that lead nowhere, each with the reason. */
async function brokenLinks(name: string, markdown: string): Promise<string[]> {
  const broken: string[] = []
  const { links, anchors } = linksAndAnchors(markdown)
  for (const link of links) {
    if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(link)) {
      const fault = await faultOf(link)
      if (fault !== undefined) broken.push(`${link} ${fault}`)
      continue
    }
    const [file = '', anchor] = link.split('#').map(decodeURIComponent)
    const target = path.posix.join(path.posix.dirname(name), file)
    const exists = await access(path.join(ROOT, target)).then(
      () => true,
      () => false,
    )
    if (!exists || target.startsWith('../') || file.startsWith('/')) broken.push(`${link} is no file`)
    else if (anchor !== undefined) {
      const there = file === '' ? anchors : linksAndAnchors(await read(target)).anchors
      if (!there.has(anchor)) broken.push(`${link} is no heading`)
    }
  }
  return broken
}

describe('links', () => {
  test('links of every document lead to existing files and headings, and to well-formed addresses', async () => {
    const { stdout } = await promisify(execFile)('git', ['ls-files', '*.md'], { cwd: ROOT })
    const names = stdout.trim().split('\n')
    assert.ok(names.includes('README.md') && names.includes('AGENTS.md'), stdout)
    for (const name of names) assert.deepEqual(await brokenLinks(name, await read(name)), [], name)
  })

  test('broken links are found in every syntax', async () => {
    const right = ['[a](#the-create-action-1)', '[b](../README.md#inputs)', '<img src="../action.yml">']
    const wrong: [string, string][] = [
      ['[a](#the-create-action-2)', '#the-create-action-2 is no heading'],
      ['[a](missing.md)', 'missing.md is no file'],
      ['[a](../README.md#nothing)', '../README.md#nothing is no heading'],
      ['[a](../../outside.md)', '../../outside.md is no file'],
      ['![a](missing.png)', 'missing.png is no file'],
      ['[a][1]\n\n[1]: missing.md', 'missing.md is no file'],
      ['<picture><source srcset="missing.png"></picture>', 'missing.png is no file'],
      ['text <img src="missing.png" alt="">', 'missing.png is no file'],
      ['| a |\n| --- |\n| [b](missing.md) |', 'missing.md is no file'],
      ['[a](http://example.com/)', 'http://example.com/ is not https'],
      ['[a](https://localhost/)', 'https://localhost/ names no public host'],
      ['[a](https://github.com/OWNER)', 'https://github.com/OWNER names no repository'],
      ['[a](https://docs.github.com/actions)', 'https://docs.github.com/actions has no language'],
      [
        '[a](https://www.npmjs.com/package/left-pad)',
        'https://www.npmjs.com/package/left-pad names no package that is used here',
      ],
    ]
    const headings = '# The `create` action\n\n## The create action!\n\n'
    assert.deepEqual(await brokenLinks('test/x.md', headings + right.join('\n\n')), [])
    for (const [text, found] of wrong) assert.deepEqual(await brokenLinks('test/x.md', headings + text), [found])
  })
})

test('every row of the threat model names tests, and every one of them exists', async () => {
  let code = ''
  for await (const file of glob('test/**/*.test.ts', { cwd: ROOT })) code += await read(file)
  const table = (await read('SECURITY.md'))
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(2)
  assert.ok(table.length > 8)
  for (const row of table) {
    const names = [...(row.split(' | ').at(-1) ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? '')
    assert.ok(names.length > 0, `no test is named in: ${row}`)
    for (const name of names)
      assert.ok(code.includes(`test('${name}'`) || code.includes(`test(\`${name}\``), `there is no test named: ${name}`)
  }
})

/** What both languages share: the levels of the headings, the code, where links lead, the names in tables. */
function skeletonOf(markdown: string) {
  const skeleton = { headings: [] as number[], blocks: [] as string[], spans: [] as string[], links: [] as string[] }
  marked.walkTokens(marked.lexer(markdown), (token: Token) => {
    if (token.type === 'heading') skeleton.headings.push(token.depth)
    if (token.type === 'code') skeleton.blocks.push(token.text)
    if (token.type === 'codespan') skeleton.spans.push(token.text)
    // A heading has a name in each language, and each page leads to the other.
    if (token.type === 'link' && !/^#|^README/.test(token.href)) skeleton.links.push(token.href)
  })
  return { ...skeleton, spans: skeleton.spans.sort() }
}

describe('the README', () => {
  test('the Chinese README has the same headings, examples, names and links as the English one', async () => {
    const [english, chinese] = [await read('README.md'), await read('README.zh-CN.md')].map(skeletonOf)
    assert.ok(english && chinese)
    assert.deepEqual(chinese.headings, english.headings)
    assert.deepEqual(chinese.blocks, english.blocks)
    assert.deepEqual(chinese.links, english.links)
    assert.deepEqual(chinese.spans, english.spans)
  })

  test('the README has at most 250 lines', async () => {
    for (const name of ['README.md', 'README.zh-CN.md']) {
      const lines = (await read(name)).split('\n').length - 1
      assert.ok(lines <= 250, `${name} has ${lines} lines`)
    }
  })

  test('the README names only inputs and outputs that exist, with their actions and defaults', async () => {
    const folders: Record<string, string> = { root: '.', run: 'run', create: 'create' }
    const tables = (await read('README.md')).split(/^## /m)
    const rowsOf = (heading: string) =>
      (tables.find((section) => section.startsWith(`${heading}\n`)) ?? '')
        .split('\n')
        .filter((line) => /^\| `/.test(line))
        .map((line) =>
          line
            .split('|')
            .slice(1, -1)
            .map((cell) => cell.trim()),
        )
    /** Such as `30m`, or `` `a`; `run`: `b` `` where actions differ. FuhuAPI stands for its URL. */
    const defaultIn = (cell: string, action: string) => {
      const [common = '', ...others] = cell.split('; ')
      const own = others.find((each) => each.startsWith(`\`${action}\`: `))?.split(': ')[1]
      return (own ?? common).replaceAll('`', '')
    }
    const defaultOf = ({ required, default: value = '' }: { required: boolean; default?: string }, name = '') => {
      if (required) return 'required'
      return name === 'api-url' ? 'FuhuAPI' : String(value)
    }
    const names = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
    const inputs = rowsOf('Inputs')
    assert.ok(inputs.length >= 10, `${inputs.length} rows`)
    for (const [input, of = '', cell = ''] of inputs) {
      const actions = of === 'all' ? Object.keys(folders) : of.split(', ').map((each) => each.replaceAll('`', ''))
      for (const action of actions) {
        const manifest = parse(await read(path.join(folders[action] ?? action, 'action.yml')))
        for (const name of names(input)) {
          assert.ok(name in manifest.inputs, `${action} has no input ${name}`)
          assert.equal(
            defaultIn(cell, action),
            defaultOf(manifest.inputs[name], name),
            `the default of ${name} in ${action}`,
          )
        }
      }
    }
    const run = parse(await read('run/action.yml'))
    const outputs = rowsOf('Outputs')
    assert.ok(outputs.length >= 7, `${outputs.length} rows`)
    for (const [output] of outputs)
      for (const name of names(output)) assert.ok(name in run.outputs, `run has no output ${name}`)
  })
})

describe('the commands of CONTRIBUTING.md', () => {
  const commands = async () =>
    [...(await read('CONTRIBUTING.md')).replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`]+)`/g)].map(
      ([, text = '']) => text,
    )

  test('CONTRIBUTING.md names every npm script, and no other', async () => {
    const { scripts } = JSON.parse(await read('package.json'))
    const named = (await commands()).flatMap((text) => /^npm run ([\w:]+)/.exec(text)?.[1] ?? [])
    assert.deepEqual([...new Set(named), 'test'].sort(), Object.keys(scripts).sort())
  })

  test('CONTRIBUTING.md runs files with the Node that is installed here, because an older one cannot read them', async () => {
    const files = (await commands()).filter((text) => /\bnode .*\.ts\b/.test(text))
    assert.ok(files.length >= 2, `${files.length} commands`)
    for (const text of files) {
      assert.match(text, /^npx node /)
      await access(path.join(ROOT, /\S+\.ts/.exec(text)?.[0] ?? ''))
    }
  })
})

test('every file that CONTRIBUTING.md names exists, and every name that it looks up there', async () => {
  for (const line of (await read('CONTRIBUTING.md')).split('\n')) {
    let folder = ''
    for (const [, word, file = ''] of line.matchAll(/(?:`(\w+)` in )?`([\w./-]+\.(?:ts|md|yml))`/g)) {
      // In the table of rules, a bare name is of the folder of the one before it.
      const isWithFolder = file.includes('/')
      if (isWithFolder) folder = path.dirname(file)
      else if (!/^\| [A-Z]/.test(line) || folder === '') continue
      const text = await read(isWithFolder ? file : path.join(folder, file))
      assert.ok(word === undefined || text.includes(word), `${word} is not in ${file}`)
    }
  }
})

/** Numbers of the documents, each beside the line of the source that decides it. */
const NUMBERS: readonly (readonly [pages: Readonly<Record<string, string>>, file: string, line: string])[] = [
  [{ 'README.md': 'an unknown ID after 10 seconds' }, 'src/predictions/patience.ts', 'const NOT_FOUND_GRACE = 10'],
  [
    { 'README.md': 'no connection after about a minute', 'README.zh-CN.md': '无法连接，约一分钟后失败' },
    'src/predictions/patience.ts',
    'const CONNECT_PATIENCE = 60',
  ],
  [
    { 'README.md': 'such as 503 after five minutes', 'README.zh-CN.md': '503 等其他错误，五分钟后失败' },
    'src/predictions/patience.ts',
    'const TRANSIENT_PATIENCE = 300',
  ],
  [
    { 'README.md': 'if there is no other response for a minute', 'README.zh-CN.md': '永久性错误持续一分钟' },
    'src/predictions/patience.ts',
    'const DOUBT_LASTS = 60',
  ],
  [
    { 'README.md': 'by `create` for five minutes', 'README.zh-CN.md': '`create` 最多五分钟' },
    'src/predictions/create.ts',
    'const PATIENCE = 300',
  ],
  [
    { 'docs/how-it-works.md': 'a create request that is under way is given a second to be answered' },
    'src/predictions/create.ts',
    'const ANSWER_GRACE = 1',
  ],
  [
    {
      'README.md': 'the API deletes them after one hour',
      'README.zh-CN.md': '任务结束一小时后，API 会删除文件',
      'docs/recipes.md': "The API's URLs work for one hour after the prediction ended",
      'action.yml': 'The URLs expire one hour after the prediction ended',
    },
    'src/predictions/prediction.ts',
    "export const RETENTION = 'one hour after the end'",
  ],
  [
    {
      'README.md': 'a JSON array of all URLs; they expire after one hour',
      'README.zh-CN.md': 'URL 的 JSON 数组；一小时后失效',
    },
    'src/predictions/prediction.ts',
    'export const RETENTION_SECONDS = 3600',
  ],
  [{ 'docs/apis.md': 'A task is polled every 5 s' }, 'src/predictions/apis/task-api.ts', 'const POLL_SECONDS = 5'],
  [
    { 'docs/how-it-works.md': 'no response after ten seconds, a poll is sent again' },
    'src/predictions/hedge.ts',
    'const SILENCE = 10',
  ],
  [
    { 'docs/how-it-works.md': 'for at least 20 seconds' },
    'src/predictions/files/patience.ts',
    'export const LEAST_PATIENCE = 20',
  ],
  [
    { 'docs/how-it-works.md': 'at most five minutes after the end' },
    'src/predictions/files/patience.ts',
    'const MOST_PATIENCE = 300',
  ],
  [
    { 'docs/how-it-works.md': 'may take up to an hour' },
    'src/predictions/files/patience.ts',
    'export const LONGEST_SAVING = 3600',
  ],
  [
    { 'docs/how-it-works.md': 'share 40 requests a second', 'docs/reference.md': '| 40 a second for all predictions' },
    'src/predictions/rate-limiter.ts',
    'export const REQUESTS_PER_SECOND = 40',
  ],
  [
    {
      'docs/how-it-works.md': 'From eight predictions on',
      'action.yml': 'uses the list once eight predictions are running',
    },
    'src/predictions/list.ts',
    'export const LIST_FROM = 8',
  ],
  [{ 'action.yml': 'until fewer than three are left' }, 'src/predictions/list.ts', 'export const LIST_UNTIL = 3'],
  [
    { 'docs/apis.md': 'every 15 s if the gateway wraps' },
    'src/predictions/apis/gateway.ts',
    'export const GATEWAY_REFRESH_SECONDS = 15',
  ],
  [
    { 'docs/reference.md': 'Predictions that one step waits for | 5,000 |' },
    'src/runner/input-values.ts',
    'const MOST_IDS = 5000',
  ],
  [
    { 'docs/reference.md': 'Predictions that one step starts | 500 |' },
    'src/runner/entries.ts',
    'export const MOST_ENTRIES = 500',
  ],
  [{ 'docs/reference.md': '| 64 MiB, nested' }, 'src/predictions/sender.ts', 'const BODY_LIMIT = 64 * 2 ** 20'],
  [{ 'docs/reference.md': 'nested 200 levels deep' }, 'src/predictions/json/limits.ts', 'depth: 200'],
  [{ 'docs/reference.md': 'a million arrays and objects' }, 'src/predictions/json/limits.ts', 'parts: 1_000_000'],
  [{ 'docs/reference.md': 'ten million values' }, 'src/predictions/json/limits.ts', 'values: 10_000_000'],
  [{ 'docs/reference.md': 'a million strings' }, 'src/predictions/json/limits.ts', 'strings: 1_000_000'],
  [{ 'docs/reference.md': '200,000 property names' }, 'src/predictions/json/limits.ts', 'names: 200_000'],
  [
    { 'docs/reference.md': 'Files of one step | 5,000,' },
    'src/predictions/output.ts',
    'export const MOST_FILES = 5000',
  ],
  [{ 'docs/reference.md': '| An output | 32 kB |' }, 'src/runner/outputs.ts', 'const LONGEST_VALUE = 32_000'],
  [
    { 'docs/reference.md': '100 MB if the API accepts uploads' },
    'src/runner/embedded-files.ts',
    'const LARGEST_UPLOAD = 100 * 10 ** 6',
  ],
  [{ 'docs/reference.md': 'otherwise 1 MiB' }, 'src/runner/embedded-files.ts', 'const LARGEST_EMBEDDED = 2 ** 20'],
  [{ 'docs/reference.md': '100 files and' }, 'src/runner/embedded-files.ts', 'export const MOST_MENTIONS = 100'],
  [
    { 'docs/reference.md': 'and 100 MB together in one step' },
    'src/runner/embedded-files.ts',
    'export const MENTIONS_LIMIT = 100 * 10 ** 6',
  ],
  [
    { 'docs/reference.md': '1 MB per prediction, about 4 MB in total' },
    'src/runner/model-log.ts',
    'Math.min(2 ** 20, Math.max(4096, 2 ** 22 / predictions))',
  ],
]

test('the numbers in the documents are those of the source', async () => {
  for (const [pages, file, line] of NUMBERS) {
    const places = Object.keys(pages).join(' and ')
    assert.ok((await read(file)).includes(line), `${file} has no ${line} any more: mend ${places}`)
    for (const [page, text] of Object.entries(pages))
      assert.ok((await read(page)).replaceAll(/\s+/g, ' ').includes(text), `${page}: ${text}`)
  }
})

describe('docs/troubleshooting.md', () => {
  /** The first column of its tables: messages, with … for what differs. */
  const messagesOf = (page: string) =>
    page
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .flatMap((line) => [...(line.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, text = '']) => text))

  /** The lines of the source without comments: those must not stand for a message that has changed. */
  async function sourceLines(): Promise<string[]> {
    let source = ''
    for await (const file of glob('src/**/*.ts', { cwd: ROOT })) source += await read(file)
    return source
      .replaceAll(/^\s*\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
      .replaceAll("\\'", "'")
      .split('\n')
  }

  const piecesOf = (message: string) =>
    message
      .split('…')
      .map((piece) => piece.trim())
      .filter((piece) => /\w{2}/.test(piece))

  /** Whether a text has pieces in their order. */
  const has = (text: string, pieces: readonly string[]) => {
    let at = 0
    return pieces.every((piece) => {
      const found = text.indexOf(piece, at)
      at = found + piece.length
      return found >= 0
    })
  }

  test('every message in docs/troubleshooting.md exists in the source', async () => {
    const lines = await sourceLines()
    const messages = messagesOf(await read('docs/troubleshooting.md'))
    assert.ok(messages.length >= 20, `${messages.length} messages`)
    for (const message of messages) {
      const pieces = piecesOf(message)
      assert.ok(
        pieces.some((piece) => piece.length >= 8),
        `nothing to search for: ${message}`,
      )
      assert.ok(
        lines.some((line) => has(line, pieces)),
        `no message is: ${message}`,
      )
    }
  })

  test('docs/troubleshooting.md has the advice on every status for which the source has some', async () => {
    const messages = messagesOf(await read('docs/troubleshooting.md'))
    const url = 'https://api.example.com/v1/predictions'
    const calls = [
      { call: 'get', method: 'GET' },
      { call: 'create', method: 'POST' },
    ] as const
    const statuses = Array.from({ length: 300 }, (_, i) => 300 + i)
    const advice = calls.flatMap((call) =>
      statuses.flatMap((status) => {
        const { message } = new RefusalError({ ...call, url }, { status, headers: {}, text: '' })
        return message.split(' with no message. ')[1] ?? []
      }),
    )
    assert.ok(new Set(advice).size >= 8)
    for (const text of new Set(advice)) {
      const isOnPage = messages.some((message) => has(text, piecesOf(message)))
      assert.ok(isOnPage, `not on the page: ${text}`)
    }
  })

  test('every message in docs/troubleshooting.md has advice', async () => {
    for (const line of (await read('docs/troubleshooting.md')).split('\n').filter((each) => each.startsWith('| `')))
      assert.match(line.split(' | ').at(-1) ?? '', /^[A-Z0-9[].{10,} \|$/, line)
  })
})

test('no page repeats a sentence of another', async () => {
  const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md']
  for await (const file of glob('docs/*.md', { cwd: ROOT })) pages.push(file)
  const seen = new Map<string, string>()
  for (const page of pages) {
    // Tables of inputs and outputs are generated: what two actions share is written once in their manifests.
    const prose = (await read(page)).replace(/^```[\s\S]*?^```$/gm, '').replace(/^\|.*$/gm, '')
    for (const sentence of prose.split(/(?<=[.:])\s+|\n\n/).map((text) => text.replaceAll(/\s+/g, ' ').trim())) {
      if (sentence.length < 60) continue
      assert.equal(seen.get(sentence) ?? page, page, `on two pages: ${sentence}`)
      seen.set(sentence, page)
    }
  }
})

test('every page of docs/ and every example is linked from a document', async () => {
  const linked = new Set<string>()
  for (const name of ['README.md', 'docs/recipes.md', 'docs/reference.md', 'docs/how-it-works.md', 'docs/apis.md'])
    for (const link of linksAndAnchors(await read(name)).links)
      linked.add(path.posix.join(path.posix.dirname(name), link.split('#')[0] ?? ''))
  const missing: string[] = []
  for await (const file of glob(['docs/*.md', 'examples/*.yml'], { cwd: ROOT })) {
    const name = file.replaceAll(path.sep, '/')
    // These are quoted whole.
    if (!linked.has(name) && !(await read('README.md')).includes(` ${path.basename(name)} -->`)) missing.push(name)
  }
  assert.deepEqual(missing, [])
})
