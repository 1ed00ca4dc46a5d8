import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { itemsOf } from '../../../src/predictions/files/items.ts'

const link = (name: string) => `https://cdn.example.com/a/${name}`

describe('what an output holds to save', () => {
  test('the files of an output are listed in their order, each with its place', () => {
    const { items, more } = itemsOf({ first: link('a.png'), rest: ['data:text/plain,hi', link('b.png')] }, 10)
    assert.deepEqual(items, [
      { index: 0, kind: { index: 0, of: 3 }, source: link('a.png'), label: 'File 0 (cdn.example.com/…/a.png)' },
      {
        index: 1,
        kind: { index: 1, of: 3 },
        source: 'data:',
        label: 'File 1 (a data: URI)',
        uri: 'data:text/plain,hi',
      },
      { index: 2, kind: { index: 2, of: 3 }, source: link('b.png'), label: 'File 2 (cdn.example.com/…/b.png)' },
    ])
    assert.equal(more, false)
  })
  test('an output without files is saved as its text, else as its JSON', () => {
    assert.deepEqual(itemsOf(['a ', 'cake'], 1).items, [{ index: 0, kind: 'text', source: 'text', label: 'The text' }])
    assert.deepEqual(itemsOf({ score: 1 }, 1).items, [
      { index: 0, kind: 'output', source: 'json', label: 'The output' },
    ])
    for (const nothing of [null, undefined, {}, [], '', [''], ['', '']]) assert.deepEqual(itemsOf(nothing, 1).items, [])
  })
  test('an output has no more items than may be saved', () => {
    const output = [link('a.png'), link('b.png'), link('c.png')]
    const some = itemsOf(output, 2)
    assert.deepEqual([some.items.length, some.more], [2, true])
    assert.deepEqual(some.items[1]?.kind, { index: 1, of: 2 })
    assert.equal(itemsOf(output, 3).more, false)
    assert.deepEqual(itemsOf(output, 0), { items: [], more: true })
    for (const other of ['a text', { score: 1 }]) assert.deepEqual(itemsOf(other, 0), { items: [], more: true })
    for (const nothing of ['', {}]) assert.deepEqual(itemsOf(nothing, 0), { items: [], more: false })
  })
  test('a long file name is cut off at its start in the label', () => {
    const label = (name: string) => itemsOf(link(name), 1).items[0]?.label
    assert.equal(label('x'.repeat(60)), `File 0 (cdn.example.com/…/${'x'.repeat(60)})`)
    assert.equal(label(`y${'x'.repeat(60)}`), `File 0 (cdn.example.com/…/…${'x'.repeat(60)})`)
    assert.equal(itemsOf('https://cdn.example.com/', 1).items[0]?.label, 'File 0 (cdn.example.com/…/)')
  })
})
