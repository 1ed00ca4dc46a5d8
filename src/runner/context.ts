import { tmpdir } from 'node:os'
import path from 'node:path'

/** What differs between the servers that run workflows: callers ask for a property, never for a name. `docs/forges.md` has the sources. */
export interface Forge {
  readonly name: 'GitHub' | 'GitHub Enterprise Server' | 'Gitea' | 'Forgejo'
  /** Whether everybody runs their own server, of any age. */
  readonly selfHosted: boolean
  /** The artifact protocol that it takes: 7 with files as they are, 4 with zips only; undefined without either. */
  readonly artifactProtocol: 7 | 4 | undefined
  /** Whether `@actions/artifact` takes its hosts: github.com, `*.ghe.com` and `*.localhost`. */
  readonly artifactClient: boolean
  /** The last part of the address of an artifact's page. */
  artifactPage(artifact: { id: number; name: string }): string
  /** Whether error annotations are shown anywhere but as raw lines in the log. */
  readonly annotations: boolean
  /** The path of an asset under that of its repository. */
  assetPath(releaseId: number, assetId: number): string
  /** Whether a release names another place for uploads than the API. */
  readonly separateUploads: boolean
  /** Whether names of assets are changed, as GitHub does with characters that are not ASCII. */
  readonly renamesAssets: boolean
  /** The most assets of a release, and the bytes that each must stay below; undefined if every server sets its own. */
  readonly assetLimits: { readonly count: number; readonly bytes: number } | undefined
}

/** What the runner's environment says about this step: read once, and passed on. */
export interface RunnerContext {
  readonly forge: Forge
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
  const serverUrl = withoutSlash(env.GITHUB_SERVER_URL || 'https://github.com')
  return {
    forge: forgeOf(env, serverUrl),
    serverUrl,
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

const github: Forge = {
  name: 'GitHub',
  selfHosted: false,
  artifactProtocol: 7,
  artifactClient: true,
  artifactPage: ({ id }) => String(id),
  annotations: true,
  assetPath: (_, assetId) => `/releases/assets/${assetId}`,
  separateUploads: true,
  renamesAssets: true,
  assetLimits: { count: 1000, bytes: 2 * 2 ** 30 },
}
const enterprise: Forge = {
  ...github,
  name: 'GitHub Enterprise Server',
  selfHosted: true,
  artifactProtocol: undefined,
  artifactClient: false,
}
const gitea: Forge = {
  name: 'Gitea',
  selfHosted: true,
  artifactProtocol: 7,
  artifactClient: false,
  artifactPage: ({ name }) => encodeURIComponent(name),
  annotations: false,
  assetPath: (releaseId, assetId) => `/releases/${releaseId}/assets/${assetId}`,
  separateUploads: false,
  renamesAssets: false,
  assetLimits: undefined,
}
const forgejo: Forge = { ...gitea, name: 'Forgejo', artifactProtocol: 4 }

/** Forgejo's runner sets the variable of Gitea's too. github.com, data residency and local doubles are GitHub itself. */
function forgeOf(env: Readonly<Record<string, string | undefined>>, serverUrl: string): Forge {
  if (env.FORGEJO_ACTIONS === 'true') return forgejo
  if (env.GITEA_ACTIONS === 'true') return gitea
  const host = URL.parse(serverUrl)?.hostname ?? ''
  return /^github\.com$|\.ghe\.com$|\.localhost$/i.test(host) ? github : enterprise
}
