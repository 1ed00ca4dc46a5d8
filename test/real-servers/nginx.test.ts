/** What was lost behind a real nginx once, on dist. Skipped where nginx is not installed. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { type Play, startSimulator } from '../servers/simulator.ts'
import { eventually } from '../support/eventually.ts'
import { runAction, startAction } from '../support/run-action.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { missing, type Nginx, startNginx } from './programs.ts'

const skip = missing('nginx')

const running = (seconds: number): Play => ({
  moments: [
    { at: 0, status: 'processing', logs: 'Using seed: 4711\n' },
    { at: seconds, status: 'succeeded', output: 'a cake' },
  ],
  startsWhenSeen: true,
  stream: 'none',
})

/** nginx before a simulated API. */
async function front(more = '', http = '') {
  const simulator = await startSimulator()
  const pass = `location / { proxy_pass ${simulator.origin}; proxy_http_version 1.1; ${more} }`
  const nginx = await startNginx(pass, http)
  const inputs = (origin: string, id: string, others: Record<string, string> = {}) => ({
    'prediction-id': id,
    'api-key': simulator.key,
    'api-url': `${origin}/replicate/v1`,
    timeout: '3m',
    ...others,
  })
  const dispose = async () => {
    await nginx[Symbol.asyncDispose]()
    await simulator.close()
  }
  return { simulator, nginx, pass, inputs, [Symbol.asyncDispose]: dispose }
}

/** Waits through nginx; `then` happens when the prediction has been seen. */
async function waitThrough(
  stage: Awaited<ReturnType<typeof front>>,
  play: Play,
  then: (nginx: Nginx) => Promise<void>,
  { tls = false, ...more }: { tls?: boolean } & Record<string, unknown> = {},
) {
  const id = stage.simulator.add(play)
  const origin = tls ? stage.nginx.https : stage.nginx.http
  const env = { ...stage.nginx.authority.env, ...more }
  const started = await startAction({ from: 'dist', inputs: stage.inputs(origin, id), env, limit: 200 })
  await started.until('processing')
  await then(stage.nginx)
  return started.result
}

/** Bytes of the files of a folder together, also if there is no such folder yet. */
function sizeOf(folder: string): number {
  if (!existsSync(folder)) return 0
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return entries.reduce((sum, { parentPath, name }) => sum + statSync(path.join(parentPath, name)).size, 0)
}

describe('behind nginx', { skip, concurrency: 3 }, () => {
  for (const [version, tls] of [
    ['HTTP/1.1', false],
    ['HTTP/2', true],
  ] as const)
    test(`an ${version} connection to nginx that goes silent is replaced long before its request times out`, async () => {
      await using stage = await front()
      const began = performance.now()
      await using run = await waitThrough(stage, running(5), (nginx) => nginx.hang(), { tls })
      assert.equal(run.exitCode, 0, run.log)
      // A request times out after 90 s.
      assert.ok(performance.now() - began < 65_000, `${(performance.now() - began) / 1000} s`)
    })

  test('an HTTP/2 connection that nginx closes after every third request loses nothing', async () => {
    await using stage = await front('', 'keepalive_requests 3;')
    const ids = Array.from({ length: 30 }, () => stage.simulator.add(running(3)))
    await using run = await runAction({
      from: 'dist',
      inputs: stage.inputs(stage.nginx.https, ids.join()),
      env: stage.nginx.authority.env,
    })
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(run.errors, [])
  })

  const pages: [string, string][] = [
    ['a 403 of a firewall', 'return 403;'],
    ['a stray 401', 'return 401;'],
    ['a redirect to a maintenance page', 'return 301 https://example.com/maintenance;'],
    ['a 418', 'return 418;'],
    [
      'a maintenance page with status 200',
      'default_type text/html; return 200 "<html><title>Maintenance</title></html>";',
    ],
    ['a 404 of a router without routes', 'return 404;'],
  ]
  for (const [name, answer] of pages)
    test(`${name} for eight seconds does not end a wait that has had good responses`, async () => {
      await using stage = await front()
      await using run = await waitThrough(stage, running(3), async (nginx) => {
        await nginx.reload(`location / { ${answer} }`)
        await sleep(8000)
        await nginx.reload(stage.pass)
      })
      assert.equal(run.exitCode, 0, run.log)
    })

  test('a rate limit of nginx without a hint slows polling, so that most requests pass', async () => {
    await using stage = await front('limit_req zone=one;', 'limit_req_zone $server_name zone=one:1m rate=60r/m;')
    const id = stage.simulator.add(running(25))
    await using run = await runAction({ from: 'dist', inputs: stage.inputs(stage.nginx.http, id) })
    assert.equal(run.exitCode, 0, run.log)
    const log = await readFile(path.join(stage.nginx.folder, 'access.log'), 'utf8')
    const [refused, passed] = [/" 503 /, /" 200 /].map((status) => log.split('\n').filter((line) => status.test(line)))
    assert.ok(
      refused && passed && refused.length <= passed.length,
      `${refused?.length} refused, ${passed?.length} passed`,
    )
  })

  test('files of a host that is down for twenty seconds are saved', async () => {
    await using stage = await front()
    const body = Buffer.from('a cake')
    const file = stage.simulator.file('a.txt', { body, type: 'text/plain' })
    const files = await startNginx(`location / { proxy_pass ${stage.simulator.origin}; }`)
    const away = files.away(20)
    const id = stage.simulator.ended({ output: [file.replace(stage.simulator.origin, files.http)] })
    await using run = await runAction({
      from: 'dist',
      inputs: stage.inputs(stage.nginx.http, id, { 'output-dir': 'out', 'allowed-hosts': '127.0.0.1' }),
      limit: 120,
    })
    await away
    await files[Symbol.asyncDispose]()
    assert.equal(run.exitCode, 0, run.log)
    assert.match(run.outputs.files ?? '', /\.txt$/)
  })

  for (const scheme of ['http', 'https'] as const)
    test(`a download over ${scheme} resumes where it broke off when its server was killed`, async () => {
      await using stage = await front()
      const body = Buffer.alloc(400_000, 'a cake ')
      const file = stage.simulator.file('cake.bin', { body })
      await using files = await startNginx(`location / { proxy_pass ${stage.simulator.origin}; limit_rate 100k; }`)
      const id = stage.simulator.ended({ output: [file.replace(stage.simulator.origin, files[scheme])] })
      const started = await startAction({
        from: 'dist',
        inputs: stage.inputs(stage.nginx.http, id, { 'output-dir': 'out', 'allowed-hosts': '127.0.0.1' }),
        env: files.authority.env,
        limit: 120,
      })
      const saved = () => sizeOf(path.join(started.workspace, 'out'))
      await eventually('a part of the file', () => saved() > 50_000)
      await files.away(0)
      await using run = await started.result
      assert.equal(run.exitCode, 0, run.log)
      assert.ok((await readFile(path.resolve(run.workspace, run.outputs.files ?? ''))).equals(body))
      const ranges = stage.simulator.requests
        .filter(({ url }) => url === '/files/cake.bin')
        .map(({ headers }) => headers.range)
      assert.deepEqual(
        ranges.map((range) => range !== undefined),
        [false, true],
        String(ranges),
      )
    })

  test('a stream that nginx cuts off is opened again, and still saves requests', async () => {
    await using nginx = await startNginx('')
    await using simulator = await startSimulator({ publicOrigin: nginx.http })
    const pass = `proxy_pass ${simulator.origin}; proxy_http_version 1.1;`
    await nginx.reload(
      `location / { ${pass} } location /stream/ { ${pass} proxy_buffering off; proxy_read_timeout 6s; }`,
    )
    const id = simulator.add({ ...running(20), stream: 'honest' })
    await using run = await runAction({
      from: 'dist',
      inputs: { 'prediction-id': id, 'api-key': simulator.key, 'api-url': `${nginx.http}/replicate/v1`, timeout: '3m' },
    })
    assert.equal(run.exitCode, 0, run.log)
    const streams = simulator.requests.filter(({ url }) => url.startsWith('/stream/')).length
    assert.ok(streams >= 2, `${streams} streams`)
    assert.ok(simulator.apiRequests().length <= 20, `${simulator.apiRequests().length} requests`)
  })

  test('a creation that exceeds the timeout of nginx is not repeated, because it may have been carried out', async () => {
    await using nginx = await startNginx('')
    const gone = Promise.withResolvers<void>()
    await using simulator = await startSimulator({
      onMoment: (moment) => (moment === 'carried out' ? gone.promise : undefined),
    })
    await nginx.reload(`location / { proxy_pass ${simulator.origin}; proxy_read_timeout 1s; }`)
    await using run = await runAction({
      from: 'dist',
      action: 'create',
      inputs: {
        'api-key': simulator.key,
        'api-url': `${nginx.http}/replicate/v1`,
        model: 'owner/painter',
        input: 'prompt: a cake',
      },
    })
    gone.resolve()
    assert.equal(run.exitCode, 1)
    assert.match(run.errors.join('\n'), /504 Gateway Time-out.*may have been started/s)
    assert.equal(simulator.requests.filter(({ method }) => method === 'POST').length, 1)
  })

  test('files of a host that serves two connections at a time are all saved', async () => {
    await using stage = await front()
    const limited = 'limit_conn one 2; limit_rate 20k;'
    const files = await startNginx(
      `location / { proxy_pass ${stage.simulator.origin}; ${limited} }`,
      'limit_conn_zone $server_name zone=one:1m;',
    )
    const output = Array.from({ length: 8 }, (_, i) =>
      stage.simulator
        .file(`${i}/a.bin`, { body: Buffer.alloc(60_000, i + 1) })
        .replace(stage.simulator.origin, files.http),
    )
    await using run = await runAction({
      from: 'dist',
      inputs: stage.inputs(stage.nginx.http, stage.simulator.ended({ output }), {
        'output-dir': 'out',
        'allowed-hosts': '127.0.0.1',
      }),
      limit: 150,
    })
    await files[Symbol.asyncDispose]()
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(run.outputs.files?.split('\n').length, 8)
  })

  test('responses and files that are compressed without a request for it are decompressed', async () => {
    await using nginx = await startNginx('')
    await nginx.reload(`location / { root ${nginx.folder}/www; gzip_static always; default_type application/json; }`)
    await mkdir(path.join(nginx.folder, 'www/v1/predictions'), { recursive: true })
    const body = JSON.stringify({ id: 'abc', status: 'succeeded', output: [`${nginx.http}/a.txt`] })
    await writeFile(path.join(nginx.folder, 'www/v1/predictions/abc.gz'), gzipSync(body))
    await writeFile(path.join(nginx.folder, 'www/a.txt.gz'), gzipSync('a cake'))
    await using run = await runAction({
      from: 'dist',
      inputs: {
        'prediction-id': 'abc',
        'api-key': 'sk-real-0123456789abcdef',
        'api-url': `${nginx.http}/v1`,
        'output-dir': 'out',
        timeout: '30s',
      },
    })
    assert.equal(run.exitCode, 0, run.log)
    assert.equal(await readFile(path.resolve(run.workspace, run.outputs.files ?? ''), 'utf8'), 'a cake')
  })

  test('https to a port without TLS is reported at once', async () => {
    await using stage = await front()
    const origin = stage.nginx.http.replace('http:', 'https:')
    await using run = await runAction({ from: 'dist', inputs: stage.inputs(origin, 'abc') })
    assert.equal(run.exitCode, 1)
    assert.match(run.errors.join('\n'), /TLS/)
    assert.doesNotMatch(run.log, /retrying/)
    assert.doesNotMatch(run.log, /:error:0A00/, 'not in the words of OpenSSL')
  })

  test('a create request that is too large for nginx is refused with advice', async () => {
    await using stage = await front('', 'client_max_body_size 100k;')
    await using home = await temporaryFolder('create')
    await mkdir(home.file('workspace'))
    await writeFile(home.file('workspace/input.json'), JSON.stringify({ prompt: 'x'.repeat(200_000) }))
    await using run = await runAction({
      from: 'dist',
      action: 'create',
      home: home.path,
      inputs: {
        'api-key': stage.simulator.key,
        'api-url': `${stage.nginx.http}/replicate/v1`,
        model: 'owner/painter',
        'input-file': 'input.json',
      },
    })
    assert.equal(run.exitCode, 1)
    assert.match(run.errors.join('\n'), /413.*URL/s)
  })
})
