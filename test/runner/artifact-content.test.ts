import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { unzipSync } from 'fflate'
import { blocksOf, contentsOf, digestOf, openContent } from '../../src/runner/artifact-content.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const file = (name: string, type: string) => ({ name, path: `/out/${name}`, type })
const FILES = [file('b.png', 'image/png'), file('a.xyz', 'chemical/x-xyz'), file('B.json', 'application/json')]

describe('the contents of artifacts', () => {
  test('an archive is one zip of all files, in the order of their names', () => {
    for (const protocol of [7, 4] as const) {
      const [zip, ...others] = contentsOf({ name: 'all', files: FILES, archive: true }, protocol)
      assert.deepEqual(others, [])
      assert.deepEqual(
        [zip?.name, zip?.isZip, zip?.mediaType, zip?.zipped],
        ['all', true, 'application/zip', undefined],
      )
      assert.deepEqual(
        zip?.files.map(({ name }) => name),
        ['B.json', 'a.xyz', 'b.png'],
      )
    }
  })

  test('without an archive every file is an artifact with a type that the service takes, or a zip', () => {
    const contents = contentsOf({ name: 'all', files: FILES, archive: false }, 7)
    assert.deepEqual(
      contents.map(({ name, isZip, mediaType, files }) => [name, isZip, mediaType, files]),
      [
        ['b.png', false, 'image/png', [FILES[0]]],
        ['a.xyz', false, 'application/octet-stream', [FILES[1]]],
        ['B.json', false, 'application/json', [FILES[2]]],
      ],
    )
    const zips = contents.map(({ zipped }) => zipped)
    assert.deepEqual(zips, contentsOf({ name: 'all', files: FILES, archive: false }, 4))
    assert.deepEqual(
      zips.map((zip) => [zip?.name, zip?.isZip, zip?.mediaType]),
      FILES.map(({ name }) => [name, true, 'application/zip']),
    )
  })

  test('parameters, blanks and the case of a media type are no matter', () => {
    const of = (type: string) => contentsOf({ name: '', files: [file('a', type)], archive: false }, 7)[0]?.mediaType
    assert.equal(of(' Text/PLAIN ; charset=utf-8'), 'text/plain')
    assert.equal(of(''), 'application/octet-stream')
  })
})

describe('the bytes of a content', () => {
  test('the bytes of a content are those of its file, or of the zip', async () => {
    await using folder = await temporaryFolder()
    await writeFile(folder.file('a'), 'a cake')
    const files = [{ name: 'a', path: folder.file('a') }]
    const content = { name: 'x', files, isZip: false, mediaType: 'text/plain' }
    assert.equal((await buffer(openContent(content, 0))).toString(), 'a cake')
    assert.equal(await digestOf(openContent(content, 0)), createHash('sha256').update('a cake').digest('hex'))
    const zip = unzipSync(await buffer(openContent({ ...content, isZip: true }, 0)))
    assert.equal(Buffer.from(zip.a ?? []).toString(), 'a cake')
    assert.deepEqual(unzipSync(await buffer(openContent({ ...content, isZip: true, files: [] }, 0))), {})
  })

  test('a stream is cut into blocks of 8 MiB, of which the last is smaller', async () => {
    const MIB = 2 ** 20
    const sizes = async (...chunks: number[]) => {
      const blocks: Buffer[] = []
      const parts = chunks.map((size, i) => Buffer.alloc(size, i + 1))
      for await (const block of blocksOf(Readable.from(parts))) blocks.push(block)
      assert.ok(Buffer.concat(blocks).equals(Buffer.concat(parts)))
      return blocks.map(({ length }) => length)
    }
    assert.deepEqual(await sizes(), [])
    assert.deepEqual(await sizes(1, 2), [3])
    assert.deepEqual(await sizes(5 * MIB, 3 * MIB), [8 * MIB])
    assert.deepEqual(await sizes(7 * MIB, 10 * MIB, 1), [8 * MIB, 8 * MIB, MIB + 1])
  })
})
