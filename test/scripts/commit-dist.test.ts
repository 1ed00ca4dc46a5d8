import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { testFolder } from '../support/temporary-folder.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const HEAD = 'a'.repeat(40)

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await testFolder('commit-dist')
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), content)
  }
  return folder
}

interface Request {
  method: string
  url: string
  authorization: string | undefined
  body: string
}
interface Commit {
  branch: { repositoryNameWithOwner: string; branchName: string }
  expectedHeadOid: string
  message: { headline: string }
  fileChanges: { additions: { path: string; contents: string }[]; deletions: { path: string }[] }
}

/** GitHub's API for one branch: its tree, and commits on it as long as its head is the expected one. */
async function startGitHub(branch: Record<string, string>, head: string) {
  const requests: Request[] = []
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request
    const body = await text(request)
    requests.push({ method, url, authorization: headers.authorization, body })
    if (url !== '/graphql') {
      const tree = Object.entries(branch).map(([name, content]) => ({
        path: name,
        type: 'blob',
        sha: createHash('sha1')
          .update(`blob ${Buffer.byteLength(content)}\0${content}`)
          .digest('hex'),
      }))
      response.end(JSON.stringify({ tree: [...tree, { path: 'dist', type: 'tree', sha: HEAD }], truncated: false }))
      return
    }
    const { expectedHeadOid } = (JSON.parse(body) as { variables: { input: Commit } }).variables.input
    const errors = [{ message: `Expected branch to point to "${expectedHeadOid}" but it did not` }]
    response.end(JSON.stringify(expectedHeadOid === head ? { data: {} } : { data: null, errors }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

async function commit(folder: string, { branch = {} as Record<string, string>, head = HEAD } = {}) {
  await using github = await startGitHub(branch, head)
  const output = path.join(await folderWith({ output: '' }), 'output')
  const script = spawn(process.execPath, [path.join(ROOT, 'scripts/commit-dist.ts'), folder], {
    env: {
      PATH: process.env.PATH,
      GITHUB_API_URL: github.url,
      GITHUB_GRAPHQL_URL: `${github.url}/graphql`,
      GITHUB_REPOSITORY: 'OWNER/await-prediction',
      GITHUB_TOKEN: 'token',
      GITHUB_OUTPUT: output,
      BRANCH: 'dependabot/npm_and_yarn/shipped-0123456789',
      HEAD_SHA: HEAD,
    },
  })
  const exited = new Promise((resolve) => script.on('close', resolve))
  const [stdout, stderr, exitCode] = await Promise.all([text(script.stdout), text(script.stderr), exited])
  const [made] = github.requests
    .filter(({ url }) => url === '/graphql')
    .map(({ body }) => (JSON.parse(body) as { variables: { input: Commit } }).variables.input)
  return { exitCode, stdout, stderr, requests: github.requests, made, output: await readFile(output, 'utf8') }
}

describe('a rebuilt dist', () => {
  test('a rebuilt dist is committed with its changed and deleted files, on the commit that was built', async () => {
    const folder = await folderWith({ 'index.js': 'new', '12.index.js': 'chunk', 'package.json': 'same' })
    const branch = {
      'dist/index.js': 'old',
      'dist/7.index.js': 'gone',
      'dist/package.json': 'same',
      'src/main.ts': 'source',
    }
    const { exitCode, stderr, requests, made, output } = await commit(folder, { branch })
    assert.equal(stderr, '')
    assert.equal(exitCode, 0)
    assert.equal(output, 'committed=true\n')
    assert.deepEqual(made?.branch, {
      repositoryNameWithOwner: 'OWNER/await-prediction',
      branchName: 'dependabot/npm_and_yarn/shipped-0123456789',
    })
    assert.equal(made?.expectedHeadOid, HEAD)
    assert.match(made?.message.headline ?? '', /\[dependabot skip\]/)
    const additions = made?.fileChanges.additions.map(({ path, contents }) => [path, atob(contents)])
    assert.deepEqual(additions?.sort(), [
      ['dist/12.index.js', 'chunk'],
      ['dist/index.js', 'new'],
    ])
    assert.deepEqual(made?.fileChanges.deletions, [{ path: 'dist/7.index.js' }])
    assert.deepEqual(
      requests.map(({ method, url, authorization }) => [method, url, authorization]),
      [
        ['GET', `/repos/OWNER/await-prediction/git/trees/${HEAD}?recursive=1`, 'Bearer token'],
        ['POST', '/graphql', 'Bearer token'],
      ],
    )
  })

  test('a rebuilt dist may contain every file of the present dist', async () => {
    const folder = await folderWith({})
    await cp(path.join(ROOT, 'dist'), folder, { recursive: true })
    const { exitCode, stderr, made } = await commit(folder)
    assert.equal(stderr, '')
    assert.equal(exitCode, 0)
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    assert.equal(made?.fileChanges.additions.length, entries.filter((entry) => entry.isFile()).length)
  })

  test('a rebuilt dist that is the same as on the branch is not committed', async () => {
    const folder = await folderWith({ 'index.js': 'é same' })
    const { exitCode, made, output } = await commit(folder, { branch: { 'dist/index.js': 'é same' } })
    assert.equal(exitCode, 0)
    assert.equal(made, undefined)
    assert.equal(output, '')
  })

  test('a dist that was not uploaded causes no requests', async () => {
    const { exitCode, requests, output } = await commit(path.join(await folderWith({}), 'none'))
    assert.equal(exitCode, 0)
    assert.deepEqual(requests, [])
    assert.equal(output, '')
  })

  test('a rebuilt dist is refused if the branch has moved since the build', async () => {
    const folder = await folderWith({ 'index.js': 'new' })
    const { exitCode, stderr, output } = await commit(folder, { head: 'b'.repeat(40) })
    assert.equal(exitCode, 1)
    assert.match(stderr, /the commit was refused: Expected branch to point to/)
    assert.equal(output, '')
  })
})

describe('a rebuilt dist from a hostile package is refused before anything is asked', () => {
  const names = [
    'action.yml',
    '.github/workflows/ci.yml',
    'main/index.mjs',
    'main/index.js',
    'x.index.js',
    'other.js',
    'dist/index.js',
    'main/.npmrc',
  ]
  for (const name of names) {
    test(`a rebuilt dist that contains ${name} is refused`, async () => {
      const { exitCode, stderr, requests } = await commit(await folderWith({ 'package.json': '{}', [name]: 'hostile' }))
      assert.equal(exitCode, 1)
      assert.ok(stderr.includes(`dist has no file ${name}`), stderr)
      assert.deepEqual(requests, [])
    })
  }

  test('a rebuilt dist that contains a link is refused', { skip: process.platform === 'win32' }, async () => {
    const folder = await folderWith({ 'package.json': '{}', 'main.js': '' })
    await symlink('/proc/self/environ', path.join(folder, 'index.js'))
    const { exitCode, stderr, requests } = await commit(folder)
    assert.equal(exitCode, 1)
    assert.match(stderr, /dist has no file index\.js/)
    assert.deepEqual(requests, [])
  })

  test('a rebuilt dist with a workflow command in a file name is refused without printing it', {
    skip: process.platform === 'win32',
  }, async () => {
    const { stdout, stderr, requests } = await commit(await folderWith({ '##[set-output name=committed]true': '' }))
    assert.doesNotMatch(stdout + stderr, /##\[/)
    assert.match(stderr, /dist has no file \?\?\?set-output\?name/)
    assert.deepEqual(requests, [])
  })

  test('a rebuilt dist that is too large is refused', async () => {
    const { exitCode, stderr, requests } = await commit(await folderWith({ 'index.js': ' '.repeat(21e6) }))
    assert.equal(exitCode, 1)
    assert.match(stderr, /dist is larger than 20 MB/)
    assert.deepEqual(requests, [])
  })
})
