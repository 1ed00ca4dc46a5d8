// The files of undici that undici.ts names; undici has types for the whole of it alone.

declare module 'undici/lib/api/api-request.js' {
  const request: import('undici/types/index.js').Dispatcher['request']
  export default request
}
declare module 'undici/lib/dispatcher/agent.js' {
  export { Agent as default } from 'undici/types/index.js'
}
declare module 'undici/lib/dispatcher/dispatcher.js' {
  export { Dispatcher as default } from 'undici/types/index.js'
}
declare module 'undici/lib/dispatcher/env-http-proxy-agent.js' {
  export { EnvHttpProxyAgent as default } from 'undici/types/index.js'
}
declare module 'undici/lib/dispatcher/proxy-agent.js' {
  export { ProxyAgent as default } from 'undici/types/index.js'
}
declare module 'undici/lib/web/fetch/index.js' {
  export { fetch } from 'undici/types/index.js'
}
