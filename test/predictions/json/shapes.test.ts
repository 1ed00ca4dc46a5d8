import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { JsonTooManyPartsError } from '../../../src/predictions/json/limits.ts'
import { Shapes } from '../../../src/predictions/json/shapes.ts'

/** Counts the names of objects that follow each other. @throws if they are more */
function count(objects: readonly (readonly string[])[], most: number): void {
  const shapes = new Shapes(1, most)
  for (const names of objects) {
    shapes.open(1)
    for (const name of names) shapes.name(1, name, 0, name.length)
    shapes.close(1)
  }
}

/** Asserts how many names are counted. */
function assertCount(objects: readonly (readonly string[])[], names: number): void {
  count(objects, names)
  assert.throws(
    () => count(objects, names - 1),
    new JsonTooManyPartsError(names - 1, 'property names'),
    JSON.stringify(objects),
  )
}

describe('the names of properties', () => {
  test('the property names of different objects are counted each', () => {
    assertCount([['a', 'b', 'c']], 3)
    assertCount([['a', 'b'], ['c'], ['a']], 4)
    assertCount(
      [
        ['a', 'b'],
        ['b', 'a'],
        ['ab', ''],
        ['', 'ab'],
        ['c', 'b'],
      ],
      10,
    )
  })

  test('the property names of like objects are counted once, also after other objects and empty ones', () => {
    // While an object is open, its names are counted: it may become another one.
    assertCount([['a', 'b'], ['a', 'b'], [], ['c'], [], ['a', 'b'], ['c'], ['d']], 5)
  })

  test('property names are counted by depth', () => {
    const shapes = new Shapes(2, 5)
    for (let i = 0; i < 10; i++) {
      shapes.open(1)
      shapes.name(1, 'outer', 0, 5)
      shapes.open(2)
      shapes.name(2, '{"inner":1}', 1, 8)
      shapes.close(2)
      shapes.name(1, '"other"', 0, 7)
      shapes.close(1)
    }
    assert.throws(() => {
      shapes.open(1)
      shapes.name(1, 'x', 0, 1)
      shapes.name(1, 'y', 0, 1)
      shapes.name(1, 'z', 0, 1)
    }, JsonTooManyPartsError)
  })

  test('a property name is the text between two positions', () => {
    const shapes = new Shapes(1, 2)
    for (const text of ['-name+', '+name-']) {
      shapes.open(1)
      shapes.name(1, text, 1, 5)
      shapes.close(1)
    }
    shapes.open(1)
    shapes.name(1, '-name+', 0, 5)
    assert.throws(() => shapes.name(1, '-name+', 1, 6), JsonTooManyPartsError)
  })

  test('property names that differ only in the highest bits of their characters are counted each', () => {
    const name = (number: number) =>
      Array.from({ length: 16 }, (_, bit) => String.fromCharCode((number >> bit) % 2 === 0 ? 0x41 : 0x8041)).join('')
    const objects = Array.from({ length: 2 ** 16 }, (_, i) => [name(i)])
    assert.throws(() => count(objects, 65_000), JsonTooManyPartsError)
  })
})
