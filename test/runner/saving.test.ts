import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { Answer, StoredAnswer } from '../../src/predictions/answer.ts'
import { type Clock, systemClock } from '../../src/predictions/clock.ts'
import type { Outcome } from '../../src/predictions/outcome.ts'
import { Prediction } from '../../src/predictions/prediction.ts'
import { readContext } from '../../src/runner/context.ts'
import { HEARTBEAT } from '../../src/runner/heartbeat.ts'
import { type Identities, identitiesByName, identitiesOf } from '../../src/runner/identities.ts'
import { noRequests } from '../../src/runner/requests.ts'
import { StepSaving } from '../../src/runner/saving.ts'
import { eventually } from '../support/eventually.ts'
import { printed } from '../support/printed.ts'
import { type OtherInputs, savingInputs } from '../support/saving-inputs.ts'
import { type FileReaction, type FileRequest, scriptedNetwork } from '../support/scripted-host.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { VirtualClock } from '../support/virtual-time.ts'

const CDN = 'https://cdn.example.com'
const NOW = Date.parse('2026-03-01T12:00:00Z')

interface Options extends OtherInputs {
  clock?: Clock
  identities?: Identities
  react?: (request: FileRequest) => FileReaction
  temp?: string
}

/** What saves the files of a step into a folder, from a scripted network. */
function savingOf(
  folder: TemporaryFolder,
  { clock = systemClock, identities, react = () => 'hang', temp = folder.path, ...inputs }: Options = {},
) {
  const interrupt = new AbortController()
  const { network, log } = scriptedNetwork(clock, react)
  const saving = new StepSaving(savingInputs(folder.path, inputs), identities ?? identitiesOf(['a', 'b', 'c']), {
    ...{ clock, signal: interrupt.signal, requests: noRequests() },
    runner: { ...readContext({}), workspace: folder.path, temp },
    date: () => NOW,
    openNetwork: () => network,
  })
  return {
    saving,
    interrupt,
    log,
    /** The wait sees a prediction with such a status. */
    answered: (id: string, status: string) => saving.answered({ id, answer: answerOf({ id, status }) }),
    /** The wait for a prediction has come to an end. */
    settled(id: string, fields: object, more: Partial<Answer> = {}, end: Outcome['end'] = 'ended') {
      const answer = { ...answerOf({ id, status: 'succeeded', ...fields }), ...more }
      saving.settled({ id, end, status: answer.prediction.status, answer, error: undefined, waited: 1 })
    },
    /** @returns what was saved, and what is printed */
    async finished() {
      let result: Awaited<ReturnType<StepSaving['finish']>> | undefined
      const text = await printed(async () => {
        const finished = saving.finish()
        result = await (clock instanceof VirtualClock ? clock.run(finished) : finished)
      })
      assert.ok(result)
      const { files, failures, incomplete } = result
      const messages = failures.map(({ message }) => message)
      return { files, names: files.map(({ name }) => name), failures, messages, incomplete: [...incomplete], text }
    },
  }
}

const answerOf = (body: object): Answer => ({ prediction: Prediction.parse(body), body: {} })

describe('the files of a step', () => {
  test('files are saved in the order of the predictions, under the names of their inputs, each with a line', async () => {
    await using folder = await temporaryFolder()
    const names = new Map([
      ['p1', 'bun'],
      ['p2', 'cake'],
    ])
    const identities = identitiesByName([{ name: 'cake' }, { name: 'bun' }], names, [])
    const { settled, finished, log } = savingOf(folder, { identities, download: { fileName: '{number}-{name}' } })
    settled('p1', { output: 'a bun' })
    settled('p2', { output: 'a cake' })
    const result = await finished()
    assert.deepEqual(result.names, ['1-cake.txt', '2-bun.txt'])
    assert.deepEqual([result.failures, result.incomplete], [[], []])
    assert.equal(result.text.match(/^saved .* · text\/plain · \d B$/gm)?.length, 2)
    assert.equal(log.isClosed, true)
  })

  test('files are saved of predictions that have ended, whatever the others last answered', async () => {
    await using folder = await temporaryFolder()
    const { settled, saving, finished } = savingOf(folder)
    for (const end of ['timeout', 'refused', 'interrupted', 'crashed'] as const) settled('a', { output: end }, {}, end)
    saving.settled({ id: 'a', end: 'ended', status: '', answer: undefined, error: undefined, waited: 1 })
    settled('b', { status: 'failed', output: 'what there is' })
    const { names, failures } = await finished()
    assert.deepEqual([names, failures], [['b-text.txt'], []])
  })

  test('an output that is too large for memory is saved whole', async () => {
    await using folder = await temporaryFolder()
    const { settled, finished } = savingOf(folder)
    const stored = {
      use: (act: (answer: Answer) => unknown) =>
        act(answerOf({ id: 'a', status: 'succeeded', output: 'a whole cake' })),
    } as StoredAnswer
    settled('a', { output: 'a cak' }, { stored })
    const { files } = await finished()
    assert.equal(await readFile(files[0]?.path ?? '', 'utf8'), 'a whole cake')
  })

  test('a step in which nothing has ended opens nothing and says nothing', async () => {
    await using folder = await temporaryFolder()
    const { saving, finished } = savingOf(folder, { temp: folder.file('none'), download: { directory: undefined } })
    assert.deepEqual(await finished(), { files: [], names: [], failures: [], messages: [], incomplete: [], text: '' })
    saving[Symbol.dispose]()
  })

  test('a file that fails is a failure of its prediction', async () => {
    await using folder = await temporaryFolder()
    const { settled, finished } = savingOf(folder, { download: { maxFileSize: 10 } })
    settled('a', { output: 'x'.repeat(11) })
    settled('b', { output: 'a pie' })
    const { names, failures, incomplete } = await finished()
    assert.deepEqual(names, ['b-text.txt'])
    assert.deepEqual(
      failures.map(({ title }) => title),
      ['File not saved'],
    )
    assert.deepEqual(incomplete, ['a'])
  })

  test('files for which no folder can be made are one failure', async () => {
    await using folder = await temporaryFolder()
    const { settled, finished } = savingOf(folder, { temp: folder.file('none'), download: { directory: undefined } })
    settled('a', { output: 'a cake' })
    settled('b', { output: 'a pie' })
    const { failures, incomplete } = await finished()
    assert.equal(failures.length, 1)
    assert.equal(failures[0]?.title, 'Files not saved')
    assert.match(failures[0]?.message ?? '', /^No folder could be created under /)
    assert.deepEqual(incomplete, ['a', 'b'])
  })

  test('a step without files is what if-no-files-found says', async () => {
    await using folder = await temporaryFolder()
    const { settled, finished } = savingOf(folder, { download: { ifNoFilesFound: 'warn' } })
    settled('a', { output: null })
    const { failures, text } = await finished()
    assert.deepEqual(failures, [])
    assert.equal(text, '::warning::No files were found to save: the output is empty.\n')
  })
})

describe('warnings about the files of a step', () => {
  test('files that got other names come first, and say how to replace what is there', async () => {
    await using folder = await temporaryFolder()
    await writeFile(folder.file('a-0.txt'), 'a bun')
    const { settled, finished } = savingOf(folder, {
      react: ({ url }) => {
        const type = url.endsWith('.txt') ? 'text/plain' : 'text/html'
        return { status: 200, headers: { 'content-type': type }, pieces: [`<html>${type}</html>`] }
      },
    })
    settled('a', { output: [`${CDN}/a.txt`, `${CDN}/page`] })
    const { names, text } = await finished()
    assert.deepEqual(names, ['a-0-2.txt'])
    assert.match(
      text,
      /^saved .*\n::warning::a-0\.txt already exists with other content: the new file was saved as a-0-2\.txt\. Set overwrite: true to replace existing files\.\n::warning::File 1 .* is a web page, not a file; it was not saved\.\n$/,
    )
  })

  test('a file replaces another one if that is wanted, without a warning', async () => {
    await using folder = await temporaryFolder()
    await writeFile(folder.file('a-text.txt'), 'a bun')
    const { settled, finished } = savingOf(folder, { download: { overwrite: true } })
    settled('a', { output: 'a cake' })
    const { names, text } = await finished()
    assert.deepEqual([names, text.includes('::warning::')], [['a-text.txt'], false])
  })
})

describe('a file that does not come', () => {
  /** What becomes of the file of prediction a, and in how many requests, if its server returns a status. */
  async function outcomeOf(status: number, fields: object, more: Partial<Answer> = {}, seen: [string, string][] = []) {
    await using folder = await temporaryFolder()
    const clock = new VirtualClock()
    const { settled, answered, finished, log } = savingOf(folder, { clock, react: () => ({ status }) })
    for (const [id, word] of seen) answered(id, word)
    settled('a', { output: `${CDN}/a.png`, ...fields }, more)
    const { messages } = await finished()
    return { message: messages.join(), requests: log.requests.length }
  }
  const endedAgo = (seconds: number) => ({ completed_at: new Date(NOW - seconds * 1000).toISOString() })
  const EXPIRED = /: it has probably expired:/
  const MISSING = /: there is no such file\.$/

  test('a missing file is waited for if the prediction has just ended, and not if it ended a minute ago', async () => {
    const late = await outcomeOf(404, endedAgo(61))
    assert.equal(late.requests, 1)
    assert.match(late.message, MISSING)
    assert.ok((await outcomeOf(404, endedAgo(60))).requests > 1)
    assert.ok((await outcomeOf(404, endedAgo(-3600))).requests > 1)
  })

  test('a missing file has expired if the prediction ended an hour ago, give or take minutes', async () => {
    assert.match((await outcomeOf(404, endedAgo(3300))).message, EXPIRED)
    assert.match((await outcomeOf(404, endedAgo(3200))).message, MISSING)
  })

  test('a missing file has expired if nobody knows when the prediction ended, unless the step saw it running', async () => {
    assert.match((await outcomeOf(404, {})).message, EXPIRED)
    assert.match((await outcomeOf(404, {}, {}, [['a', 'processing']])).message, MISSING)
    assert.match((await outcomeOf(404, {}, {}, [['a', 'succeeded']])).message, EXPIRED)
    assert.match((await outcomeOf(404, {}, {}, [['b', 'processing']])).message, EXPIRED)
    assert.match((await outcomeOf(404, endedAgo(3300), {}, [['a', 'processing']])).message, EXPIRED)
  })

  test('a missing file has not expired if nobody knows how long links of the API work', async () => {
    assert.match((await outcomeOf(404, endedAgo(3300), { linkLife: 'unknown' })).message, MISSING)
    assert.match((await outcomeOf(404, endedAgo(3300), { linkLife: 'documented' })).message, EXPIRED)
  })

  test('a file is given up when the timeout comes, which counts from the start of the step', async () => {
    await using folder = await temporaryFolder()
    const clock = new VirtualClock()
    const { settled, finished } = savingOf(folder, { clock, react: () => ({ status: 503 }) })
    await clock.run(clock.sleep(25))
    settled('a', { output: `${CDN}/a.png` })
    const { messages } = await finished()
    assert.match(messages.join(), /The download was given up 35 s after the step noticed the end/)
  })
})

/** The machine's clock, but for heartbeats, which come when they are told to. */
function clockOfHeartbeats() {
  const beats: { beat: () => void; signal: AbortSignal | undefined }[] = []
  const clock: Clock = {
    now: systemClock.now,
    sleep(seconds, signal) {
      if (seconds !== HEARTBEAT) return systemClock.sleep(seconds, signal)
      return new Promise((beat) => beats.push({ beat, signal }))
    },
  }
  return { clock, beats, isOver: () => beats.at(-1)?.signal?.aborted }
}

describe('the heartbeat of saving', () => {
  test('a heartbeat reports a file that is still not saved, and ends with the saving', async () => {
    await using folder = await temporaryFolder()
    const { clock, beats, isOver } = clockOfHeartbeats()
    const { settled, saving, interrupt, log } = savingOf(folder, { clock })
    settled('a', { output: `${CDN}/cake.png` })
    settled('b', { output: null })
    const ended = saving.finish()
    await eventually('the request', () => log.requests.length === 1)
    assert.equal(beats.length, 1)
    const text = await printed(async () => {
      beats[0]?.beat()
      await eventually('the next heartbeat', () => beats.length === 2)
    })
    assert.equal(text, 'fetching 1 file, 0 saved · File 0 (cdn.example.com/…/cake.png): 0 B\n')
    assert.equal(isOver(), false)
    interrupt.abort(new Error('The runner ends this step.'))
    await ended
    assert.equal(isOver(), true)
  })
})

describe('a step that ends early', () => {
  test('files that an interrupt cuts off are one failure, and what is whole stays', async () => {
    await using folder = await temporaryFolder()
    const { settled, finished, interrupt, log } = savingOf(folder)
    settled('a', { output: `${CDN}/a.png` })
    settled('b', { output: 'a pie' })
    settled('c', { output: [`${CDN}/c.png`, 'data:text/plain,c'] })
    const ended = finished()
    const isWhole = () => ['b-text.txt', 'c-1.txt'].every((name) => existsSync(folder.file(name)))
    await eventually('the requests and the files', () => log.requests.length === 2 && isWhole())
    interrupt.abort(new Error('The runner ends this step.'))
    const { names, failures, incomplete } = await ended
    assert.deepEqual(names, ['b-text.txt', 'c-1.txt'])
    assert.deepEqual(failures, [{ title: 'Files not saved', message: 'The runner ends this step.' }])
    assert.deepEqual(incomplete, ['a', 'c'])
  })

  test('a saving that is abandoned gives up its requests, its network and its heartbeat', async () => {
    await using folder = await temporaryFolder()
    const { clock, isOver } = clockOfHeartbeats()
    const { settled, saving, log } = savingOf(folder, { clock })
    settled('a', { output: `${CDN}/a.png` })
    await eventually('the request', () => log.requests.length === 1)
    assert.deepEqual([isOver(), log.isClosed], [false, false])
    saving[Symbol.dispose]()
    assert.equal(isOver(), true)
    await eventually('the end of the network', () => log.isClosed)
  })

  test('a saving that is abandoned while it opens has no heartbeat and makes no request', async () => {
    await using folder = await temporaryFolder()
    const { clock, beats } = clockOfHeartbeats()
    const { settled, saving, log } = savingOf(folder, { clock })
    settled('a', { output: `${CDN}/a.png` })
    saving[Symbol.dispose]()
    await eventually('the end of the network', () => log.isClosed)
    assert.deepEqual([beats, log.requests], [[], []])
  })

  test('a saving that could not open is abandoned without an error', async () => {
    await using folder = await temporaryFolder()
    const { settled, saving } = savingOf(folder, { temp: folder.file('none'), download: { directory: undefined } })
    settled('a', { output: 'a cake' })
    saving[Symbol.dispose]()
    assert.equal((await saving.finish()).failures.length, 1)
  })
})
