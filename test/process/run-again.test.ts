import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { cake } from '../fixtures/pictures.ts'
import { type Simulator, startSimulator } from '../servers/simulator.ts'
import { creationsAt, gatewayInputs, startGateway } from '../support/gateway.ts'
import { type RunResult, runAction } from '../support/run-action.ts'
import { testFolder } from '../support/temporary-folder.ts'

const THREE = { hero: { prompt: 'a cake' }, logo: { prompt: 'a pie' }, icon: { prompt: 'a bun' } }
const SKIPPING = { 'skip-existing': 'true', overwrite: 'true' }

/** Steps of one repository: they share a folder of pictures. */
class Repository implements AsyncDisposable {
  readonly home: string
  readonly #simulator: Simulator

  private constructor(home: string, simulator: Simulator) {
    this.home = home
    this.#simulator = simulator
  }

  static async open(simulator: Simulator): Promise<Repository> {
    return new Repository(await testFolder('run-again'), simulator)
  }

  pictures = (name = '') => path.join(this.home, 'workspace/pictures', name)
  text = (name: string) => readFile(this.pictures(name), 'utf8')
  files = async () => (await readdir(this.pictures())).sort()

  /** Runs a step. @returns its result, and the prompts of the predictions that it started */
  async run(inputs: object, more: Record<string, string>): Promise<RunResult & { started: string[] }> {
    const before = creationsAt(this.#simulator).length
    const all = { inputs: JSON.stringify(inputs), 'output-dir': 'pictures', 'file-name': '{name}', ...more }
    const result = await runAction({ action: 'run', inputs: gatewayInputs(this.#simulator, all), home: this.home })
    return { ...result, started: creationsAt(this.#simulator).slice(before) }
  }

  [Symbol.asyncDispose]() {
    return rm(this.home, { recursive: true })
  }
}

describe('skip-existing', { concurrency: 3 }, () => {
  test('skip-existing starts nothing in a second run', async () => {
    await using simulator = await startGateway()
    await using repository = await Repository.open(simulator)
    const first = await repository.run(THREE, SKIPPING)
    assert.equal(first.exitCode, 0, first.log)
    assert.deepEqual(await repository.files(), ['.predictions.json', 'hero.txt', 'icon.txt', 'logo.txt'])
    const record = await repository.text('.predictions.json')
    const requests = simulator.requests.length
    const second = await repository.run(THREE, SKIPPING)
    assert.equal(second.exitCode, 0, second.log)
    assert.equal(simulator.requests.length, requests, 'not one request')
    assert.equal(second.outputs.status, 'succeeded')
    assert.deepEqual(
      JSON.parse(second.outputs.predictions ?? '').map(({ status }: { status: string }) => status),
      ['skipped', 'skipped', 'skipped'],
    )
    assert.equal(await repository.text('.predictions.json'), record)
    assert.deepEqual(second.annotations, [])
    assert.match(second.log, /Predictions: 0 started · 3 skipped, because their files exist\./)
  })

  test('skip-existing starts again what has changed in its own or a shared input, and replaces its file', async () => {
    await using simulator = await startGateway()
    await using repository = await Repository.open(simulator)
    await repository.run(THREE, SKIPPING)
    const changed = await repository.run({ ...THREE, logo: { prompt: 'a tart' } }, SKIPPING)
    assert.deepEqual(changed.started, ['a tart'])
    assert.equal(await repository.text('logo.txt'), 'a tart')
    assert.equal((await repository.files()).length, 4)
    assert.equal((await repository.run(THREE, { ...SKIPPING, input: 'steps: 4' })).started.length, 3)
    assert.equal((await repository.run(THREE, { ...SKIPPING, input: 'steps: 4', model: 'octo/pie' })).started.length, 3)
  })

  test('skip-existing starts nothing for files without a record, with a notice for each', async () => {
    await using simulator = await startGateway()
    await using repository = await Repository.open(simulator)
    await repository.run(THREE, SKIPPING)
    await rm(repository.pictures('.predictions.json'))
    const second = await repository.run({ ...THREE, logo: { prompt: 'a tart' } }, SKIPPING)
    assert.equal(second.exitCode, 0, second.log)
    assert.deepEqual(second.started, [])
    assert.deepEqual(
      second.annotations.map(({ level, message }) => [level, message.split(':')[0]]),
      ['hero', 'logo', 'icon'].map((name) => ['notice', name]),
    )
  })

  test('skip-existing finds files without a record by name, with any extension unless file-name sets one', async () => {
    await using simulator = await startGateway()
    for (const [template, file] of [
      ['{name}', 'hero.tar.gz'],
      ['{name}.txt', 'hero.txt'],
      ['{name}.txt', 'hero.png'],
      ['a-{name}-{index}', 'a-hero-0.nii.gz'],
    ] as const) {
      await using repository = await Repository.open(simulator)
      await mkdir(repository.pictures(), { recursive: true })
      await writeFile(repository.pictures(file), 'there already')
      const run = await repository.run({ hero: { prompt: 'a cake' } }, { ...SKIPPING, 'file-name': template })
      const isSame = template !== '{name}.txt' || file === 'hero.txt'
      assert.deepEqual(run.started, isSame ? [] : ['a cake'], `${template} ${file} ${run.log}`)
    }
  })

  test('skip-existing ignores a file that is recorded for another input or has the name of one', async () => {
    await using simulator = await startGateway()
    await using repository = await Repository.open(simulator)
    await repository.run({ 'hero-1': { prompt: 'one' }, 'hero-2': { prompt: 'two' } }, SKIPPING)
    const recorded = await repository.run({ hero: { prompt: 'a cake' } }, SKIPPING)
    assert.deepEqual(recorded.started, ['a cake'], recorded.log)
    await rm(repository.pictures('.predictions.json'))
    await rm(repository.pictures('hero.txt'))
    const inputs = { hero: { prompt: 'a cake' }, 'hero-1': { prompt: 'one' }, 'hero-2': { prompt: 'two' } }
    const named = await repository.run(inputs, SKIPPING)
    assert.deepEqual(named.started, ['a cake'], named.log)
    const unrecorded = await repository.run({ 'hero-2': { prompt: 'two' } }, SKIPPING)
    assert.deepEqual(unrecorded.started, [], unrecorded.log)
  })

  describe('replaces no file that another input has, although its name would fit', () => {
    const page = { texts: ['left', 'right'] }
    const one = { texts: ['one'] }
    const two = { texts: ['two'] }

    /** A repository, and an API that makes a file of each text. */
    async function open() {
      const simulator = await startSimulator({
        onCreate: ({ input }) => {
          const texts = [input.texts].flat().map(String)
          const urls = texts.map((text) => simulator.file(text, { body: Buffer.from(text), type: 'text/plain' }))
          return { moments: [{ at: 0.1, status: 'succeeded', output: urls }] }
        },
      })
      return { simulator, repository: await Repository.open(simulator) }
    }

    test('a file of another input in the same step is not replaced', async () => {
      const opened = await open()
      await using _simulator = opened.simulator
      await using repository = opened.repository
      await repository.run({ page }, SKIPPING)
      const second = await repository.run({ page, 'page-1': one }, SKIPPING)
      assert.equal(second.started.length, 1, second.log)
      assert.equal(await repository.text('page-1.txt'), 'right')
      assert.equal(await repository.text('page-1-2.txt'), 'one')
    })

    test('a file of an input in another step is not replaced', async () => {
      const opened = await open()
      await using _simulator = opened.simulator
      await using repository = opened.repository
      await repository.run({ page }, SKIPPING)
      await repository.run({ 'page-1': one }, SKIPPING)
      assert.equal(await repository.text('page-1.txt'), 'right')
      assert.equal(await repository.text('page-1-2.txt'), 'one')
    })

    test('a file without a record is not replaced', async () => {
      const opened = await open()
      await using _simulator = opened.simulator
      await using repository = opened.repository
      await mkdir(repository.pictures(), { recursive: true })
      await writeFile(repository.pictures('page-1.txt'), 'by hand')
      await repository.run({ page, 'page-1': one }, SKIPPING)
      assert.equal(await repository.text('page-1.txt'), 'by hand')
      assert.equal(await repository.text('page-1-2.txt'), 'right')
    })

    test('an input whose name changes only in case replaces its own file', async () => {
      const opened = await open()
      await using _simulator = opened.simulator
      await using repository = opened.repository
      await repository.run({ page: one }, SKIPPING)
      await repository.run({ Page: two }, SKIPPING)
      assert.equal(await repository.text('Page.txt'), 'two')
    })
  })

  test('no file is saved under the name of the record', async () => {
    await using simulator = await startSimulator({
      onCreate: () => ({ moments: [{ at: 0.1, status: 'succeeded', output: { paid: true } }] }),
    })
    await using repository = await Repository.open(simulator)
    const run = await repository.run({ '.predictions': { prompt: 'a cake' } }, SKIPPING)
    assert.equal(path.basename(run.outputs.files ?? ''), '.predictions-2.json', run.log)
    assert.deepEqual(JSON.parse(await repository.text('.predictions-2.json')), { paid: true })
  })

  test('skip-existing needs no writable folder if all files exist', async (t) => {
    if (process.platform !== 'linux') return t.skip('not even root can write to /proc, which only Linux has')
    await using simulator = await startGateway()
    await using repository = await Repository.open(simulator)
    const run = await repository.run({ version: { prompt: 'a cake' } }, { ...SKIPPING, 'output-dir': '/proc' })
    assert.deepEqual([run.exitCode, run.started], [0, []], run.log)
  })

  test('skip-existing starts an input again if its file was deleted', async () => {
    await using simulator = await startGateway()
    await using repository = await Repository.open(simulator)
    await repository.run(THREE, SKIPPING)
    await rm(repository.pictures('icon.txt'))
    assert.deepEqual((await repository.run(THREE, SKIPPING)).started, ['a bun'])
    assert.equal(await repository.text('icon.txt'), 'a bun')
  })

  test('a failed prediction is not recorded, and is started again', async () => {
    let isBroken = true
    await using simulator = await startGateway({
      end: (prompt) => (prompt === 'a pie' && isBroken ? { status: 'failed', error: 'no' } : undefined),
    })
    await using repository = await Repository.open(simulator)
    assert.equal((await repository.run(THREE, SKIPPING)).exitCode, 1)
    assert.deepEqual(Object.keys(JSON.parse(await repository.text('.predictions.json')).predictions), ['hero', 'icon'])
    isBroken = false
    assert.deepEqual((await repository.run(THREE, SKIPPING)).started, ['a pie'])
  })

  test('a prediction with only some of its files saved is started again', async () => {
    let isBroken = true
    const picture = await cake('png')
    await using simulator = await startSimulator({
      onCreate: ({ model = '' }) => {
        const page = { body: Buffer.from('<html><body>error</body></html>'), type: 'text/html' }
        const whole = { body: picture, type: 'image/png' }
        const output = [
          simulator.file('a.txt', { body: Buffer.from('a'), type: 'text/plain' }),
          simulator.file('b.png', isBroken ? page : whole),
        ]
        return { model, moments: [{ at: 0.1, status: 'succeeded', output }] }
      },
    })
    await using repository = await Repository.open(simulator)
    const inputs = { hero: { prompt: 'a cake' } }
    const first = await repository.run(inputs, { ...SKIPPING, timeout: '3s' })
    assert.equal(first.exitCode, 1)
    assert.deepEqual(await repository.files(), ['.predictions.json', 'hero-0.txt'])
    isBroken = false
    const second = await repository.run(inputs, SKIPPING)
    assert.equal(second.exitCode, 0, second.log)
    assert.deepEqual(second.started, ['a cake'])
    assert.deepEqual(await repository.files(), ['.predictions.json', 'hero-0.txt', 'hero-1.png'])
    assert.deepEqual((await repository.run(inputs, SKIPPING)).started, [])
  })

  test('a record with merge conflict markers fails the step before anything is started, and is kept', async () => {
    await using simulator = await startGateway()
    await using repository = await Repository.open(simulator)
    await repository.run(THREE, SKIPPING)
    const damaged = `<<<<<<< HEAD\n${await repository.text('.predictions.json')}`
    await writeFile(repository.pictures('.predictions.json'), damaged)
    const second = await repository.run({ ...THREE, cake: { prompt: 'a tart' } }, SKIPPING)
    assert.equal(second.exitCode, 1)
    assert.deepEqual(second.started, [])
    assert.deepEqual(second.errors, [
      '1 input is invalid; no request was made.\noutput-dir: .predictions.json is not valid JSON. Restore it, or delete it together with the files.',
    ])
    assert.equal(await repository.text('.predictions.json'), damaged)
  })

  test('skip-existing notices that an embedded file has changed', async () => {
    await using simulator = await startGateway()
    await using repository = await Repository.open(simulator)
    const large = { hero: { prompt: 'a cake', image: '@large.bin' } }
    await repository.run({}, { ...SKIPPING, 'dry-run': 'true' })
    const put = (byte: number) => writeFile(path.join(repository.home, 'workspace/large.bin'), Buffer.alloc(3e5, byte))
    await put(1)
    assert.equal((await repository.run(large, SKIPPING)).started.length, 1)
    assert.equal((await repository.run(large, SKIPPING)).started.length, 0)
    await put(2)
    assert.equal((await repository.run(large, SKIPPING)).started.length, 1)
  })

  test('two concurrent steps keep the files of both in one folder, and a third step starts nothing', async () => {
    await using simulator = await startGateway()
    await using repository = await Repository.open(simulator)
    await repository.run({}, { ...SKIPPING, 'dry-run': 'true' })
    const { hero, logo } = THREE
    const steps = await Promise.all([repository.run({ hero }, SKIPPING), repository.run({ logo }, SKIPPING)])
    assert.deepEqual(
      steps.map(({ exitCode }) => exitCode),
      [0, 0],
    )
    // Whichever read the record first may have written it last: what it did not know is there all the same.
    assert.deepEqual((await repository.run({ hero, logo }, SKIPPING)).started, [])
    const names = Object.keys(JSON.parse(await repository.text('.predictions.json')).predictions)
    assert.ok(names.length > 0)
    assert.deepEqual(await repository.files(), ['.predictions.json', 'hero.txt', 'logo.txt'])
  })

  test('a dry run with skip-existing reports what would be started, and records nothing', async () => {
    await using simulator = await startGateway()
    await using repository = await Repository.open(simulator)
    await repository.run({ hero: THREE.hero }, SKIPPING)
    const dry = await repository.run(THREE, { ...SKIPPING, 'dry-run': 'true' })
    assert.equal(dry.exitCode, 0, dry.log)
    assert.deepEqual(dry.started, [])
    assert.match(dry.log, /Dry run: 2 predictions would be started, 1 already exists, at most 10 at the same time/)
    assert.equal((await repository.files()).length, 2)
  })
})

describe('a second run over the same folder', { concurrency: 3 }, () => {
  const second = async (more: Record<string, string>) => {
    await using simulator = await startGateway()
    await using repository = await Repository.open(simulator)
    await repository.run({ hero: { prompt: 'a cake' } }, {})
    const run = await repository.run({ hero: { prompt: 'a tart' } }, more)
    const names = await repository.files()
    return { run, texts: await Promise.all(names.map(async (name) => [name, await repository.text(name)])) }
  }

  test('a second run keeps the first file, and says how to replace it', async () => {
    const { run, texts } = await second({})
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(run.started, ['a tart'])
    assert.equal(texts.length, 2)
    assert.deepEqual(
      texts.find(([name]) => name === 'hero.txt'),
      ['hero.txt', 'a cake'],
    )
    assert.match(run.warnings[0] ?? '', /^hero\.txt already exists with other content.*overwrite: true/)
  })

  test('a second run with overwrite replaces the first file', async () => {
    const { run, texts } = await second({ overwrite: 'true' })
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(texts, [['hero.txt', 'a tart']])
    assert.deepEqual(run.warnings, [])
  })
})
