/** Servers that nobody here wrote, as processes on 127.0.0.1. What is not installed is a word for the test to skip with. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pythonTool } from '../../scripts/python-tools.ts'
import { type Authority, certificateAuthority } from '../support/certificate.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Debian keeps servers where only root's PATH looks. */
const PATH = `${process.env.PATH}${path.delimiter}/usr/sbin${path.delimiter}/usr/local/sbin`
const READY_MS = 20_000

/** The packages of Debian and Ubuntu that have them. */
const PACKAGES = { nginx: 'nginx-light', squid: 'squid', haproxy: 'haproxy', openssl: 'openssl' }

/**
 * Why a test of these programs is skipped, and how to get them; false if all of them are there, and on CI, which has to
 * install them.
 */
export function missing(...programs: (keyof typeof PACKAGES)[]): string | false {
  if (process.env.GITHUB_ACTIONS) return false
  const lacking = programs.filter((program) => spawnSync(program, ['-v'], { env: { PATH } }).error)
  const packages = lacking.map((program) => PACKAGES[program]).join(' ')
  return lacking.length > 0 && `not installed: ${lacking.join(', ')}; apt-get install ${packages}`
}

/** A Python that has the package, which is installed if it is not there yet, or why a test of it is skipped. */
export function findPython(name: string, version: string): { program: string } | { missing: string } {
  const found = pythonTool({ package: name, version, program: 'python' })
  if ('program' in found) return found
  const reason = `pip cannot install ${name}==${version}, which needs Python 3 with venv and PyPI: ${found.missing}`
  if (process.env.GITHUB_ACTIONS) throw new Error(reason)
  return { missing: reason }
}

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

interface Program extends AsyncDisposable {
  child: ChildProcess
}

/** Starts a program in the foreground and waits until it listens. It ends with the block, its children too. */
async function startProgram(
  command: string,
  args: readonly string[],
  { port, cwd, env = {} }: { port: number; cwd: string; env?: Record<string, string> },
): Promise<Program> {
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe']
  const child = spawn(command, args, { cwd, env: { PATH, HOME: cwd, ...env }, stdio, detached: true })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => (printed += text))
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
  process.once('exit', kill)
  const closed = once(child, 'close')
  const until = performance.now() + READY_MS
  while (!(await listens(port))) {
    if (child.exitCode !== null || performance.now() > until) {
      kill()
      throw new Error(`${command} does not listen on ${port}: ${printed}`)
    }
    await sleep(50)
  }
  return {
    child,
    async [Symbol.asyncDispose]() {
      kill()
      process.removeListener('exit', kill)
      await closed
    },
  }
}

export interface Nginx extends AsyncDisposable {
  /** `http://127.0.0.1:…`, and with a certificate and HTTP/2 `https://127.0.0.1:…`. */
  readonly http: string
  readonly https: string
  readonly authority: Authority
  /** Its folder, for files that it serves. */
  readonly folder: string
  /** Takes other locations in place of those it has, with a graceful reload. */
  reload(locations: string): Promise<void>
  /** Stops the processes that serve now, as one that hangs, and starts others: connections that are open go silent. */
  hang(): Promise<void>
  /** Refuses connections for some seconds. */
  away(seconds: number): Promise<void>
}

/**
 * @param locations what stands in its `server` block
 * @param http what stands beside it
 */
export async function startNginx(locations: string, http = ''): Promise<Nginx> {
  await using stack = new AsyncDisposableStack()
  const authority = stack.use(await certificateAuthority())
  const folder = stack.use(await temporaryFolder('nginx'))
  const [plain, tls] = [await freePort(), await freePort()]
  const conf = folder.file('nginx.conf')
  await chmod(folder.path, 0o755)
  await writeFile(folder.file('cert.pem'), authority.certificate.cert)
  await writeFile(folder.file('key.pem'), authority.certificate.key)
  const configure = (server: string) => writeFile(conf, nginxConf(folder.path, { plain, tls }, server, http))
  await configure(locations)
  const start = () =>
    startProgram('nginx', ['-e', folder.file('error.log'), '-p', folder.path, '-c', conf], {
      port: plain,
      cwd: folder.path,
    })
  let program = await start()
  stack.defer(() => program[Symbol.asyncDispose]())
  const workers = () =>
    spawnSync('ps', ['-o', 'pid=', '--ppid', String(program.child.pid)], { encoding: 'utf8' })
      .stdout.split('\n')
      .map(Number)
      .filter(Boolean)
  /** Waits until processes serve that did not before. */
  const renewed = async () => {
    const before = workers()
    program.child.kill('SIGHUP')
    while (workers().every((pid) => before.includes(pid))) await sleep(20)
  }
  const accepts = (pid: number) =>
    /worker process$/.test(spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim())
  const disposable = stack.move()
  return {
    http: `http://127.0.0.1:${plain}`,
    https: `https://127.0.0.1:${tls}`,
    authority,
    folder: folder.path,
    async reload(server) {
      const before = workers()
      await configure(server)
      await renewed()
      // Those that served before accept connections until they shut down.
      while (before.some(accepts)) await sleep(20)
    },
    async hang() {
      for (const pid of workers()) process.kill(pid, 'SIGSTOP')
      await renewed()
    },
    async away(seconds) {
      await program[Symbol.asyncDispose]()
      await sleep(seconds * 1000)
      program = await start()
    },
    [Symbol.asyncDispose]: () => disposable.disposeAsync(),
  }
}

const nginxConf = (folder: string, ports: { plain: number; tls: number }, server: string, http: string) => `
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
events { worker_connections 512; }
http {
  access_log ${folder}/access.log;
  default_type application/octet-stream;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  ${http}
  server {
    listen 127.0.0.1:${ports.plain};
    listen 127.0.0.1:${ports.tls} ssl http2;
    ssl_certificate ${folder}/cert.pem;
    ssl_certificate_key ${folder}/key.pem;
    ${server}
  }
}
`

export interface Squid extends AsyncDisposable {
  /** With user and password. */
  readonly url: string
  readonly host: string
  /** Ends it, its tunnels too, and starts it again. */
  restart(): Promise<void>
}

/** squid with a user and a password; only it knows where `gateway.test` is. */
export async function startSquid(user: string, password: string): Promise<Squid> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder('squid'))
  await chmod(folder.path, 0o777)
  const port = await freePort()
  const hash = spawnSync('openssl', ['passwd', '-apr1', password], { encoding: 'utf8' }).stdout.trim()
  await writeFile(folder.file('passwords'), `${user}:${hash}\n`)
  await writeFile(folder.file('hosts'), '127.0.0.1 gateway.test\n')
  await writeFile(
    folder.file('squid.conf'),
    `http_port 127.0.0.1:${port}
auth_param basic program /usr/lib/squid/basic_ncsa_auth ${folder.file('passwords')}
auth_param basic children 1
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
hosts_file ${folder.file('hosts')}
cache deny all
access_log none
cache_log ${folder.file('cache.log')}
pid_filename none
coredump_dir ${folder.path}
shutdown_lifetime 0 seconds
`,
  )
  const start = () => startProgram('squid', ['-N', '-f', folder.file('squid.conf')], { port, cwd: folder.path })
  let program = await start()
  stack.defer(() => program[Symbol.asyncDispose]())
  const disposable = stack.move()
  const host = `127.0.0.1:${port}`
  return {
    host,
    url: `http://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${host}`,
    async restart() {
      await program[Symbol.asyncDispose]()
      program = await start()
    },
    [Symbol.asyncDispose]: () => disposable.disposeAsync(),
  }
}

export interface Haproxy extends AsyncDisposable {
  readonly http: string
}

/** @param rules what stands in the frontend @param upstream `127.0.0.1:43210` */
export async function startHaproxy(rules: string, upstream: string): Promise<Haproxy> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder('haproxy'))
  const port = await freePort()
  await writeFile(
    folder.file('haproxy.cfg'),
    `defaults
  mode http
  timeout connect 2s
  timeout client 800ms
  timeout server 2s
frontend front
  bind 127.0.0.1:${port}
${rules}
  default_backend back
backend back
  server one ${upstream}
`,
  )
  stack.use(await startProgram('haproxy', ['-db', '-f', folder.file('haproxy.cfg')], { port, cwd: folder.path }))
  const disposable = stack.move()
  return { http: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => disposable.disposeAsync() }
}

const MODEL = `import time
from typing import Any
from cog import BasePredictor, Path

class Predictor(BasePredictor):
    def predict(self, prompt: str, seconds: float = 1.0) -> Any:
        print("Using seed: 4711")
        print("::set-output name=status::forged")
        for _ in range(int(seconds * 10)):
            time.sleep(0.1)
        if prompt == "fail":
            raise MemoryError()
        if prompt == "refuse":
            raise ValueError("the prompt is not allowed\\n::error::forged")
        if prompt == "draw":
            Path("cake.txt").write_text("a cake")
            return [Path("cake.txt")]
        return "a picture of " + prompt
`

/** Replicate's own model server with a small model, installed from its Python package if it is not there yet. */
export async function startCog(): Promise<(AsyncDisposable & { readonly url: string }) | { readonly missing: string }> {
  const found = findPython('cog', '0.23.1')
  if ('missing' in found) return found
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder('cog'))
  await mkdir(folder.file('model'))
  await writeFile(folder.file('model/predict.py'), MODEL)
  await writeFile(folder.file('model/cog.yaml'), 'build:\n  python_version: "3.11"\npredict: "predict.py:Predictor"\n')
  const port = await freePort()
  const env = {
    // Its workers are the first `python` on the PATH.
    PATH: `${path.dirname(found.program)}${path.delimiter}${PATH}`,
    COG_PREDICT_TYPE_STUB: 'predict.py:Predictor',
    HOST: '127.0.0.1',
    PORT: String(port),
  }
  stack.use(await startProgram(found.program, ['-m', 'cog.server.http'], { port, cwd: folder.file('model'), env }))
  const url = `http://127.0.0.1:${port}`
  const until = performance.now() + READY_MS
  for (let status = ''; status !== 'READY'; await sleep(100)) {
    if (performance.now() > until) throw new Error(`cog is still ${status}`)
    const answer = await fetch(`${url}/health-check`)
    status = ((await answer.json()) as { status: string }).status
  }
  const disposable = stack.move()
  return { url, [Symbol.asyncDispose]: () => disposable.disposeAsync() }
}
