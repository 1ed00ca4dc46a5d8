import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as core from '@actions/core'
import fc from 'fast-check'
import {
  block,
  catchProcessWarnings,
  debug,
  error,
  errorLines,
  flush,
  info,
  notice,
  toolkitOutput,
  urlBlock,
  warn,
  warnAll,
} from '../../src/runner/print.ts'
import { readAsForge } from '../support/forge-runner.ts'
import { printed } from '../support/printed.ts'
import { carryOut } from '../support/run-action.ts'

const hostile = fc.string({
  unit: fc.constantFrom(
    ...['::set-output name=x::y', '##[set-output name=x]y', '##[', '::', ':', '#', '[', ']', ' ', '\t', '\r', '\n'],
    ...['\u0085', '\u00a0', '\u200b', '\u2028', '\ufeff', '\u001b[0m', '\u0000', '%0A', ',', 'a', '\ud800'],
  ),
})

/** What the runner carries out of what was printed. */
const acted = async (act: () => unknown) => {
  const { outputs, state, exported, paths, masks, annotations } = carryOut(await printed(act))
  return { forged: { outputs, state, exported, paths, masks }, annotations }
}
const NOTHING = { outputs: {}, state: {}, exported: {}, paths: [], masks: [] }

describe('printing', () => {
  test('untrusted text is never a workflow command, not even at the start of a line', async () => {
    const printers: Record<string, [(text: string) => unknown, number]> = {
      info: [info, 0],
      debug: [debug, 0],
      block: [(text) => block([text, text], '│ ', text), 0],
      warn: [warn, 1],
      notice: [notice, 1],
      error: [(text) => error(text, text), 1],
      warnAll: [(text) => warnAll([text]), 1],
    }
    for (const [name, [print, annotations]] of Object.entries(printers)) {
      await fc.assert(
        fc.asyncProperty(hostile, async (text) => {
          const result = await acted(() => print(text))
          assert.deepEqual(result.forged, NOTHING, name)
          assert.equal(result.annotations.length, annotations, name)
        }),
      )
    }
  })

  test('a command contains no other ::, at which the runners of Gitea and Forgejo would cut it', async () => {
    const printers = { debug, warn, notice, error: (text: string) => error(text, text) }
    for (const [name, print] of Object.entries(printers)) {
      await fc.assert(
        fc.asyncProperty(hostile, async (text) => {
          const { commands, lines } = readAsForge(await printed(() => print(`a${text}b`)))
          assert.deepEqual([commands.length, commands[0]?.name.startsWith(name.slice(0, 4))], [1, true], name)
          assert.match(commands[0]?.data ?? '', /^a/)
          assert.deepEqual(lines, [''])
        }),
      )
    }
  })

  test('a printed line keeps its text, except for commands and line ends', async () => {
    assert.equal(
      await printed(() => info('saved /workspace/pr ##[set-output name=a]b')),
      'saved /workspace/pr ## [set-output name=a]b\n',
    )
    assert.equal(await printed(() => info('  ::error::x')), '  : :error::x\n')
    assert.equal(await printed(() => info('a\r\nb')), 'a ⏎ b\n')
  })

  test('debug lines and annotations are printed as commands', async () => {
    assert.equal(await printed(() => debug('GET /predictions: 200')), '::debug::GET /predictions: 200\n')
    assert.equal(await printed(() => warn('a\nb')), '::warning::a%0Ab\n')
    assert.equal(await printed(() => notice('a')), '::notice::a\n')
    assert.equal(await printed(() => error('a', 'Prediction\nfailed')), '::error title=Prediction ⏎ failed::a\n')
    assert.equal(await printed(() => errorLines('a\nb', 'Prediction failed')), 'Prediction failed: a\nb\n')
  })

  test('a block has each line after its prefix, between commands that stop commands, in a group if it has a title', async () => {
    const token = /(?<=^::(?:stop-commands::)?)[\da-f-]{36}/gm
    const shown = async (act: () => void) => (await printed(act)).replaceAll(token, 'TOKEN')
    const stopped = (lines: string) => `::stop-commands::TOKEN\n${lines}::TOKEN::\n`
    assert.equal(await shown(() => block(['a', 'b'], '│ ')), stopped('│ a\n│ b\n'))
    assert.equal(await shown(() => block(['a'], '', 'Log')), `::group::Log\n${stopped('a\n')}::endgroup::\n`)
    assert.equal(await shown(() => urlBlock(['https://a.test/b'], '  ')), stopped('  https://a.test/b\n'))
    assert.equal(await shown(() => block([], '│ ', 'Log')), '')
  })

  test('a warning of Node or a library is a debug line', async (t) => {
    const listeners = process.listeners('warning')
    t.after(() => {
      process.removeAllListeners('warning')
      for (const listener of listeners) process.on('warning', listener)
    })
    const text = await printed(() => {
      catchProcessWarnings()
      process.emit('warning', Object.assign(new Error('::set-output name=x::y'), { name: 'DeprecationWarning' }))
    })
    assert.equal(text, '::debug::DeprecationWarning: : :set-output name=x: :y\n')
  })

  test('printing is flushed before the next step is taken', (_, done) => flush(done))

  test('six warnings of one kind are printed as four and one that counts the rest', async () => {
    const { annotations } = await acted(() => warnAll(['1', '2', '3', '4', '5', '6']))
    assert.deepEqual(
      annotations.map(({ message }) => message),
      ['1', '2', '3', '4', '2 more warnings like this one: 5'],
    )
    assert.equal((await acted(() => warnAll(['1', '2', '3', '4', '5']))).annotations.length, 5)
  })
})

describe('what the toolkit prints', () => {
  const { signal } = new AbortController()

  test('output of the toolkit masks, warns and notifies, and does nothing else', async () => {
    const { forged, annotations } = await acted(() =>
      toolkitOutput(
        'Uploading',
        async () => {
          core.setSecret('signature')
          core.warning('retention')
          core.notice('a\n::set-output name=x::y')
          core.error('not ours')
          core.debug('##[set-output name=x]y')
          core.info('Artifact pr ##[set-output name=x]y successfully finalized')
          core.info(' ::set-output name=x::y')
          core.info('a\r::set-env name=x::y\n::add-path::/x')
        },
        signal,
      ),
    )
    assert.deepEqual(forged, { ...NOTHING, masks: ['signature'] })
    assert.deepEqual(
      annotations.map(({ level, message }) => [level, message]),
      [
        ['warning', 'retention'],
        ['notice', 'a\n: :set-output name=x: :y'],
      ],
    )
  })

  test('output of the toolkit is never a command, and neither is the title of its group', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, async (text) => {
        const result = await acted(() => toolkitOutput(text, async () => core.info(text), signal))
        assert.deepEqual(result, { forged: NOTHING, annotations: [] })
      }),
    )
  })

  test('output of the toolkit is separate from what this action prints in the meantime, whose errors stay errors', async () => {
    const { annotations } = await acted(() => toolkitOutput(undefined, async () => error('ours', 'title'), signal))
    assert.deepEqual(annotations, [{ level: 'error', title: 'title', message: 'ours' }])
    assert.equal(await printed(() => toolkitOutput(undefined, async () => core.info('a'), signal)), 'a\n')
  })

  test('output of the toolkit ends its group if the call throws, and later output is unchanged', async () => {
    const text = await printed(async () => {
      await assert.rejects(
        toolkitOutput('Uploading', () => Promise.reject(new Error('x')), signal),
        /x/,
      )
      process.stdout.write('::later::\n')
    })
    assert.equal(text, '::group::Uploading\n::endgroup::\n::later::\n')
  })

  test('output of a toolkit call that is abandoned stays harmless after the end of its group', async () => {
    const cancel = new AbortController()
    const goOn = Promise.withResolvers<void>()
    const text = await printed(async () => {
      const left = toolkitOutput(
        'Uploading',
        () => goOn.promise.then(() => core.info('::set-output::x')),
        cancel.signal,
      )
      cancel.abort()
      info('ours')
      goOn.resolve()
      await left
    })
    assert.equal(text, '::group::Uploading\n::endgroup::\nours\n: :set-output::x\n')
  })
})
