import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { savingLine } from '../../src/runner/saving-log.ts'

const file = (label: string, bytes: number, total?: number, trouble?: string) => ({ label, bytes, total, trouble })

describe('the line about saving', () => {
  test('the line about saving says what comes, what is the matter, and how many wait', () => {
    const current = [
      file('File 0 (a/…/b.bin)', 1500, 2_000_000),
      file('File 1 (a/…/c.bin)', 0, undefined, 'the server returned 503'),
      file('File 2 (a/…/d.bin)', 12),
      file('File 3 (a/…/e.bin)', 1),
    ]
    assert.equal(
      savingLine({ saved: 4, left: 9, current }),
      'fetching 9 files, 4 saved · File 0 (a/…/b.bin): 1.5 kB of 2.0 MB · File 1 (a/…/c.bin): 0 B, the server returned 503 · File 2 (a/…/d.bin): 12 B · and 6 more',
    )
    assert.equal(savingLine({ saved: 0, left: 1, current: [] }), 'fetching 1 file, 0 saved · and 1 more')
  })

  test('the line about saving cuts trouble after a hundred characters', () => {
    const line = savingLine({ saved: 0, left: 1, current: [file('File 0', 0, undefined, 'x'.repeat(200))] })
    assert.ok(line.endsWith(`, ${'x'.repeat(100)}…`))
  })
})
