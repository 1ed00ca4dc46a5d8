/**
 * The world in which workflows run unchanged: the hosts that they name (the gateway, Replicate, GitHub's API) are doubles
 * behind a proxy, over https; artifacts go to the results service; the action is what a runner would download.
 */
import { execFileSync } from 'node:child_process'
import { chmod, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { cake } from '../fixtures/pictures.ts'
import { startProxy } from '../servers/proxy.ts'
import { type ReleasesApi, startReleasesApi } from '../servers/releases-api.ts'
import { type ResultsService, startResultsService } from '../servers/results-service.ts'
import { type CreationRequest, type Play, type Simulator, startSimulator } from '../servers/simulator.ts'
import { certificateAuthority } from '../support/certificate.ts'
import { listen } from '../support/listen.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const GATEWAY = 'https://api.fuhuapi.com'
const KEY = 'sk-stage-0123456789abcdef'

export interface Stage extends AsyncDisposable {
  act: string
  args: string[]
  env: NodeJS.ProcessEnv
  home: string
  /** The repository whose workflows run: octo/pictures, in a folder with a blank in its name. */
  repository: string
  /** Where it pushes to. */
  remote: string
  gateway: Simulator
  replicate: Simulator
  results: ResultsService
  releases: ReleasesApi
  /** `CONNECT host:port` of each connection that left the machine's own hosts. */
  tunnels: readonly string[]
  /** The same of the proxy that wants a password. */
  lockedTunnels: readonly string[]
  /** What `gh` was called with. */
  ghCalls: string[][]
  /** What stood in the files that `gh` was given. */
  ghFiles: string[]
  /** A workflow as act can run it. */
  writeOut(yaml: string): string
}

/** @param act the path of act */
export async function startStage(act: string): Promise<Stage> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder('workflows'))
  const hosts = ['api.fuhuapi.com', 'api.replicate.com', 'gateway.example.com', 'api.github.com', 'uploads.github.com']
  const authority = stack.use(await certificateAuthority(...hosts))
  const tls = authority.certificate
  const picture = await cake('webp')
  const onCreate = (request: CreationRequest) => draw(request, gateway, picture)
  const gateway: Simulator = stack.use(await startSimulator({ tls, key: KEY, publicOrigin: GATEWAY, onCreate }))
  const replicate = stack.use(await startSimulator({ tls, key: KEY, basePath: '/v1' }))
  const results = stack.use(await startResultsService())
  const releases = stack.use(await startReleasesApi({ tls }))
  const [gatewayHost, replicateHost, releasesHost] = [gateway.origin, replicate.origin, releases.env.GITHUB_API_URL]
    .map((origin) => new URL(origin ?? '').host)
    .map(String) as [string, string, string]
  const places = {
    'api.fuhuapi.com:443': gatewayHost,
    'gateway.example.com:443': gatewayHost,
    'api.replicate.com:443': replicateHost,
    'api.github.com:443': releasesHost,
    'uploads.github.com:443': releasesHost,
  }
  const proxy = stack.use(await startProxy(places))
  const lockedProxy = stack.use(await startProxy(places, { credentials: 'runner:p@ss' }))
  releases.uploadOrigin = 'https://uploads.github.com'
  const gh = stack.use(await startGh(releases))

  const home = folder.path
  const [bin, action, repository, remote] = ['bin', 'action', 'my pictures', 'remote.git'].map((name) =>
    path.join(home, name),
  ) as [string, string, string, string]
  await makeBin(bin, gh.origin)
  await unpackAction(action, home)
  await makeRepository(repository, remote)
  const standIns = await makeStandIns(path.join(home, 'stand-ins'))

  // Steps see the proxy and trust the authority, as on a runner behind a company's proxy.
  const steps = {
    https_proxy: proxy.url,
    no_proxy: '127.0.0.1',
    NODE_EXTRA_CA_CERTS: authority.caFile,
    CURL_CA_BUNDLE: authority.caFile,
    // What they pull from GitHub comes from the remote. In the configuration of the repository it would rename it for act.
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: `url.${remote}.insteadOf`,
    GIT_CONFIG_VALUE_0: 'https://github.com/octo/pictures',
    STAND_IN_ARTIFACTS: path.join(home, 'stand-in-artifacts'),
  }
  const secrets = {
    ...{ FUHUAPI_KEY: KEY, REPLICATE_API_TOKEN: KEY, GATEWAY_KEY: KEY },
    PROXY_PASSWORD: 'p%40ss',
    GITHUB_TOKEN: releases.token,
  }
  const disposable = stack.move()
  return {
    act,
    args: [
      '--json',
      ...['ubuntu-latest', 'self-hosted'].flatMap((label) => ['--platform', `${label}=-self-hosted`]),
      ...['--no-cache-server', '--action-cache-path', path.join(home, 'cache')],
      ...['--artifact-server-path', path.join(home, 'act-artifacts')],
      ...['--artifact-server-addr', '127.0.0.1', '--artifact-server-port', '0'],
      ...Object.entries(steps).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
      ...Object.entries(secrets).flatMap(([name, value]) => ['--secret', `${name}=${value}`]),
      ...Object.entries({ 'octo/await-prediction@v1': action, ...standIns }).flatMap(([name, place]) => [
        '--local-repository',
        `${name}=${place}`,
      ]),
    ],
    env: {
      PATH: `${bin}${path.delimiter}${process.env.PATH}`,
      HOME: home,
      // With an artifact server act takes these from its environment, and points the steps at our service.
      ACTIONS_RUNTIME_URL: results.env.ACTIONS_RESULTS_URL,
      ACTIONS_RUNTIME_TOKEN: results.env.ACTIONS_RUNTIME_TOKEN,
    },
    ...{
      home,
      repository,
      remote,
      gateway,
      replicate,
      results,
      releases,
      tunnels: proxy.passed,
      lockedTunnels: lockedProxy.passed,
      ghCalls: gh.calls,
      ghFiles: gh.files,
    },
    writeOut: (yaml) =>
      yaml
        .replaceAll('OWNER/await-prediction', 'octo/await-prediction')
        .replaceAll('https://github.com/octo/', 'octo/')
        .replaceAll('proxy.example.com:3128', new URL(lockedProxy.url).host)
        // The spelling that the stage has for all steps would win.
        .replaceAll('HTTPS_PROXY:', 'https_proxy:')
        .replaceAll('/etc/ssl/private-ca.pem', authority.caFile),
    [Symbol.asyncDispose]: () => disposable.disposeAsync(),
  }
}

/** What the models of the stage do: `sim/fail`, `sim/slow`, those of `meta` write, and any other draws as many cakes as it is asked for. */
function draw({ model = '', input }: CreationRequest, gateway: Simulator, picture: Buffer): Omit<Play, 'id' | 'input'> {
  const logs = 'Using seed: 4711\n::set-output name=status::forged\n##[error]forged\n'
  if (model === 'sim/slow') return { model, moments: [{ at: 0.1, status: 'processing', logs }] }
  if (model === 'sim/fail') {
    const error = 'out of memory\n::error::forged'
    return {
      model,
      moments: [
        { at: 0.1, status: 'processing', logs },
        { at: 0.3, status: 'failed', error },
      ],
    }
  }
  const number = gateway.requests.length
  if (model.startsWith('meta/')) {
    return { model, moments: [{ at: 0.1, status: 'succeeded', output: ['Bake', ' it,', ' @octo.'] }] }
  }
  const output = Array.from({ length: Number(input.num_outputs ?? 1) }, (_, i) =>
    gateway.file(`${number}/out-${i}.webp`, { body: picture, type: 'image/webp' }),
  )
  return {
    model,
    moments: [
      { at: 0.1, status: 'processing', logs },
      { at: 0.3, status: 'succeeded', output },
    ],
  }
}

/** The programs of a runner: Node, and a `gh` whose calls reach the double of GitHub's releases. */
async function makeBin(bin: string, ghOrigin: string): Promise<void> {
  await mkdir(bin)
  await symlink(process.execPath, path.join(bin, 'node'))
  const gh = `#!${process.execPath}
import { readFileSync } from 'node:fs'
const args = process.argv.slice(2)
const at = args.indexOf('--body-file')
const file = at < 0 ? undefined : readFileSync(args[at + 1], 'utf8')
const answer = await fetch('${ghOrigin}', { method: 'POST', body: JSON.stringify({ args, file }) })
process.exitCode = answer.ok ? 0 : 1
console.log(await answer.text())
`
  await writeFile(path.join(bin, 'gh'), gh)
  await chmod(path.join(bin, 'gh'), 0o755)
}

/** Carries out the calls of `gh` that the recipes make. */
async function startGh(releases: ReleasesApi) {
  const calls: string[][] = []
  const files: string[] = []
  const drafts = new Map<string, ReturnType<ReleasesApi['add']>>()
  const notes = new Map<string, string>()
  const listening = await listen(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const { args, file }: { args: string[]; file?: string } = JSON.parse(body)
    calls.push(args)
    if (file !== undefined) files.push(file)
    const [thing, verb, name = ''] = args
    if (thing === 'release' && verb === 'create')
      drafts.set(name, releases.add(name, { draft: args.includes('--draft') }))
    const draft = drafts.get(name)
    if (thing === 'release' && verb === 'edit' && draft && args.includes('--draft=false')) releases.publish(draft)
    if (thing === 'release' && verb === 'view' && !draft) response.statusCode = 404
    if (args.includes('--notes')) notes.set(name, args[args.indexOf('--notes') + 1] ?? '')
    response.end(args.includes('--json') ? notes.get(name) : 'done')
  })
  return { calls, files, origin: listening.origin, [Symbol.asyncDispose]: listening.close }
}

/**
 * What a runner downloads: the tarball of what is here now, committed or not, without what .gitattributes keeps back. The
 * reusable workflow is read from the repository itself. A build in the folder that DIST names takes the place of dist.
 */
async function unpackAction(action: string, home: string): Promise<void> {
  await mkdir(path.join(action, '.github/workflows'), { recursive: true })
  const objects = execFileSync('git', ['rev-parse', '--git-path', 'objects'], { cwd: ROOT, encoding: 'utf8' }).trim()
  const ours = path.join(home, 'objects')
  await mkdir(ours)
  // An index and objects of its own: the repository is only read.
  const env = {
    ...process.env,
    GIT_INDEX_FILE: path.join(home, 'index'),
    GIT_OBJECT_DIRECTORY: ours,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: path.resolve(ROOT, objects),
  }
  const run = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, env, maxBuffer: 2 ** 28 })
  run('add', '--all')
  const tree = run('write-tree').toString().trim()
  execFileSync('tar', ['x', '-C', action], { input: run('archive', tree) })
  if (process.env.DIST) await cp(process.env.DIST, path.join(action, 'dist'), { recursive: true })
  const name = '.github/workflows/prediction.yml'
  // act does not know `uses: $/…` yet: it is written out.
  const known = (await readFile(path.join(ROOT, name), 'utf8')).replace(
    /uses: \$\/(\w+)/g,
    'uses: octo/await-prediction/$1@v1',
  )
  await writeFile(path.join(action, name), known)
}

async function makeRepository(repository: string, remote: string): Promise<void> {
  await mkdir(path.join(repository, '.github/workflows'), { recursive: true })
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=octo', '-c', 'user.email=octo@example.com', ...args], {
      cwd: repository,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  git('init', '--quiet', '--bare', remote)
  git('init', '--quiet', '--initial-branch', 'main', '.')
  git('commit', '--quiet', '--allow-empty', '--message', 'Begin')
  git('remote', 'add', 'origin', 'https://github.com/octo/pictures')
  git('config', 'remote.origin.pushurl', remote)
  git('config', 'push.autoSetupRemote', 'true')
}

const OUTPUT = `import { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
const input = (name) => process.env['INPUT_' + name.toUpperCase()] ?? ''
const store = process.env.STAND_IN_ARTIFACTS
`

/** Scripts that stand for GitHub's own actions, which cannot be had here: each does what the recipes need of it. */
const STAND_INS: Record<string, { inputs: string[]; script: string }> = {
  'actions/upload-artifact@v7': {
    inputs: ['name', 'path'],
    script: `for (const file of input('path').split('\\n').filter(Boolean)) {
  mkdirSync(path.join(store, input('name')), { recursive: true })
  cpSync(file, path.join(store, input('name'), path.basename(file)))
}`,
  },
  'actions/download-artifact@v8': {
    inputs: ['pattern', 'merge-multiple'],
    script: `const begin = input('pattern').replace(/\\*$/, '')
for (const name of readdirSync(store)) if (name.startsWith(begin)) cpSync(path.join(store, name), '.', { recursive: true })`,
  },
  'actions/attest-build-provenance@v4': {
    inputs: ['subject-path'],
    script: `for (const file of input('subject-path').split('\\n')) {
  if (!existsSync(file)) throw new Error('there is no ' + file)
  console.log('attested ' + readFileSync(file).length + ' bytes')
}`,
  },
}

async function makeStandIns(folder: string): Promise<Record<string, string>> {
  const places: Record<string, string> = {}
  for (const [name, { inputs, script }] of Object.entries(STAND_INS)) {
    const place = path.join(folder, name.replace(/\W+/g, '-'))
    await mkdir(place, { recursive: true })
    const declared = inputs.map((input) => `  ${input}:\n    required: false\n`).join('')
    await writeFile(
      path.join(place, 'action.yml'),
      `name: ${name}\ndescription: A stand-in\ninputs:\n${declared}runs:\n  using: node24\n  main: main.mjs\n`,
    )
    await writeFile(path.join(place, 'main.mjs'), OUTPUT + script)
    places[name] = place
  }
  return places
}
