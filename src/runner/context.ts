import { tmpdir } from 'node:os'
import path from 'node:path'

/** What the runner's environment says about this step: read once, and passed on. */
export interface RunnerContext {
  /** Where GitHub's pages are, without a slash at the end: `https://github.com`. */
  readonly serverUrl: string
  /** Where GitHub's API is, without a slash at the end: `https://api.github.com`. */
  readonly apiUrl: string
  /** `owner/name`; empty outside of a workflow. */
  readonly repository: string
  /** The same in every attempt of a run; empty outside of a workflow. */
  readonly runId: string
  /** Counts from 1. */
  readonly runAttempt: number
  /** The absolute path of a folder that the runner empties after the job. */
  readonly temp: string
  /** The absolute path of the workspace, which relative paths of inputs start from. */
  readonly workspace: string
  /** The file that takes the outputs; undefined outside of a runner. */
  readonly outputFile: string | undefined
  /** The file that takes the state for the post step; undefined outside of a runner. */
  readonly stateFile: string | undefined
  /** The whole environment, for what reads settings that are not GitHub's, such as those of proxies. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Reads the environment; a variable that is empty counts as not set. Tests give another one. */
export function readContext(env: Readonly<Record<string, string | undefined>> = process.env): RunnerContext {
  return {
    serverUrl: withoutSlash(env.GITHUB_SERVER_URL || 'https://github.com'),
    apiUrl: withoutSlash(env.GITHUB_API_URL || 'https://api.github.com'),
    repository: env.GITHUB_REPOSITORY ?? '',
    runId: env.GITHUB_RUN_ID ?? '',
    runAttempt: Number(env.GITHUB_RUN_ATTEMPT) || 1,
    temp: path.resolve(env.RUNNER_TEMP || tmpdir()),
    workspace: path.resolve(env.GITHUB_WORKSPACE || '.'),
    outputFile: env.GITHUB_OUTPUT || undefined,
    stateFile: env.GITHUB_STATE || undefined,
    env,
  }
}

const withoutSlash = (url: string) => url.replace(/\/+$/, '')
