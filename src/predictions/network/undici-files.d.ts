// The files of undici that undici.ts names; undici has types only for the whole of it.

declare module 'undici/lib/api/index.js' {
  const api: Pick<import('undici/types/index.js').Dispatcher, 'request' | 'stream' | 'pipeline' | 'upgrade' | 'connect'>
  export default api
}
declare module 'undici/lib/dispatcher/agent.js' {
  export { Agent as default } from 'undici/types/index.js'
}
declare module 'undici/lib/dispatcher/dispatcher.js' {
  export { Dispatcher as default } from 'undici/types/index.js'
}
declare module 'undici/lib/dispatcher/pool.js' {
  export { Pool as default } from 'undici/types/index.js'
}
declare module 'undici/lib/dispatcher/proxy-agent.js' {
  export { ProxyAgent as default } from 'undici/types/index.js'
}
declare module 'undici/lib/web/fetch/index.js' {
  export { fetch } from 'undici/types/index.js'
}
