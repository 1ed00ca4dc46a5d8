import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DEFAULT_FILE_NAME,
  FileNames,
  fileNameProblem,
  type Kind,
  nameInName,
} from '../../../src/predictions/files/file-name.ts'

const file = (index: number, of: number): Kind => ({ index, of })

/** The names of the files of predictions a, b, …, each with the given number of files. */
function namesOf(template: string, counts: readonly number[], names: readonly string[] = []): string[] {
  const ids = counts.map((_, i) => String.fromCharCode(97 + i))
  const fileNames = new FileNames(template, { count: counts.length, ids })
  return counts.flatMap((count, i) =>
    Array.from({ length: count }, (_, index) =>
      fileNames.stem({ id: ids[i] ?? '', number: i + 1, name: names[i] }, file(index, count)),
    ),
  )
}

describe('a template of names', () => {
  test('files are named by prediction and index by default', () => {
    assert.deepEqual(namesOf(DEFAULT_FILE_NAME, [1, 2]), ['a-0', 'b-0', 'b-1'])
    assert.deepEqual(namesOf(DEFAULT_FILE_NAME, [11]).slice(-2), ['a-09', 'a-10'])
  })

  test('a template without an index names a single file exactly so, and numbers several', () => {
    assert.deepEqual(namesOf('hero', [1]), ['hero'])
    assert.deepEqual(namesOf('hero', [3]), ['hero-0', 'hero-1', 'hero-2'])
    assert.deepEqual(namesOf('{id}', [1, 2]), ['a', 'b-0', 'b-1'])
  })

  test('a template that gives predictions the same name numbers them in their order', () => {
    assert.deepEqual(namesOf('hero', [1, 1]), ['hero-1', 'hero-2'])
    assert.deepEqual(namesOf('hero', [1, 2]), ['hero-1', 'hero-2-0', 'hero-2-1'])
    assert.deepEqual(namesOf('{index}', [1, 1]), ['0-1', '0-2'])
    assert.deepEqual(namesOf('{number}-x', [1, 1]), ['1-x', '2-x'])
    assert.deepEqual(namesOf('{name}', [1, 2], ['圖', 'é']), ['圖', 'é-0', 'é-1'])
  })

  test('the text and the JSON of an output are named text and output by default, else like a single file', () => {
    const stem = (template: string, kind: Kind) =>
      new FileNames(template, { count: 1, ids: ['a'] }).stem({ id: 'a', number: 1 }, kind)
    assert.deepEqual([stem(DEFAULT_FILE_NAME, 'text'), stem(DEFAULT_FILE_NAME, 'output')], ['a-text', 'a-output'])
    assert.deepEqual([stem('caption', 'text'), stem('{name}-{index}', 'output')], ['caption', 'a-0'])
  })

  test('IDs that differ only by case get different names', () => {
    const names = new FileNames('{id}', { count: 2, ids: ['ABC', 'abc'] })
    const stems = ['ABC', 'abc'].map((id, i) => names.stem({ id, number: i + 1 }, file(0, 1)).toLowerCase())
    assert.equal(new Set(stems).size, 2)
    assert.match(stems[0] ?? '', /^abc-[0-9a-f]{8}$/)
  })

  test('a file name is valid on every system, whatever the values of the placeholders are', () => {
    const stem = (name: string, id = 'a') =>
      new FileNames('{name}', { count: 1, ids: [id] }).stem({ id, number: 1, name }, file(0, 1))
    assert.equal(stem('con'), 'con_')
    assert.equal(stem('NUL.x'), 'NUL_.x')
    assert.equal(stem('../a:b\\c\u202e\u0000'), '..-a-b-c--')
    assert.equal(stem('..'), '_')
    assert.ok(Buffer.byteLength(stem('圖'.repeat(300))) <= 120)
    assert.equal(stem('e\u0301'), '\u00e9')
    assert.equal(nameInName('text2video/123'), 'text2video-123')
    assert.equal(nameInName('#1 [a] ###[error]b'), '#1 [a] ###-error]b')
  })
})

describe('a template is refused', () => {
  for (const [template, words] of [
    ['a/b', /contains "\/"; put folders into output-dir/],
    ['a\\b', /contains "\\\\", which Windows does not allow/],
    ['{ID}', /contains "\{ID\}"; the placeholders are \{id\}, \{index\}, \{number\}/],
    ['{name}', /contains "\{name\}"; the placeholders/],
    ['{id', /contains "\{id"/],
    ['id}', /contains "\}"/],
    ['a:b', /":"/],
    ['what?', /"\?"/],
    ['a\u0007', /U\+0007/],
    ['a\u2028b', /U\+2028/],
    ['a\u202eb', /U\+202E/],
    ['a\ud800b', /U\+D800/],
    ['CON', /reserved name on Windows/],
    ['com1.x{index}', /reserved name on Windows/],
    ['lpt¹', /reserved name on Windows/],
    ['..', /is not a valid file name/],
    ['x'.repeat(81), /longer than 80 bytes/],
    ['圖'.repeat(27), /longer than 80 bytes/],
  ] as const) {
    test(`the template ${JSON.stringify(template.slice(0, 12))} is refused`, () => {
      assert.match(fileNameProblem(template, ['{id}', '{index}', '{number}']) ?? '', words)
    })
  }

  test('a template that is valid on every system is accepted', () => {
    for (const good of [
      DEFAULT_FILE_NAME,
      'hero',
      '圖片 {number}',
      'Ünïcode',
      'میخواهم',
      'CON-{index}',
      '{id}',
      'v1.5',
      '.a',
    ])
      assert.equal(fileNameProblem(good), undefined, good)
    assert.equal(fileNameProblem('x'.repeat(80)), undefined)
    assert.equal(fileNameProblem('{name}'), undefined)
  })
})
