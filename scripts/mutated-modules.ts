import { globSync } from 'node:fs'
import path from 'node:path'

/** A module whose mutants are tried, and what judges them. */
export interface MutatedModule {
  file: string
  /** The share of mutants, in percent, that the tests must notice. */
  least: number
  tests: readonly string[]
  /** Kinds of mutants that say nothing about behavior here. */
  leftOut: readonly string[]
}

const ROOT = path.resolve(import.meta.dirname, '..')

/** Modules of functions from data to data, and the rest: they have to do with time, files or the network. */
const PURE = 85
const OTHERS = 75
const IMPURE = new Set([
  'predictions/alarm',
  'predictions/body',
  'predictions/cancel',
  'predictions/client',
  'predictions/create',
  'predictions/end-signal',
  'predictions/failure-judge',
  'predictions/files/file-request',
  'predictions/files/folder',
  'predictions/files/host',
  'predictions/files/hosts',
  'predictions/files/names',
  'predictions/files/part-file',
  'predictions/files/pieces',
  'predictions/files/save',
  'predictions/files/save-one',
  'predictions/files/transfer',
  'predictions/hedge',
  'predictions/input-files',
  'predictions/last-poll',
  'predictions/list-polling',
  'predictions/list-request',
  'predictions/network/connector',
  'predictions/network/dispatcher',
  'predictions/network/happy-eyeballs',
  'predictions/network/origin-pool',
  'predictions/network/sockets',
  'predictions/network/time-limit',
  'predictions/network/tunnel',
  'predictions/network/until-sent',
  'predictions/network/untrusted-network',
  'predictions/prediction-state',
  'predictions/prediction-wait',
  'predictions/promises',
  'predictions/rate-limiter',
  'predictions/retry',
  'predictions/semaphore',
  'predictions/sender',
  'predictions/stored-answer',
  'predictions/turns',
  'predictions/wait',
  'predictions/wait-step',
  'predictions/wakeup',
  'runner/artifact-content',
  'runner/artifact-staging',
  'runner/cancellation',
  'runner/create-step',
  'runner/delivery',
  'runner/dry-run',
  'runner/embedded-files',
  'runner/entries',
  'runner/failure',
  'runner/heartbeat',
  'runner/input-uploads',
  'runner/inputs',
  'runner/judge',
  'runner/model-input',
  'runner/observers',
  'runner/open-saver',
  'runner/output-folder',
  'runner/print',
  'runner/record',
  'runner/release-api',
  'runner/release-assets',
  'runner/reporter',
  'runner/requests',
  'runner/result-file',
  'runner/saving',
  'runner/secrets',
  'runner/skip-existing',
  'runner/starter',
  'runner/step-outputs',
  'runner/text-store',
  'runner/upload',
  'runner/zip',
  'runner/zip-reader',
])

/** What has nothing to mutate, or what no test inside the process can judge: the clock, the collector of garbage, undici. */
const LEFT_OUT = new Set([
  'predictions/apis/index',
  'predictions/clock',
  'predictions/garbage',
  'predictions/invisible',
  'predictions/network/certificate',
  'predictions/network/undici',
  'predictions/outcome',
  'predictions/wait-options',
])

/** The pure parts of the runner's side, and what needs no more than a folder. */
const RUNNER = [
  'artifact-client-errors',
  'artifact-content',
  'artifact-error',
  'artifact-staging',
  'cancellation',
  'context',
  'create-step',
  'delivery',
  'dry-run',
  'embedded-files',
  'entries',
  'entry',
  'failure',
  'format',
  'heartbeat',
  'identities',
  'input-uploads',
  'input-values',
  'input-yaml',
  'inputs',
  'judge',
  'markdown',
  'model-input',
  'model-log',
  'observers',
  'open-saver',
  'output-folder',
  'outputs',
  'print',
  'record',
  'refusals',
  'release-api',
  'release-assets',
  'release-error',
  'reporter',
  'requests',
  'result-file',
  'saving',
  'saving-log',
  'saving-result',
  'secrets',
  'skip-existing',
  'starter',
  'step-outputs',
  'summary',
  'tally',
  'text-store',
  'untrusted',
  'upload',
  'zip',
  'zip-reader',
]

const TASKS = ['predictions/apis/tasks', 'predictions/apis/waiting']
const WAIT = ['predictions/wait', 'predictions/many']
const CONNECTIONS = ['predictions/network/connections']

/** The tests of modules that have none of their own name, or not only. */
const TESTS: Readonly<Record<string, readonly string[]>> = {
  'predictions/alarm': ['predictions/alarm', 'predictions/wakeup'],
  'predictions/answer': ['predictions/answer', 'predictions/client'],
  'predictions/apis/places': ['predictions/apis/places'],
  'predictions/apis/predictions': ['predictions/apis/predictions'],
  'predictions/client': ['predictions/client', 'predictions/apis/waiting'],
  'predictions/files/extensions': ['predictions/files/extensions', 'predictions/files/media'],
  'predictions/files/file-kind': ['predictions/files/file-kind', 'predictions/files/media'],
  'predictions/files/host': ['predictions/files/hosts'],
  'predictions/files/pieces': ['predictions/files/transfer'],
  'predictions/files/patience': ['predictions/files/patience', 'predictions/files/transfer'],
  'predictions/files/save-one': ['predictions/files/save'],
  'predictions/key-search/patterns': ['predictions/key-search/patterns', 'predictions/key-search/search'],
  'predictions/key-search/scan': ['predictions/key-search/search'],
  'predictions/key-search/spellings': ['predictions/key-search/spellings', 'predictions/key-search/search'],
  'predictions/key-search/threads': ['predictions/key-search/threads', 'predictions/key-search/search'],
  'predictions/network/connect-errors': ['predictions/network/network-errors'],
  'predictions/network/dispatcher': ['predictions/network/dispatcher', ...CONNECTIONS],
  'predictions/network/origin-pool': ['predictions/network/origin-pool', ...CONNECTIONS],
  'predictions/network/setting-errors': ['predictions/network/network-errors'],
  'predictions/network/sockets': ['predictions/network/connector'],
  'predictions/output': ['predictions/prediction', 'predictions/stored-answer'],
  'predictions/prediction-wait': WAIT,
  'predictions/sender': ['predictions/client', 'predictions/apis/waiting'],
  'predictions/wait': WAIT,
  'runner/embedded-files': ['runner/embedded-files', 'runner/entries'],
  'runner/entry': ['runner/tally'],
  'runner/input-values': ['runner/input-values', 'runner/inputs'],
  'runner/release-api': ['runner/release-assets'],
  'runner/result-file': ['runner/result-file', 'runner/judge'],
  'runner/untrusted': ['runner/untrusted', 'runner/print'],
}

/** Modules made of sentences: a test of each word would be a copy of it. */
const SENTENCES = new Set([
  'predictions/answer',
  'predictions/cancel',
  'predictions/client',
  'predictions/create',
  'predictions/errors',
  'predictions/files/file-error',
  'predictions/files/file-request',
  'predictions/files/save',
  'predictions/files/save-one',
  'predictions/files/transfer',
  'predictions/network/connect-errors',
  'predictions/network/network-errors',
  'predictions/network/origin-pool',
  'predictions/network/setting-errors',
  'predictions/prediction-error',
  'predictions/sender',
  'predictions/verdict',
  'runner/artifact-client-errors',
  'runner/artifact-error',
  'runner/cancellation',
  'runner/create-step',
  'runner/embedded-files',
  'runner/entries',
  'runner/failure',
  'runner/input-values',
  'runner/input-yaml',
  'runner/inputs',
  'runner/outputs',
  'runner/release-api',
  'runner/release-assets',
  'runner/release-error',
  'runner/reporter',
  'runner/skip-existing',
  'runner/step-outputs',
  'runner/summary',
  'runner/upload',
])

const testsOf = (name: string): readonly string[] => {
  if (name.startsWith('predictions/apis/') && !(name in TESTS)) return TASKS
  return TESTS[name] ?? [name]
}

const predictionModules = globSync('src/predictions/**/*.ts', { cwd: ROOT })
  .map((file) => file.replaceAll(path.sep, '/').replace(/^src\/|\.ts$/g, ''))
  .filter((name) => !name.endsWith('.d') && !LEFT_OUT.has(name))
  .sort()

export const MODULES: readonly MutatedModule[] = [...predictionModules, ...RUNNER.map((name) => `runner/${name}`)].map(
  (name) => ({
    file: `src/${name}.ts`,
    least: IMPURE.has(name) ? OTHERS : PURE,
    tests: testsOf(name).map((test) => `test/${test}.test.ts`),
    leftOut: SENTENCES.has(name) ? ['StringLiteral'] : [],
  }),
)
