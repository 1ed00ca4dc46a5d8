import assert from 'node:assert/strict'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { Prediction } from '../../src/predictions/prediction.ts'
import { verdictOf } from '../../src/predictions/verdict.ts'
import { nothingDelivered } from '../../src/runner/delivery.ts'
import type { Entry } from '../../src/runner/entry.ts'
import { hashOf, INCOMPLETE, RECORD_FILE, type RecordEntry, readRecord, writeRecord } from '../../src/runner/record.ts'
import { inOrder, type Plan, planOf } from '../../src/runner/skip-existing.ts'
import { printed } from '../support/printed.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const TARGET = { model: 'octo/cakes' }
const named = (...names: string[]) => names.map((name) => ({ name, input: { prompt: name } }))
const hashFor = (name: string) => hashOf({ target: TARGET, input: { prompt: name } })

interface Files {
  /** Names of files that exist. */
  there?: string[]
  recorded?: Record<string, RecordEntry>
}

/** A folder with files, and what is planned for inputs whose files go there. */
async function folderWith({ there = [], recorded = {} }: Files) {
  const folder = await temporaryFolder()
  for (const name of there) await writeFile(folder.file(name), name)
  await writeRecord(folder.path, new Map(Object.entries(recorded)))
  return {
    path: folder.path,
    async plan(names: string[], fileName = '{name}', skipExisting = true) {
      const inputs = { skipExisting, target: TARGET, download: { directory: folder.path, fileName } }
      let plan: Plan | undefined
      const text = await printed(async () => {
        plan = await planOf(named(...names), inputs as never)
      })
      assert.ok(plan)
      const { toStart, skipped, kept } = plan
      return { plan, text, toStart: toStart.map(({ name }) => name), skipped, kept }
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

function judged(name: string, id: string, status = 'succeeded'): Entry {
  const body = { id, status }
  const answer = { prediction: Prediction.parse(body), body }
  const outcome: Outcome = { id, end: 'ended', status, answer, error: undefined, waited: 1 }
  return { name, outcome, verdict: verdictOf(outcome, '30m') }
}

const delivered = (files: [id: string, name: string][], incomplete: string[] = []) => ({
  ...nothingDelivered,
  files: files.map(([predictionId, name]) => ({ predictionId, name })) as never,
  incomplete: new Set(incomplete),
})

describe('the plan of a step', () => {
  test('everything is started without skip-existing or a folder, and nothing is recorded', async () => {
    await using folder = await folderWith({
      there: ['a.png'],
      recorded: { a: { hash: hashFor('a'), files: ['a.png'] } },
    })
    const off = await folder.plan(['a'], '{name}', false)
    assert.deepEqual([off.toStart, off.skipped, off.kept, off.text], [['a'], [], [], ''])
    const inputs = { skipExisting: true, target: TARGET, download: { directory: undefined, fileName: '{name}' } }
    assert.deepEqual((await planOf(named('a'), inputs as never)).toStart, named('a'))
    assert.deepEqual(await off.plan.record([judged('a', 'x')], delivered([['x', 'b.png']])), [])
    assert.deepEqual((await readRecord(folder.path)).get('a')?.files, ['a.png'])
  })

  test('an input is started unless its files exist and were made from the same input', async () => {
    await using folder = await folderWith({
      there: ['same.png', 'changed.png', 'half.png'],
      recorded: {
        same: { hash: hashFor('same'), files: ['same.png'] },
        changed: { hash: hashFor('other'), files: ['changed.png'] },
        gone: { hash: hashFor('gone'), files: ['gone.png'] },
        half: { hash: INCOMPLETE, files: ['half.png'] },
      },
    })
    const { toStart, skipped, text, kept } = await folder.plan(['same', 'changed', 'gone', 'half', 'new'])
    assert.deepEqual(toStart, ['changed', 'gone', 'half', 'new'])
    assert.deepEqual(skipped, ['same'])
    assert.equal(text, 'same: not started, because its files exist and its input has not changed\n')
    assert.deepEqual(kept, [RECORD_FILE, 'same.png'])
  })

  test('files without a record are kept, and a notice says how they are made again', async () => {
    await using folder = await folderWith({ there: ['hero.png', 'hero-1.png', 'logo.png'] })
    const { toStart, skipped, text, kept } = await folder.plan(['hero', 'menu'])
    assert.deepEqual([toStart, skipped], [['menu'], ['hero']])
    assert.match(text, /^::notice::hero: not started, because files of that name exist\. .*\n$/)
    assert.deepEqual([kept[0], kept.slice(1).sort()], [RECORD_FILE, ['hero-1.png', 'hero.png']])
  })

  test('files of inputs of other steps are kept if they exist', async () => {
    await using folder = await folderWith({
      there: ['other.png', 'Menu.png'],
      recorded: {
        other: { hash: 'x', files: ['other.png', 'gone.png'] },
        Menu: { hash: 'y', files: ['Menu.png'] },
      },
    })
    const { kept, toStart } = await folder.plan(['menu'])
    assert.deepEqual([toStart, kept], [['menu'], [RECORD_FILE, 'other.png']])
  })

  test('a record that is damaged or cannot be read is an invalid input', async () => {
    await using damaged = await folderWith({})
    await writeFile(`${damaged.path}/${RECORD_FILE}`, '<<<<<<< HEAD')
    await assert.rejects(damaged.plan(['a']), /^InputError: .*\noutput-dir: \.predictions\.json is not valid JSON\. /)
    await using unreadable = await folderWith({})
    await mkdir(`${unreadable.path}/${RECORD_FILE}`)
    await assert.rejects(unreadable.plan(['a']), /^InputError: .*\noutput-dir: \.predictions\.json cannot be read: E/)
  })

  test('a folder that does not exist has no files', async () => {
    const inputs = { skipExisting: true, target: TARGET, download: { directory: '/nowhere/out', fileName: '{name}' } }
    const { toStart, kept } = await planOf(named('a'), inputs as never)
    assert.deepEqual([toStart.length, kept], [1, [RECORD_FILE]])
  })
})

describe('a file without a record', () => {
  const skippedOf = async (there: string[], names: string[], fileName = '{name}') => {
    await using folder = await folderWith({ there })
    return (await folder.plan(names, fileName)).skipped
  }

  test('a file without a record belongs to the input of its name, also with a number', async () => {
    assert.deepEqual(await skippedOf(['page.png'], ['page']), ['page'])
    assert.deepEqual(await skippedOf(['page-12.png'], ['page']), ['page'])
    for (const other of ['page-x.png', 'page-1-2.png', 'pages.png', 'a page.png', 'Page.png', 'page1.png']) {
      assert.deepEqual(await skippedOf([other], ['page']), [], other)
    }
  })

  test('a file that has exactly the name of another input belongs to that one', async () => {
    assert.deepEqual(await skippedOf(['page-2.png'], ['page', 'page-2']), ['page-2'])
    assert.deepEqual(await skippedOf(['page-3.png'], ['page', 'page-2']), ['page'])
  })

  test('a file is recognized if its template has numbers or an extension', async () => {
    assert.deepEqual(await skippedOf(['07-page-0.png'], ['page'], '{number}-{name}-{index}'), ['page'])
    assert.deepEqual(await skippedOf(['x-page-0.png'], ['page'], '{number}-{name}-{index}'), [])
    assert.deepEqual(await skippedOf(['page.png'], ['page'], '{name}.png'), ['page'])
    assert.deepEqual(await skippedOf(['pagexpng'], ['page'], '{name}.png'), [])
  })

  test('a file is recognized whatever the form of its letters, and with characters that file names replace', async () => {
    assert.deepEqual(await skippedOf(['café.png'.normalize('NFD')], ['café'.normalize('NFC')]), [
      'café'.normalize('NFC'),
    ])
    assert.deepEqual(await skippedOf(['ä-a-b.png'.normalize('NFC')], ['a:b'], 'ä-{name}'.normalize('NFD')), ['a:b'])
    assert.deepEqual(await skippedOf(['a+b.png'], ['a+b']), ['a+b'])
  })

  test('a file that is recorded for another input belongs to no other', async () => {
    await using folder = await folderWith({
      there: ['page-1.png'],
      recorded: { other: { hash: 'x', files: ['page-1.png'] } },
    })
    assert.deepEqual((await folder.plan(['page'])).toStart, ['page'])
  })
})

describe('the record of a step', () => {
  test('a record has the files of each input, and its hash if all went well', async () => {
    await using folder = await folderWith({})
    const { plan } = await folder.plan(['good', 'failed', 'half', 'none', 'unstarted'])
    const entries: Entry[] = [
      judged('good', 'a'),
      judged('failed', 'b', 'failed'),
      judged('half', 'c'),
      judged('none', 'd'),
      judged('stranger', 'e'),
      { name: 'unstarted', status: 'refused', error: 'No.' },
    ]
    const files = delivered(
      [
        ['a', 'good-0.png'],
        ['b', 'failed.png'],
        ['a', 'good-1.png'],
        ['c', 'half.png'],
        ['e', 'stranger.png'],
      ],
      ['c'],
    )
    assert.deepEqual(await plan.record(entries, files), [])
    assert.deepEqual(Object.fromEntries(await readRecord(folder.path)), {
      good: { hash: hashFor('good'), files: ['good-0.png', 'good-1.png'] },
      failed: { hash: INCOMPLETE, files: ['failed.png'] },
      half: { hash: INCOMPLETE, files: ['half.png'] },
    })
    assert.deepEqual(
      (await readdir(folder.path)).filter((name) => name !== RECORD_FILE),
      [],
    )
  })

  test('a record that cannot be written is a failure of the step', async () => {
    await using folder = await folderWith({})
    const { plan } = await folder.plan(['a'])
    await mkdir(`${folder.path}/${RECORD_FILE}`)
    const [failure, ...others] = await plan.record([judged('a', 'x')], delivered([['x', 'a.png']]))
    assert.deepEqual([failure?.title, others], ['Files not recorded', []])
    assert.match(failure?.message ?? '', /^The record of .* could not be written: E/)
  })
})

test('inputs keep their order, whether they were skipped, started or neither', () => {
  const plan = { toStart: [], skipped: ['b'], kept: [], record: async () => [] }
  const first = judged('a', 'x')
  const last: Entry = { name: 'c', status: 'refused', error: 'No.' }
  assert.deepEqual(inOrder(named('a', 'b', 'c', 'd'), [last, first], plan), [
    first,
    { name: 'b', status: 'skipped', error: undefined },
    last,
  ])
})
