import type { Clock } from '../predictions/clock.ts'
import type { SaveObserver, Saver } from '../predictions/files/save.ts'
import type { HostPolicy } from '../predictions/network/host-policy.ts'
import type { ProxyEnvironment } from '../predictions/network/proxy.ts'
import type { UntrustedNetwork } from '../predictions/network/untrusted-network.ts'
import type { RunnerContext } from './context.ts'
import type { Identities } from './identities.ts'
import type { ApiInputs, StepInputs } from './inputs.ts'
import { warn } from './print.ts'
import { countedNetwork, type RequestCounts } from './requests.ts'
import { redacted } from './secrets.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

/** What files are saved by. */
export type SavingInputs = ApiInputs & Pick<StepInputs, 'download' | 'policy'>

/** What a saving works with. */
export interface SavingSurroundings {
  clock: Clock
  signal: AbortSignal
  runner: RunnerContext
  /** Its count of requests for files grows. */
  requests: RequestCounts
  /** Opens the connections to the hosts of files; by default, those that the policy allows. */
  openNetwork?: (policy: HostPolicy, env: ProxyEnvironment) => UntrustedNetwork
}

/**
 * Opens what saves the files of a step, as its inputs say.
 * @throws if a temporary folder is needed and cannot be made
 */
export async function openSaver(
  { api, apiUrl, apiKey, download, policy }: SavingInputs,
  { count, ids, reserved }: Identities,
  around: SavingSurroundings & { deadline: number; observer: SaveObserver },
): Promise<Saver> {
  const { openFileNetwork, Saver } = await import('../predictions/files/save.ts')
  const { runner, requests, openNetwork = openFileNetwork, ...rest } = around
  const hosts = { ...policy, onMappedName: warnOnceOfMappedNames() }
  return new Saver({
    ...rest,
    ...download,
    redact: async (output) => (await redacted.prepare(output)).value(output),
    directory: download.directory ?? (await makeTemporaryFolder('files', runner.temp)),
    workspace: runner.workspace,
    predictions: { count, ids },
    reserved,
    policy: hosts,
    network: countedNetwork(openNetwork(hosts, runner.env), () => requests.files++),
    keyed: (link, id) => {
      const url = api.keyedUrl(link, { id, apiUrl })
      return url === undefined ? undefined : { url, authorization: `Bearer ${apiKey}` }
    },
    env: runner.env,
  })
}

/** The proxy is on the machine itself, so the name is trusted. */
function warnOnceOfMappedNames(): (host: string, address: string) => void {
  let warned = false
  return (host, address) => {
    if (warned) return
    warned = true
    warn(
      `${host} resolves to ${address}: a proxy on this machine (such as Clash, Surge or sing-box) maps names to addresses of 198.18.0.0/15. That proxy decides whether files come from the public internet.`,
    )
  }
}
