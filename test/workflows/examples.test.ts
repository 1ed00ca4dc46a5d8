/** Every workflow of examples/, which the README quotes, run unchanged. `npm run test:workflows` finds act and says where it is. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { json } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { listen } from '../support/listen.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { runWorkflow, type WorkflowOptions, type WorkflowRun } from './act.ts'
import { type Stage, startStage } from './stage.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const ACT = process.env.ACT ?? 'act'
let tags = 0

let stage: Stage
before(async () => {
  stage = await startStage(ACT)
})
after(() => stage[Symbol.asyncDispose]())

/** A prediction that has ended at every gateway of the stage. @returns its id */
function ended(host: string): string {
  const file = stage.gateway.file('ended/out-0.txt', { body: Buffer.from('a cake'), type: 'text/plain' })
  const id = stage.gateway.ended({ output: [new URL(new URL(file).pathname, host).href] })
  stage.replicate.ended({ id, output: 'a text' })
  return id
}

/** The event that starts a workflow, with predictions that have ended where it asks for some. */
function eventOf(yaml: string): WorkflowOptions {
  const { on } = parse(yaml)
  if (on.push?.tags) return { event: { name: 'push', payload: { ref: `refs/tags/v1.2.${tags++}` } } }
  if (on.push) return { event: { name: 'push', payload: { ref: 'refs/heads/main' } } }
  if (on.pull_request) {
    const head = { repo: { full_name: 'octo/pictures' } }
    const payload = { action: 'opened', number: 7, pull_request: { number: 7, title: 'Bake "it": #7', head } }
    return { event: { name: 'pull_request', payload } }
  }
  const host = yaml.includes('gateway.example.com') ? 'https://gateway.example.com' : 'https://api.fuhuapi.com'
  const make: Record<string, () => string> = {
    id: () => ended(host),
    ids: () => JSON.stringify([ended(host), ended(host)]),
    topic: () => 'a "cake": #1',
  }
  const wanted = Object.keys(on.workflow_dispatch?.inputs ?? {})
  return { inputs: Object.fromEntries(wanted.map((name) => [name, make[name]?.() ?? ''])) }
}

/** Runs a workflow and expects every job of it to be green. */
async function runGreen(yaml: string): Promise<WorkflowRun> {
  const run = await runWorkflow(stage, yaml, eventOf(yaml))
  const jobs = Object.entries<{ steps?: unknown }>(parse(yaml).jobs)
  // The job of a reusable workflow goes by the name that it has there.
  for (const [id] of jobs.filter(([, { steps }]) => steps)) assert.equal(run.jobs[id], 'success', run.raw)
  assert.deepEqual(new Set(Object.values(run.jobs)), new Set(['success']), run.raw)
  assert.equal(Object.keys(run.jobs).length, jobs.length, run.raw)
  assert.equal(run.exitCode, 0, run.raw)
  return run
}

const example = (name: string) => readFileSync(path.join(ROOT, 'examples', name), 'utf8')

/** What was asked of the gateway since a number of requests: the bodies of the creations. */
const creations = (since = 0) =>
  stage.gateway.requests.slice(since).flatMap(({ method, body }) => (method === 'POST' ? [JSON.parse(body)] : []))

const prompts = () => creations().map(({ input }) => input?.prompt)

/** What is to be seen of each example beside its green jobs. */
const SEEN: Record<string, (run: WorkflowRun) => void | Promise<void>> = {
  'picture.yml': ({ raw }) => {
    assert.match(raw, /saved .*\/hero\.webp/)
    assert.ok(prompts().includes('a chocolate cake: five candles'), JSON.stringify(prompts()))
    assert.ok(stage.results.artifacts.some(({ finalized }) => finalized))
  },
  'wait-for-id.yml': () => assert.ok(stage.results.artifacts.length >= 1),
  'create-and-wait.yml': ({ raw }) => {
    const id = /started prediction (\w+)/i.exec(raw)?.[1]
    assert.ok(
      id !== undefined && raw.includes(`${id}-0.webp`),
      'the job that waits saves the file of the job that started',
    )
  },
  'reusable-workflow.yml': ({ text }) =>
    assert.match(text, /\["https:\/\/api\.fuhuapi\.com\/files\/\d+\/out-0\.webp"\]/),
  'many-prompts.yml': () => {
    const inputs = creations().map(({ input }) => input)
    assert.ok(inputs.some((input) => input?.prompt === 'cake #1: chocolate' && input.aspect_ratio === '16:9'))
    assert.ok(stage.results.artifacts.some(({ name }) => name === 'pictures'))
  },
  'matrix.yml': () => assert.ok(stage.results.artifacts.length >= 2),
  'release-notes.yml': () => {
    const notes = stage.ghCalls.findLast(([, verb]) => verb === 'edit')?.at(-1) ?? ''
    const url = /!\[\]\((.*)\)$/.exec(notes)?.[1] ?? ''
    assert.ok(stage.releases.download(url), `the picture in the notes leads nowhere: ${notes}`)
  },
  'comment.yml': () => {
    const comment = stage.ghCalls.findLast(([thing]) => thing === 'pr') ?? []
    assert.deepEqual(comment.slice(0, 5), ['pr', 'comment', '7', '--repo', 'octo/pictures'])
    const url = /^!\[\]\((.*)\)$/.exec(comment.at(-1) ?? '')?.[1] ?? ''
    assert.ok(stage.releases.download(url), `the picture in the comment leads nowhere: ${comment.at(-1)}`)
    assert.ok(prompts().includes('a cake for Bake "it": #7'), JSON.stringify(prompts()))
  },
  'text-to-issue.yml': ({ raw }) => {
    const issue = stage.ghCalls.findLast(([thing]) => thing === 'issue') ?? []
    assert.deepEqual(issue.slice(0, 6), ['issue', 'create', '--repo', 'octo/pictures', '--title', 'a "cake": #1'], raw)
    assert.equal(stage.ghFiles.at(-1), 'Bake it, &#64;octo.\n')
  },
  'attest.yml': ({ text }) => assert.match(text, /attested 6 bytes/),
  'continue-after-failure.yml': () => {},
  'notify-slack.yml': () => {},
  'replicate.yml': () => assert.ok(stage.tunnels.includes('CONNECT api.replicate.com:443')),
  'own-gateway.yml': () => assert.ok(stage.lockedTunnels.includes('CONNECT gateway.example.com:443')),
  'gitea-forgejo.yml': ({ text }) => assert.match(text, /\d pictures\/\w+-0\.webp|\/pictures\/\w+-0\.webp/),
  'video.yml': () => {
    const polled = stage.gateway.requests.filter(({ url }) => url.startsWith('/v1/videos/'))
    assert.ok(polled.some(({ url }) => url.endsWith('/content')))
  },
}

describe('the example', { concurrency: 2 }, () => {
  for (const [name, seen] of Object.entries(SEEN)) {
    // Jobs run without Docker here.
    test(`every job of ${name} succeeds`, async () =>
      seen(await runGreen(example(name).replace(/^ +container: .*\n/m, ''))))
  }

  test('continue-after-failure.yml continues after a failure', async () => {
    const id = stage.gateway.ended({ status: 'failed', error: 'out of memory' })
    const run = await runWorkflow(stage, example('continue-after-failure.yml'), { inputs: { id } })
    assert.equal(run.exitCode, 0, run.raw)
    assert.match(run.text, /No picture, failed - .*out of memory/)
  })

  test('release-notes.yml keeps the notes that a release has', async () => {
    const event = { name: 'push', payload: { ref: 'refs/tags/v2.0.0' } }
    const notes = async () => {
      const { exitCode, raw } = await runWorkflow(stage, example('release-notes.yml'), { event })
      assert.equal(exitCode, 0, raw)
      return stage.ghCalls.findLast(([, verb, tag]) => verb === 'edit' && tag === 'v2.0.0')?.at(-1) ?? ''
    }
    const first = await notes()
    assert.ok((await notes()).startsWith(`${first}\n\n![](`), 'the second picture stands below the first one')
  })

  // Not under act, which may lose the last lines of a step that fails.
  test('video.yml shows why the API starts no video', async () => {
    await using folder = await temporaryFolder('video')
    const curl = path.join(folder.path, 'curl')
    writeFileSync(curl, '#!/bin/sh\ncat > input\nprintf %s \'{"error": "no credit"}\'\nexit 22\n', { mode: 0o755 })
    const { run: script } = parse(example('video.yml')).jobs.start.steps[0]
    const { status, stdout } = spawnSync('bash', ['-e', '-c', script], {
      cwd: folder.path,
      encoding: 'utf8',
      env: {
        PATH: `${folder.path}:${process.env.PATH}`,
        KEY: 'sk-0123',
        GITHUB_OUTPUT: path.join(folder.path, 'output'),
      },
    })
    assert.equal(status, 1)
    assert.equal(stdout, '| {"error": "no credit"}\n')
  })

  test('comment.yml does not run for a pull request from Dependabot, which has no secrets', async () => {
    const head = { repo: { full_name: 'octo/pictures' } }
    const pull = { number: 8, title: 'Bump undici', head, user: { login: 'dependabot[bot]' } }
    const event = { name: 'pull_request', payload: { action: 'opened', number: 8, pull_request: pull } }
    const { exitCode, jobs, raw } = await runWorkflow(stage, example('comment.yml'), { event })
    assert.equal(exitCode, 0, raw)
    assert.deepEqual(jobs, {}, raw)
  })

  test('notify-slack.yml sends an error in which nothing notifies anyone', async () => {
    const messages: unknown[] = []
    const slack = await listen(async (request, response) => {
      messages.push(await json(request))
      response.end('ok')
    })
    const id = stage.gateway.ended({ status: 'failed', error: '<!channel> "a" & b' })
    const args = [...stage.args, '--secret', `SLACK_WEBHOOK=${slack.origin}/hook`]
    const { jobs, raw } = await runWorkflow({ ...stage, args }, example('notify-slack.yml'), { inputs: { id } })
    await slack.close()
    assert.deepEqual(jobs, { picture: 'failure' }, raw)
    const [{ text = '' } = {}] = messages as { text?: string }[]
    assert.match(text, new RegExp(`^Prediction ${id}: .*&lt;!channel&gt; "a" &amp; b`))
  })
})

describe('commit-pictures.yml', () => {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: stage.repository, encoding: 'utf8' })
  const list = (text: string) => {
    writeFileSync(path.join(stage.repository, 'pictures.yml'), text)
    git('add', 'pictures.yml')
    git('-c', 'user.name=octo', '-c', 'user.email=octo@example.com', 'commit', '--quiet', '--message', 'List')
    git('push', '--quiet', stage.remote, 'HEAD:main')
  }
  /** Runs it, and takes over what it pushed. @returns the names whose pictures were started */
  async function run(): Promise<string[]> {
    const since = stage.gateway.requests.length
    await runGreen(example('commit-pictures.yml'))
    git('fetch', '--quiet', stage.remote, 'main')
    git('reset', '--quiet', '--hard', 'FETCH_HEAD')
    return creations(since).map(({ input }) => input.prompt)
  }

  test('commit-pictures.yml pays for each picture once', async () => {
    list('cake: {prompt: "a cake"}\npie: {prompt: "a pie"}\n')
    assert.deepEqual((await run()).sort(), ['a cake', 'a pie'])
    assert.deepEqual(git('ls-files', 'pictures').split('\n').filter(Boolean), [
      'pictures/.predictions.json',
      'pictures/cake.webp',
      'pictures/pie.webp',
    ])
    list('cake: {prompt: "a cake"}\npie: {prompt: "an apple pie"}\n')
    assert.deepEqual(await run(), ['an apple pie'])
    assert.deepEqual(await run(), [])
  })

  test('commit-pictures.yml commits nothing if the first run saves no picture', async () => {
    list('cake: {prompt: "a cake"}\n')
    git('rm', '-r', '--quiet', '--ignore-unmatch', 'pictures')
    git(
      '-c',
      'user.name=octo',
      '-c',
      'user.email=octo@example.com',
      'commit',
      '--quiet',
      '--allow-empty',
      '--message',
      'Empty',
    )
    git('push', '--quiet', stage.remote, 'HEAD:main')
    const yaml = example('commit-pictures.yml').replace('secrets.FUHUAPI_KEY', 'secrets.MISSPELLED')
    const { jobs, raw } = await runWorkflow(stage, yaml, eventOf(yaml))
    assert.deepEqual(jobs, { pictures: 'failure' }, raw)
    assert.doesNotMatch(raw, /fatal:/)
  })
})

test('every example is tested', () => {
  assert.deepEqual(
    readdirSync(path.join(ROOT, 'examples')).sort(),
    [...Object.keys(SEEN), 'commit-pictures.yml'].sort(),
  )
})
