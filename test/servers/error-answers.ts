/**
 * Errors as gateways and model servers word them, as tricks for the simulator and for servers in virtual time. Statuses,
 * shapes, codes and types are what the software named beside them answers; messages are shortened.
 */
import type { Trick } from './tricks.ts'

type Answer = Required<Extract<Trick, { status: number }>>

const answer = (status: number, body: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  body: typeof body === 'string' ? body : JSON.stringify(body),
  headers,
})

const oneApi = (status: number, message: string, more: Record<string, unknown> = {}) =>
  answer(status, {
    error: { message: `${message} (request id: 20261125080000000000000)`, type: 'one_api_error', ...more },
  })

const requestFailed = (reason: string) =>
  oneApi(500, `do request failed: Get "https://gateway.test/": ${reason}`, { param: '', code: 'do_request_failed' })

/**
 * songquanpeng/one-api of 2025, commit 8df4a267: every message of its own ends in a request id that changes, an origin that
 * is away is a 500, and what the origin refuses is passed on with its Retry-After.
 */
export const ONE_API = {
  noKey: oneApi(401, '未提供令牌'),
  wrongKey: oneApi(401, '无效的令牌'),
  quotaUsedUp: oneApi(401, '该令牌额度已用尽'),
  keyExpired: oneApi(401, '该令牌已过期'),
  keyDisabled: oneApi(401, '该令牌状态不可用'),
  channelUnknown: oneApi(400, '无效的渠道 Id'),
  channelDisabled: oneApi(403, '该渠道已被禁用'),
  noChannel: oneApi(503, '当前分组 default 下对于模型 x 无可用渠道'),
  originAway: requestFailed('EOF'),
  originSilent: requestFailed('context deadline exceeded (Client.Timeout exceeded while awaiting headers)'),
  originThrottles: answer(429, { detail: 'Request was throttled.' }, { 'retry-after': '3' }),
  originUnavailable: answer(503, 'upstream connect error', { 'content-type': 'text/plain', 'retry-after': '2' }),
  /** A path under /v1 that it does not know. */
  unknownPath: answer(404, {
    error: { message: 'Invalid URL (GET /v1/predictions)', type: 'invalid_request_error', param: '', code: '' },
  }),
  /** Any other path is its web page. */
  page: answer(200, '<!doctype html><html><head><title>One API</title></head><body></body></html>', {
    'content-type': 'text/html; charset=utf-8',
  }),
} as const satisfies Record<string, Answer>

const litellm = (status: number, message: string, type: string) =>
  answer(status, { error: { message, type, param: 'None', code: String(status) } })

/** litellm[proxy] 1.110.2, pass-through: the status stands in the body as a string. */
export const LITELLM = {
  originAway: litellm(500, 'Cannot connect to host gateway.test:443', 'internal_server_error'),
  /** A wrong key, if it runs without a database. */
  wrongKey: litellm(400, 'No connected db.', 'no_db_connection'),
  unknownPath: answer(404, { detail: 'Not Found' }),
  /** Retry-After of the origin is passed on. */
  originThrottles: answer(429, { detail: 'Request was throttled.' }, { 'retry-after': '2' }),
} as const satisfies Record<string, Answer>

/**
 * cog (PyPI) 0.23.1, and 0.13.7 where it says so: errors of the server say `status: "failed"` without being a prediction,
 * and a path that it does not know has no body.
 */
export const COG = {
  settingUp: answer(503, { error: 'Setup has not finished yet', status: 'failed' }),
  busy: answer(409, { error: 'At capacity - all prediction slots busy', status: 'failed' }),
  /** There is no GET of a prediction. */
  noSuchCall: answer(405, '', { allow: 'PUT' }),
  notJson: answer(400, 'Failed to parse the request body as JSON: EOF while parsing an object', {
    'content-type': 'text/plain; charset=utf-8',
  }),
  /** 0.13.7, as FastAPI words it. */
  invalidInput: answer(422, {
    detail: [{ loc: ['body', 'input', 'steps'], msg: 'value is not a valid integer', type: 'type_error.integer' }],
  }),
  /** 0.13.7: a prediction whose ID the client did not choose has none. */
  withoutId: answer(200, { input: {}, output: 'x', id: null, created_at: null, status: 'succeeded', error: null }),
} as const satisfies Record<string, Answer>

/** nginx's own pages, of 1.22.1. */
const nginxPage = (status: number, title: string, headers: Record<string, string> = {}) =>
  answer(
    status,
    `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`,
    { 'content-type': 'text/html', ...headers },
  )

/** What stands in front of a server answers in HTML. */
export const FRONT = {
  unauthorized: nginxPage(401, '401 Authorization Required', { 'www-authenticate': 'Basic realm="Restricted"' }),
  forbidden: nginxPage(403, '403 Forbidden'),
  tooLarge: nginxPage(413, '413 Request Entity Too Large', { connection: 'close' }),
  badGateway: nginxPage(502, '502 Bad Gateway'),
  gatewayTimeout: nginxPage(504, '504 Gateway Time-out'),
  /** Cloudflare's check of the browser, which a program cannot pass (developers.cloudflare.com, "Detect a Challenge Page response"). */
  challenge: answer(403, '<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>', {
    'content-type': 'text/html; charset=UTF-8',
    'cf-mitigated': 'challenge',
  }),
} as const satisfies Record<string, Answer>
