/**
 * Errors as gateways and model servers word them, as tricks for the simulator. Shapes, statuses and codes are those of the
 * software named beside them; the texts are ours.
 */
import type { Trick } from './tricks.ts'

type Answer = Extract<Trick, { status: number }>

const answer = (status: number, body: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  body: typeof body === 'string' ? body : JSON.stringify(body),
  headers,
})

const oneApi = (status: number, message: string, more: Record<string, unknown> = {}) =>
  answer(status, {
    error: { message: `${message} (request id: 20261125080000000000000)`, type: 'one_api_error', ...more },
  })

/** songquanpeng/one-api: every message ends in a request id that changes, and an origin that is away is a 500. */
export const ONE_API = {
  wrongKey: oneApi(401, '无效的令牌'),
  quotaUsedUp: oneApi(401, '该令牌额度已用尽'),
  keyExpired: oneApi(401, '该令牌已过期'),
  channelUnknown: oneApi(400, '无效的渠道 Id'),
  channelDisabled: oneApi(403, '该渠道已被禁用'),
  originAway: oneApi(500, 'do request failed: dial tcp: connect: connection refused', {
    param: '',
    code: 'do_request_failed',
  }),
  /** A path under /v1 that it does not know; elsewhere it answers with its page. */
  unknownPath: answer(404, {
    error: { message: 'Invalid URL (GET /v1/predictions)', type: 'invalid_request_error', param: '', code: '' },
  }),
} as const satisfies Record<string, Answer>

/** litellm's pass-through: the status stands in the body as a string, and Retry-After of the origin is passed on. */
export const LITELLM = {
  originAway: answer(500, {
    error: {
      message: 'Cannot connect to host gateway.test:443',
      type: 'internal_server_error',
      param: 'None',
      code: '500',
    },
  }),
  /** A wrong key, if it runs without a database. */
  wrongKey: answer(400, { error: { message: 'No connected db.', type: 'no_db_connection', param: null, code: '400' } }),
  unknownPath: answer(404, { detail: 'Not Found' }),
  throttled: answer(429, { detail: 'Request was throttled.' }, { 'retry-after': '2' }),
} as const satisfies Record<string, Answer>

/** cog: errors of the server say `status: "failed"` without being a prediction, and a path it does not know has no body. */
export const COG = {
  settingUp: answer(503, { error: 'Setup has not finished yet', status: 'failed' }),
  busy: answer(409, { error: 'At capacity - all prediction slots busy', status: 'failed' }),
  /** There is no GET of a prediction. */
  noSuchCall: answer(405, '', { allow: 'PUT' }),
  invalidInput: answer(422, {
    detail: [{ loc: ['body', 'input', 'steps'], msg: 'value is not a valid integer', type: 'type_error.integer' }],
  }),
} as const satisfies Record<string, Answer>

/** What stands in front of a server answers in HTML. */
export const FRONT = {
  /** nginx whose upstream is away. */
  badGateway: answer(
    502,
    '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n',
    { 'content-type': 'text/html' },
  ),
  /** Cloudflare's check of the browser, which a program cannot pass (developers.cloudflare.com, "Detect a Challenge Page response"). */
  challenge: answer(403, '<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>', {
    'content-type': 'text/html; charset=UTF-8',
    'cf-mitigated': 'challenge',
  }),
} as const satisfies Record<string, Answer>
