/**
 * What the bundles have in place of undici's own index, through `paths` in tsconfig.json, which ncc follows: the parts
 * that are called, by us and by the toolkit. Its index loads everything it has (fetch, web sockets, caches, mocks),
 * three times as much code, at the start of every step (`npm run bench -- start`).
 */
import api from 'undici/lib/api/index.js'
import Agent from 'undici/lib/dispatcher/agent.js'
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js'
import Pool from 'undici/lib/dispatcher/pool.js'
import ProxyAgent from 'undici/lib/dispatcher/proxy-agent.js'
import type { fetch as Fetch } from 'undici/types/index.js'

// As undici's index does it. All methods, because undici calls them on its own dispatchers: ProxyAgent needs `connect`.
Object.assign(Dispatcher.prototype, api)

export { Agent, Dispatcher, Pool, ProxyAgent }

/**
 * Octokit sends its requests with it, so it is loaded with the code for releases.
 * @public the toolkit imports it through the alias
 */
export const fetch: typeof Fetch = async (...args) => (await import('undici/lib/web/fetch/index.js')).fetch(...args)
