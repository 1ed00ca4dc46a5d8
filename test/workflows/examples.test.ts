/** Every workflow of examples/ and of the README, run unchanged. `npm run test:workflows` finds act and says where it is. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { marked, type Token } from 'marked'
import { parse } from 'yaml'
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

/** The workflows of a document: its YAML blocks that have jobs, by the heading that they stand under. */
function workflowsOf(markdown: string): [heading: string, yaml: string][] {
  const found: [string, string][] = []
  let heading = ''
  marked.walkTokens(marked.lexer(markdown), (token: Token) => {
    if (token.type === 'heading') heading = token.text
    if (token.type === 'code' && token.lang === 'yaml' && /^jobs:/m.test(token.text)) found.push([heading, token.text])
  })
  return found
}

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
  if (on?.push) return { event: { name: 'push', payload: { ref: `refs/tags/v1.2.${tags++}` } } }
  if (on === 'pull_request')
    return { event: { name: 'pull_request', payload: { number: 7, pull_request: { number: 7 } } } }
  const host = yaml.includes('gateway.example.com') ? 'https://gateway.example.com' : 'https://api.fuhuapi.com'
  const make: Record<string, () => string> = {
    id: () => ended(host),
    ids: () => JSON.stringify([ended(host), ended(host)]),
  }
  const wanted = Object.keys(on?.workflow_dispatch?.inputs ?? {})
  return { inputs: Object.fromEntries(wanted.map((name) => [name, make[name]?.() ?? ''])) }
}

/** Runs a workflow and expects every job of it to be green. */
async function runGreen(yaml: string): Promise<WorkflowRun> {
  // Every run starts from the same commit, so an earlier one must not have pushed.
  if (yaml.includes('git push')) execFileSync('git', ['update-ref', '-d', 'refs/heads/main'], { cwd: stage.remote })
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

/** What is to be seen of each example beside its green jobs. */
const SEEN: Record<string, (run: WorkflowRun) => void | Promise<void>> = {
  'create-and-wait.yml': ({ raw }) => {
    const id = /started prediction (\w+)/i.exec(raw)?.[1]
    const artifact = stage.results.artifacts.find(({ name }) => name === `prediction-${id}`)
    assert.ok(artifact?.finalized)
    assert.ok(raw.includes(`/artifacts/${artifact.id}`), 'artifact_url is the address of the artifact')
    const byCurl = stage.gateway.requests.filter(({ headers }) => headers['user-agent']?.startsWith('curl'))
    assert.deepEqual(
      byCurl.map(({ url }) => path.basename(url)),
      ['out-1.webp'],
    )
  },
  'reusable-workflow.yml': ({ text }) =>
    assert.match(text, /\["https:\/\/api\.fuhuapi\.com\/files\/\d+\/out-0\.webp"\]/),
  'many-prompts.yml': () => {
    const prompts = stage.gateway.requests
      .filter(({ method }) => method === 'POST')
      .map(({ body }) => JSON.parse(body).input.prompt)
    assert.ok(prompts.includes('cake #1: "chocolate"'), `the prompts came as ${JSON.stringify(prompts)}`)
  },
  'matrix.yml': () => assert.ok(stage.results.artifacts.length >= 2),
  'release-notes.yml': () => {
    const notes = stage.ghCalls.findLast(([, verb]) => verb === 'edit')?.at(-1) ?? ''
    const url = /^!\[\]\((.*)\)$/.exec(notes)?.[1] ?? ''
    assert.ok(stage.releases.download(url), `the picture in the notes leads nowhere: ${notes}`)
  },
  'commit-picture.yml': () => {
    const files = execFileSync('git', ['ls-tree', '-r', '--name-only', 'main'], { cwd: stage.remote, encoding: 'utf8' })
    assert.match(files, /^pictures\/cake\.webp$/m)
  },
  'comment.yml': () => {
    const comment = stage.ghCalls.findLast(([thing]) => thing === 'pr') ?? []
    assert.deepEqual(comment.slice(0, 5), ['pr', 'comment', '7', '--repo', 'octo/pictures'])
    assert.match(comment.at(-1) ?? '', /\/artifacts\/\d+$/)
  },
  'attest.yml': ({ text }) => assert.match(text, /attested 6 bytes/),
  'go-on-after-failure.yml': () => {},
  'other-gateways.yml': () => {
    const hosts = ['api.replicate.com:443', 'gateway.example.com:443']
    assert.deepEqual(
      hosts.filter((host) => !stage.tunnels.includes(`CONNECT ${host}`)),
      [],
    )
  },
  'video.yml': () => {
    const polled = stage.gateway.requests.filter(({ url }) => url.startsWith('/v1/videos/'))
    assert.ok(polled.some(({ url }) => url.endsWith('/content')))
  },
}

describe('the example', { concurrency: 2 }, () => {
  for (const [name, seen] of Object.entries(SEEN)) test(name, async () => seen(await runGreen(example(name))))

  test('go-on-after-failure.yml goes on after a failure', async () => {
    const id = stage.gateway.ended({ status: 'failed', error: 'out of memory' })
    const run = await runWorkflow(stage, example('go-on-after-failure.yml'), { inputs: { id } })
    assert.equal(run.exitCode, 0, run.raw)
    assert.match(run.text, /No picture, failed - .*out of memory/)
  })
})

test('every example is among them', () => {
  assert.deepEqual(readdirSync(path.join(ROOT, 'examples')).sort(), Object.keys(SEEN).sort())
})

describe("the README's workflow", { concurrency: 2 }, () => {
  const readme = workflowsOf(readFileSync(path.join(ROOT, 'README.md'), 'utf8'))
  for (const [i, [heading, yaml]] of readme.entries())
    test(`${i + 1}, under "${heading}"`, async () => {
      const run = await runGreen(yaml)
      if (yaml.includes('gh release edit')) await SEEN['release-notes.yml']?.(run)
    })
})
