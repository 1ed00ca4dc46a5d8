/**
 * Measures what the worst answers within the limits cost: the memory of the step at its peak, and how long it is
 * unresponsive to signals. `npm run test:limits [-- part of a name]`; runs dist, so build it first. Fails if an answer takes more than
 * 512 MB, makes the step unresponsive for more than a second, or ends it without outputs.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { startAction } from '../support/run-action.ts'

const MB = 2 ** 20
const MOST_MEMORY = 512
const LONGEST_DELAY = 1000
const SAMPLE_MS = 25

interface Case {
  name: string
  /** The answer to each poll of each prediction, in parts that are sent one after the other. */
  answer: (id: string, poll: number) => { status?: number; parts: string[] }
  predictions?: number
  inputs?: Record<string, string>
}

const filled = (unit: string, bytes = 60 * MB) => unit.repeat(Math.floor(bytes / unit.length))
const list = (unit: string) => `[${filled(`${unit},`)}${unit}]`
const different = (count: number, item: (i: number) => string) =>
  `[${Array.from({ length: count }, (_, i) => item(i))}]`
const ended = (id: string, field: string, value: string) => ({
  parts: [`{"id":"${id}","status":"succeeded","${field}":`, value, '}'],
})
const output = (value: () => string): Case['answer'] => {
  let made = ''
  return (id) => {
    if (made === '') made = value()
    return ended(id, 'output', made)
  }
}
const VIDEO = output(() => `"data:video/mp4;base64,${filled('AAAA')}"`)
const SAVED = { 'output-dir': 'out' }

const cases: Case[] = [
  { name: '60 MB of data: URIs of one letter, saved', answer: output(() => list('"data:,a"')), inputs: SAVED },
  { name: 'millions of URLs, saved', answer: output(() => list('"http://127.0.0.1:9/a"')), inputs: SAVED },
  {
    name: 'a percent-encoded data: URI, saved',
    answer: output(() => `"data:text/plain,${filled('%41a')}"`),
    inputs: SAVED,
  },
  { name: 'a video as a data: URI, saved', answer: VIDEO, inputs: SAVED },
  { name: 'millions of empty objects', answer: output(() => list('{}')) },
  { name: 'millions of numbers of 64 bits', answer: output(() => list('18446744073709551615')) },
  {
    name: 'a text',
    answer: output(() => `"${filled('the quick brown fox jumps over the lazy dog ')}"`),
    inputs: SAVED,
  },
  { name: 'a text of spellings of the key', answer: output(() => `"${filled('%73k-\\\\u0073')}"`), inputs: SAVED },
  { name: 'a million tokens', answer: output(() => list(`"sk${' '.repeat(56)}"`)), inputs: SAVED },
  { name: 'a million different short strings', answer: output(() => different(999_999, (i) => `"${i.toString(36)}"`)) },
  { name: 'millions of tokens', answer: output(() => list('"sk"')), inputs: SAVED },
  { name: 'millions of small numbers', answer: output(() => list('1')), inputs: SAVED },
  { name: 'ten million numbers', answer: output(() => list(`1${' '.repeat(5)}`)), inputs: SAVED },
  { name: 'millions of numbers with exponents', answer: output(() => list('1e9')) },
  { name: 'millions of NaN', answer: output(() => list('NaN')) },
  { name: 'a string of escaped quotes', answer: output(() => `"${filled('\\"')}"`), inputs: SAVED },
  {
    name: 'a million objects of the same five properties',
    answer: output(() => list(`{"a":1,"b":"","c":3,"d":4,"e":5${' '.repeat(30)}}`)),
  },
  {
    name: 'an object of 200,000 properties',
    answer: output(() => `{${different(199_000, (i) => `"${i.toString(36)}":"${'x'.repeat(290)}"`).slice(1, -1)}}`),
  },
  {
    name: 'objects whose properties all have other names',
    answer: output(() => different(99_000, (i) => `{"${i.toString(36)}":1,"x${i.toString(36)}":2${' '.repeat(560)}}`)),
  },
  {
    name: 'an object of millions of properties',
    answer: output(() => `{${different(5_000_000, (i) => `"${i.toString(36)}":1`).slice(1, -1)}}`),
  },
  {
    name: 'refusals with millions of strings',
    answer: (id, poll) =>
      poll < 3 ? { status: 500, parts: ['{"detail":', list('"ab"'), '}'] } : ended(id, 'output', '"x"'),
  },
  {
    name: 'a log that differs at each poll',
    answer: (id, poll) => {
      const lines = Array.from({ length: 6_000_000 }, (_, i) => `${(i * 7 + poll).toString(36)}\\n`).join('')
      const status = poll < 4 ? 'processing' : 'succeeded'
      return { parts: [`{"id":"${id}","status":"${status}","logs":"`, lines, '"}'] }
    },
  },
  {
    name: 'refusals with deep JSON',
    answer: (id, poll) =>
      poll < 3
        ? { status: 500, parts: [`{"detail":`, '['.repeat(30 * MB), ']'.repeat(30 * MB), '}'] }
        : ended(id, 'output', '"x"'),
  },
  {
    name: '24 predictions with 60 MB of log each',
    predictions: 24,
    answer: (id) => ended(id, 'logs', `"${filled('a')}"`),
    inputs: { 'stream-logs': 'false' },
  },
  {
    name: '24 predictions with 60 MB of log each that run, and then end',
    predictions: 24,
    answer: (id, poll) => ({
      parts: [`{"id":"${id}","status":"${poll < 3 ? 'processing' : 'succeeded'}","logs":"`, filled('a\\n'), '"}'],
    }),
  },
  { name: '24 videos of 60 MB as data: URIs, saved', predictions: 24, answer: VIDEO, inputs: SAVED },
  {
    name: '24 answers of 60 MB that are no predictions',
    predictions: 24,
    answer: () => ({ parts: ['{"list":"', filled('a'), '"}'] }),
  },
  {
    name: '24 failures with 60 MB of error each',
    predictions: 24,
    answer: (id) => ({ parts: [`{"id":"${id}","status":"failed","error":"`, filled('a'), '"}'] }),
  },
  {
    name: 'a text with characters of two bytes',
    answer: output(() => `"é€${filled('the quick brown fox jumps over the lazy dog ')}"`),
    inputs: SAVED,
  },
]

async function serve(answer: Case['answer']): Promise<Server> {
  const polls = new Map<string, number>()
  const server = createServer(async (request, response) => {
    const id = request.url?.split('/').at(-1) ?? ''
    const poll = (polls.get(id) ?? 0) + 1
    polls.set(id, poll)
    const { status = 200, parts } = answer(id, poll)
    response.writeHead(status, { 'content-type': 'application/json' })
    response.on('error', () => {})
    for (const part of parts) response.write(part)
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

interface Measured {
  seconds: number
  megabytes: number
  delay: number
  outputs: boolean
}

async function measure({ answer, predictions = 1, inputs = {} }: Case): Promise<Measured> {
  const server = await serve(answer)
  const folder = await mkdtemp(path.join(tmpdir(), 'limits-'))
  const delayFile = path.join(folder, 'delay')
  try {
    const { port } = server.address() as { port: number }
    const start = performance.now()
    const started = await startAction({
      from: 'dist',
      inputs: {
        'prediction-id': Array.from({ length: predictions }, (_, i) => `p${i}`).join(),
        'api-key': 'sk-test-0123456789abcdef',
        'api-url': `http://127.0.0.1:${port}/v1`,
        timeout: '60s',
        'poll-interval': '1s',
        ...inputs,
      },
      env: {
        NODE_OPTIONS: `--import ${pathToFileURL(path.join(import.meta.dirname, 'loop-delay.mjs'))}`,
        LOOP_DELAY_FILE: delayFile,
      },
      limit: 180,
    })
    let megabytes = 0
    const timer = setInterval(async () => {
      const status = await readFile(`/proc/${started.child.pid}/status`, 'utf8').catch(() => '')
      megabytes = Math.max(megabytes, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
    }, SAMPLE_MS)
    await using run = await started.result
    clearInterval(timer)
    return {
      seconds: (performance.now() - start) / 1000,
      megabytes,
      delay: Number(await readFile(delayFile, 'utf8').catch(() => Number.NaN)),
      // What is refused has no status, but an error.
      outputs: `${run.outputs.status ?? ''}${run.outputs.error ?? ''}` !== '' && run.signal === null,
    }
  } finally {
    server.closeAllConnections()
    server.close()
    await rm(folder, { recursive: true, force: true })
  }
}

const wanted = process.argv[2] ?? ''
for (const each of cases.filter(({ name }) => name.includes(wanted))) {
  const { seconds, megabytes, delay, outputs } = await measure(each)
  const isWithin = megabytes <= MOST_MEMORY && delay <= LONGEST_DELAY && outputs
  if (!isWithin) process.exitCode = 1
  console.log(
    `${isWithin ? 'within' : 'OVER  '} ${each.name}: ${megabytes.toFixed(0)} MB, unresponsive for ${delay.toFixed(0)} ms, ${seconds.toFixed(1)} s, outputs ${outputs ? 'set' : 'NOT set'}`,
  )
}
