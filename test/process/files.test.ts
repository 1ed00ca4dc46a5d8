import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { cake } from '../fixtures/pictures.ts'
import { type Simulator, startSimulator } from '../servers/simulator.ts'
import { runAction, startAction } from '../support/run-action.ts'
import { testFolder } from '../support/temporary-folder.ts'

function wait(
  simulator: Simulator,
  ids: string,
  inputs: Record<string, string>,
  more: { env?: Record<string, string | undefined>; home?: string } = {},
) {
  return runAction({
    inputs: { 'prediction-id': ids, 'api-key': simulator.key, 'api-url': simulator.apiUrl, timeout: '50s', ...inputs },
    ...more,
  })
}

const withoutKey = (simulator: Simulator) =>
  simulator.requests
    .filter(({ url }) => url.startsWith('/files/'))
    .every(({ headers }) => headers.authorization === undefined && !JSON.stringify(headers).includes(simulator.key))

describe('files in output-dir', { concurrency: 4 }, () => {
  test('files are saved, listed in the outputs, the result file and the summary, and downloaded without the key', async () => {
    await using simulator = await startSimulator()
    const picture = await cake('webp')
    const id = simulator.ended({
      output: {
        image: simulator.file('x/out-0.png', { body: picture, type: 'image/png' }),
        mask: `data:image/png;base64,${(await cake('png')).toString('base64')}`,
      },
    })
    await using run = await wait(simulator, id, { 'output-dir': 'out/pictures' })
    assert.equal(run.exitCode, 0, run.log)
    const folder = path.join(run.workspace, 'out/pictures')
    assert.deepEqual((await readdir(folder)).sort(), [`${id}-0.webp`, `${id}-1.png`])
    assert.deepEqual(
      run.outputs.files?.split('\n'),
      [`${id}-0.webp`, `${id}-1.png`].map((name) => path.join(folder, name)),
    )
    assert.deepEqual(await readFile(path.join(folder, `${id}-0.webp`)), picture)
    assert.deepEqual(JSON.parse(run.outputs.predictions ?? '')[0].files, run.outputs.files?.split('\n'))
    const [first] = JSON.parse(await readFile(run.outputs.result_file ?? '', 'utf8')).predictions[0].files
    const sha256 = createHash('sha256').update(picture).digest('hex')
    assert.equal(first.sha256, sha256)
    assert.deepEqual([first.size, first.type, first.width], [picture.length, 'image/webp', 512])
    assert.match(run.summary, /^- .* · 512 × 512 · /m)
    assert.ok(run.summary.includes(`<code>${sha256}</code>`), run.summary)
    assert.match(run.log, /saved .*-0\.webp · image\/webp · 512×512 · [\d.]+ kB/)
    assert.equal(run.outputs.artifact_id, '')
    assert.ok(withoutKey(simulator))
  })

  test('249 files of one output and 23 files with one base name are all saved', async () => {
    await using simulator = await startSimulator()
    const body = await cake('png')
    const many = simulator.ended({
      output: Array.from({ length: 249 }, (_, i) => simulator.file(`${i}.png`, { body })),
    })
    const same = simulator.ended({
      output: Array.from({ length: 23 }, (_, i) => simulator.file(`${i}/tempfile.png`, { body })),
    })
    await using run = await wait(simulator, `${many} ${same}`, { 'output-dir': '.' })
    assert.equal(run.exitCode, 0, run.log)
    assert.equal((await readdir(run.workspace)).length, 272)
  })

  test('files of a failed prediction are saved too, and the step fails', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({
      status: 'failed',
      error: 'half-way',
      output: [simulator.file('a.png', { body: await cake('png') })],
    })
    await using run = await wait(simulator, id, { 'output-dir': 'out' })
    assert.equal(run.exitCode, 1)
    assert.equal(run.errors.length, 1)
    assert.match(run.outputs.files ?? '', /-0\.png$/)
  })

  test('files that cannot be downloaded fail the step, with an annotation each, and the others are saved', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({
      completed_at: new Date(Date.now() - 3_600_000).toISOString(),
      output: [
        simulator.file('gone.png', { tricks: [{ status: 404 }] }),
        simulator.file('fine.png', { body: await cake('png') }),
        simulator.file('lie.png', { body: Buffer.from('<html>'), type: 'image/png' }),
        simulator.file('huge.bin', { size: 5 * 10 ** 9 }),
        simulator.file('away.png', { tricks: [{ redirect: 'http://169.254.169.254/latest/' }] }),
        simulator.file('local.png', { tricks: [{ redirect: 'https://localhost:1/' }] }),
      ],
    })
    await using run = await wait(simulator, id, { 'output-dir': 'out', 'max-file-size': '1 MB', 'allowed-hosts': '' })
    assert.equal(run.exitCode, 1)
    assert.deepEqual(await readdir(path.join(run.workspace, 'out')), [`${id}-1.png`])
    const messages = run.errors
    for (const [i, words] of [
      /has probably expired/,
      /is not the image\/png/,
      /larger than max-file-size/,
      /scheme is http/,
      /localhost resolves to/,
    ].entries())
      assert.match(messages[i] ?? '', words)
    assert.equal(run.outputs.status, 'succeeded')
    assert.deepEqual(run.outputs.error?.split('\n'), messages)
    assert.equal(run.outputs.files, path.join(run.workspace, 'out', `${id}-1.png`))
    assert.match(run.summary, /has probably expired/)
  })

  test('files of a prediction that failed long ago are not reported as expired or missing', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({ status: 'failed', error: 'broken', output: null, data_removed: true })
    await using run = await wait(simulator, id, { 'output-dir': 'out', 'if-no-files-found': 'error' })
    assert.equal(run.exitCode, 1)
    assert.equal(run.errors.length, 1)
    assert.match(run.errors[0] ?? '', /failed: broken/)
  })

  test('files that have expired fail the step', async () => {
    await using simulator = await startSimulator()
    await using run = await wait(simulator, simulator.ended({ output: null, data_removed: true }), {
      'output-dir': 'out',
      'if-no-files-found': 'ignore',
    })
    assert.equal(run.exitCode, 1)
    assert.match(run.errors[0] ?? '', /files of prediction .* have expired/)
  })

  test('missing files cause a warning, an error or nothing, as if-no-files-found says', async () => {
    await using simulator = await startSimulator()
    for (const [wanted, exitCode, count] of [
      ['warn', 0, 1],
      ['error', 1, 0],
      ['ignore', 0, 0],
    ] as const) {
      await using run = await wait(simulator, simulator.ended({ output: {} }), {
        'output-dir': 'out',
        'if-no-files-found': wanted,
      })
      assert.deepEqual([run.exitCode, run.warnings.length], [exitCode, count], wanted)
    }
  })

  test('a JSON output without files is saved as a JSON file', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({ output: { segments: [{ text: 'Hello', seed: 7 }] } })
    await using run = await wait(simulator, id, { 'output-dir': 'out' })
    assert.equal(run.exitCode, 0, run.log)
    const json = await readFile(path.join(run.workspace, 'out', `${id}-output.json`), 'utf8')
    assert.equal(json, `${JSON.stringify({ segments: [{ text: 'Hello', seed: 7 }] }, null, 2)}\n`)
  })

  test('files are named by file-name in the order of the predictions, and a second run replaces them', async () => {
    await using simulator = await startSimulator()
    const home = await testFolder('home')
    const named = { 'output-dir': 'out', 'file-name': '圖-{number}', overwrite: 'true' }
    for (const candles of [3, 4]) {
      const bodies = [await cake('png', candles), await cake('webp', candles)]
      const url = (i: number) => simulator.file(`${candles}-${i}`, { body: bodies[i] ?? Buffer.alloc(0) })
      const late = simulator.add({
        moments: [
          { at: 0, status: 'processing' },
          { at: 1, status: 'succeeded', output: [url(0)] },
        ],
        startsWhenSeen: true,
      })
      const ids = `${late},${simulator.ended({ output: url(1) })}`
      await using run = await wait(simulator, ids, named, { home })
      assert.equal(run.exitCode, 0, run.log)
      assert.deepEqual(run.warnings, [])
      assert.deepEqual((await readdir(path.join(run.workspace, 'out'))).sort(), ['圖-1.png', '圖-2.webp'])
      assert.deepEqual(await readFile(path.join(run.workspace, 'out/圖-1.png')), bodies[0])
    }
  })

  test('files of one prediction are saved while another one still runs', async () => {
    await using simulator = await startSimulator()
    const quick = simulator.ended({ output: [simulator.file('a.png', { body: await cake('png') })] })
    const slow = simulator.add({
      moments: [
        { at: 0, status: 'processing' },
        { at: 6, status: 'succeeded', output: [simulator.file('b.png', { body: await cake('png', 2) })] },
      ],
      startsWhenSeen: true,
    })
    const started = await startAction({
      inputs: {
        'prediction-id': `${quick},${slow}`,
        'api-key': simulator.key,
        'api-url': simulator.apiUrl,
        'output-dir': 'out',
      },
    })
    await started.until('saved ')
    assert.equal(simulator.statusOf(slow), 'processing')
    assert.deepEqual(await readdir(path.join(started.workspace, 'out')), [`${quick}-0.png`])
    await using run = await started.result
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(
      (await readdir(path.join(run.workspace, 'out'))).sort(),
      [`${quick}-0.png`, `${slow}-0.png`].sort(),
    )
  })

  test('files saved before a cancellation are in the outputs, even if another prediction still ran', async () => {
    await using simulator = await startSimulator()
    const quick = simulator.ended({ output: [simulator.file('a.png', { body: await cake('png') })] })
    const slow = simulator.add({ moments: [{ at: 0, status: 'processing' }] })
    const started = await startAction({
      inputs: {
        'prediction-id': `${quick},${slow}`,
        'api-key': simulator.key,
        'api-url': simulator.apiUrl,
        'output-dir': 'out',
      },
    })
    await started.until('saved ')
    started.child.kill('SIGINT')
    await using run = await started.result
    assert.equal(run.exitCode, 1)
    assert.equal(run.outputs.files, path.join(run.workspace, 'out', `${quick}-0.png`))
  })

  test('files are not written through a symbolic link that leads out of the workspace', async () => {
    await using simulator = await startSimulator()
    const home = await testFolder('home')
    await mkdir(path.join(home, 'workspace'))
    await mkdir(path.join(home, 'elsewhere'))
    await symlink('../elsewhere', path.join(home, 'workspace', 'out'))
    await using run = await wait(simulator, simulator.ended({ output: 'text' }), { 'output-dir': 'out/sub' }, { home })
    assert.equal(run.exitCode, 1)
    assert.match(run.errors[0] ?? '', /leads out of the workspace through a symbolic link/)
    assert.deepEqual(await readdir(path.join(home, 'elsewhere')), [])
  })

  test('files that exceed max-total-size are not saved, and each error names the limit', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({
      output: Array.from({ length: 3 }, (_, i) => simulator.file(`${i}.bin`, { size: 40_000 })),
    })
    await using run = await wait(simulator, id, { 'output-dir': 'out', 'max-total-size': '100 kB' })
    assert.equal(run.exitCode, 1)
    assert.equal(run.errors.length, 1)
    assert.match(
      run.errors[0] ?? '',
      /larger than max-total-size allows \(40000 bytes, and 80000 of 100000 bytes are used\)/,
    )
    assert.equal((await readdir(path.join(run.workspace, 'out'))).length, 2)
  })

  test('links to web pages beside a file cause warnings', async () => {
    await using simulator = await startSimulator()
    const page = { type: 'text/html', body: Buffer.from('<!doctype html><title>License</title>') }
    const id = simulator.ended({
      output: { image: simulator.file('a.png', { body: await cake('png') }), license: simulator.file('license', page) },
    })
    await using run = await wait(simulator, id, { 'output-dir': 'out' })
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(await readdir(path.join(run.workspace, 'out')), [`${id}-0.png`])
    assert.match(run.warnings.join(), /File 1 \(127\.0\.0\.1\/…\/license\) .* is a web page, not a file/)
    const only = simulator.ended({ output: simulator.file('report', page) })
    await using kept = await wait(simulator, only, { 'output-dir': 'out' })
    assert.deepEqual(await readdir(path.join(kept.workspace, 'out')), [`${only}-0.html`])
  })

  test('a text output is saved as a text file', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({ output: ['Once ', 'upon'] })
    await using run = await wait(simulator, id, { 'output-dir': 'out' })
    assert.equal(await readFile(path.join(run.workspace, 'out', `${id}-text.txt`), 'utf8'), 'Once upon')
  })

  test('text and JSON files do not contain the key', async () => {
    await using simulator = await startSimulator()
    const { key } = simulator
    const ids = [simulator.ended({ output: `a ${key} b` }), simulator.ended({ output: { echo: key } })]
    await using run = await wait(simulator, ids.join(), { 'output-dir': 'out' })
    assert.equal(run.exitCode, 0, run.log)
    const saved = await Promise.all((run.outputs.files ?? '').split('\n').map((file) => readFile(file, 'utf8')))
    assert.deepEqual(saved, ['a *** b', '{\n  "echo": "***"\n}\n'])
  })

  test('an existing symbolic link is neither followed nor overwritten, with a warning', async () => {
    await using simulator = await startSimulator()
    const home = await testFolder('home')
    await mkdir(path.join(home, 'workspace'))
    await writeFile(path.join(home, 'precious'), 'precious')
    const id = simulator.ended({ output: [simulator.file('a.png', { body: await cake('png') })] })
    await symlink('../precious', path.join(home, 'workspace', `${id}-0.png`))
    await using run = await wait(simulator, id, { 'output-dir': '.' }, { home })
    assert.equal(run.exitCode, 0)
    assert.match(run.warnings.join(), /already exists with other content/)
    assert.equal(await readFile(path.join(home, 'precious'), 'utf8'), 'precious')
  })

  test('files stay on disk if the step is canceled, and none of them is incomplete', async () => {
    await using simulator = await startSimulator()
    const id = simulator.ended({
      output: [
        simulator.file('a.png', { body: await cake('png') }),
        simulator.file('b.bin', { size: 10 ** 7, tricks: [{ stallAfter: 10 ** 6 }] }),
      ],
    })
    const started = await startAction({
      inputs: { 'prediction-id': id, 'api-key': simulator.key, 'api-url': simulator.apiUrl, 'output-dir': 'out' },
    })
    await started.until('saved ')
    const at = performance.now()
    started.child.kill('SIGINT')
    await using run = await started.result
    // GitHub grants 7.5 s between SIGINT and SIGTERM, which a busy machine may exceed; the stall by itself lasts 30 s.
    assert.ok(performance.now() - at < 25_000)
    assert.equal(run.exitCode, 1)
    assert.equal(run.outputs.status, 'succeeded')
    assert.deepEqual(await readdir(path.join(run.workspace, 'out')), [`${id}-0.png`])
  })
})

test('invalid inputs about files are reported together', async () => {
  await using run = await runAction({
    inputs: {
      'prediction-id': 'abc',
      'api-key': 'sk-secret-0123456789',
      'artifact-name': 'a:b',
      'retention-days': 'ten',
      'compression-level': '10',
      'if-no-files-found': 'fail',
      'max-file-size': 'big',
      'allowed-hosts': 'https://x.com',
    },
  })
  const lines = (run.errors[0] ?? '').split('\n')
  for (const [i, words] of [
    /^6 inputs/,
    /^artifact-name: "a:b" contains ":"/,
    /^retention-days/,
    /^compression-level/,
    /^if-no-files-found/,
    /^max-file-size: "big"/,
    /^allowed-hosts: "https:/,
  ].entries())
    assert.match(lines[i] ?? '', words)
})

test('a gigabyte of files is saved in less than 150 MB of memory', {
  skip: process.platform !== 'linux' && 'peak memory is read from /proc',
}, async () => {
  await using simulator = await startSimulator()
  const id = simulator.ended({
    output: Array.from({ length: 40 }, (_, i) => simulator.file(`${i}.bin`, { size: 25 * 10 ** 6 })),
  })
  const started = await startAction({
    inputs: { 'prediction-id': id, 'api-key': simulator.key, 'api-url': simulator.apiUrl, 'output-dir': 'out' },
  })
  let peak = 0
  const look = setInterval(async () => {
    const status = await readFile(`/proc/${started.child.pid}/status`, 'utf8').catch(() => '')
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024)
  }, 50)
  await using run = await started.result
  clearInterval(look)
  assert.equal(run.exitCode, 0, run.log.slice(-1000))
  assert.equal(run.outputs.files?.split('\n').length, 40)
  assert.ok(peak > 10 && peak < 150, `${peak.toFixed(0)} MB`)
})
