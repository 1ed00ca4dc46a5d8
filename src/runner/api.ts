import { type Client, createClient } from '../predictions/client.ts'
import type { Clock } from '../predictions/clock.ts'
import { createEndSignals, type EndSignals } from '../predictions/end-signal.ts'
import { createDispatcher } from '../predictions/network/dispatcher.ts'
import type { HostPolicy } from '../predictions/network/host-policy.ts'
import { openUntrustedNetwork } from '../predictions/network/untrusted-network.ts'
import { createRateLimiter, type RateLimiter } from '../predictions/rate-limiter.ts'
import type { RunnerContext } from './context.ts'
import type { ApiInputs } from './inputs.ts'
import { debug } from './print.ts'
import { countedNetwork, type RequestCounts } from './requests.ts'
import { createTextStore } from './text-store.ts'

export interface ApiOptions {
  runner: RunnerContext
  clock: Clock
  /** Goes up with every request. */
  requests: RequestCounts
  /** Seconds until a request that is still under way is given up. */
  requestTimeout?: number
}

/** A client of the API with its own connections and rate limiter. Dispose of it to close them. */
export interface OpenApi extends AsyncDisposable {
  client: Client
  limiter: RateLimiter
}

/** Opens the API. Every request is a line of the debug log. @throws ProxyError */
export function openApi(
  { api, apiUrl, apiKey }: ApiInputs,
  { runner, clock, requests, requestTimeout }: ApiOptions,
): OpenApi {
  const dispatcher = createDispatcher(runner.env)
  const client = createClient({
    api,
    apiUrl,
    apiKey,
    dispatcher,
    clock,
    store: createTextStore(runner.temp),
    ...(requestTimeout === undefined ? {} : { requestTimeout }),
    onRequest: ({ method, path, status, ms }) => {
      requests.api++
      debug(`${method} ${path}: ${status ?? 'no response'}, ${Math.round(ms)} ms`)
    },
  })
  return {
    client,
    limiter: createRateLimiter({ clock }),
    [Symbol.asyncDispose]: () => dispatcher.destroy(),
  }
}

/** Opens the way to the streams of predictions. Dispose of it to close their connections. @throws ProxyError */
export function openEndSignals(
  policy: HostPolicy,
  { runner, clock, requests }: ApiOptions,
): EndSignals & AsyncDisposable {
  const network = countedNetwork(openUntrustedNetwork(policy, runner.env), () => requests.streams++)
  const signals = createEndSignals(network, clock)
  return { ...signals, [Symbol.asyncDispose]: () => signals.close() }
}
