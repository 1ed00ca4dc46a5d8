import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConnectFailure, ProxyRefusal, withoutOpenSslLines } from '../../../src/predictions/network/connect-errors.ts'
import {
  adviceForNetworkError,
  causeOf,
  describeNetworkError,
  errorCode,
  isBug,
  isCertificateError,
  settingErrorOf,
  wasNeverSent,
} from '../../../src/predictions/network/network-errors.ts'
import type { SettingError } from '../../../src/predictions/network/setting-errors.ts'

const coded = (code: string, message = 'it failed', more: ErrorOptions = {}) =>
  Object.assign(new Error(message, more), { code })
const proxy = (status: number, { hasUserName = false, schemes = [] as string[] } = {}) =>
  new ProxyRefusal({ variable: 'https_proxy', hasUserName }, status, schemes)

describe('a chain of causes', () => {
  test('the first code in a chain of causes is found', () => {
    assert.equal(errorCode(new Error('outer', { cause: coded('ECONNRESET') })), 'ECONNRESET')
    assert.equal(errorCode(coded('OUTER', 'outer', { cause: coded('INNER') })), 'OUTER')
    assert.equal(errorCode(Object.assign(new Error('n'), { code: 7, cause: coded('INNER') })), 'INNER')
    for (const none of [undefined, 'text', {}, new Error('plain')]) assert.equal(errorCode(none), undefined)
  })
  test('a chain of causes goes through the first of several parallel attempts', () => {
    assert.equal(errorCode(new AggregateError([coded('ECONNREFUSED'), coded('OTHER')])), 'ECONNREFUSED')
  })
  test('a chain of causes is followed for eight errors and no further', () => {
    let error: Error = coded('DEEP')
    for (let i = 0; i < 7; i++) error = new Error(`level ${i}`, { cause: error })
    assert.equal(errorCode(error), 'DEEP')
    assert.equal(errorCode(new Error('one more', { cause: error })), undefined)
  })
  test('an error of a class is found in a chain of causes', () => {
    const failure = new ConnectFailure(coded('ECONNREFUSED'))
    assert.equal(causeOf(new Error('outer', { cause: failure }), ConnectFailure), failure)
    assert.equal(causeOf(coded('ECONNREFUSED'), ConnectFailure), undefined)
  })
})

describe('a setting that is wrong', () => {
  const codes: [code: string, fault: SettingError, words: RegExp][] = [
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'not-tls', /does not speak TLS on this port .*Check the scheme and the port/],
    ['ERR_SSL_PACKET_LENGTH_TOO_LONG', 'not-tls', /TLS/],
    ['ERR_SSL_HTTP_REQUEST', 'not-tls', /TLS/],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'old-tls', /TLS 1\.2 or a later version .*must be updated/],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'old-tls', /TLS 1\.2/],
    ['ERR_SSL_VERSION_TOO_LOW', 'old-tls', /TLS 1\.2/],
    ['ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY', 'handshake', /refuses the TLS handshake .*supports no cipher/],
    ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'handshake', /handshake/],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'handshake', /handshake/],
    ['ERR_SSL_TLSV1_UNRECOGNIZED_NAME', 'handshake', /handshake/],
    ['ERR_SSL_NO_PROTOCOLS_AVAILABLE', 'handshake', /handshake/],
    ['ERR_SSL_DH_KEY_TOO_SMALL', 'handshake', /handshake/],
    ['ERR_SSL_UNSAFE_LEGACY_RENEGOTIATION_DISABLED', 'handshake', /handshake/],
    [
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      'client-certificate',
      /requires a client certificate .*cannot provide one/,
    ],
    ['ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE', 'client-certificate', /client certificate/],
    ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 'client-certificate', /client certificate/],
    ['CERT_HAS_EXPIRED', 'expired', /has expired .*correct the clock/],
    ['CERT_NOT_YET_VALID', 'not-yet-valid', /not yet valid .*Correct the clock/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'wrong-host', /for another host .*Use a host name/],
    ['HOSTNAME_MISMATCH', 'wrong-host', /another host/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'unknown-issuer', /is not trusted \(it failed, .*NODE_EXTRA_CA_CERTS/],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'unknown-issuer', /not trusted/],
    ['UNABLE_TO_GET_ISSUER_CERT', 'unknown-issuer', /not trusted/],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'unknown-issuer', /not trusted/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unknown-issuer', /not trusted/],
    ['CERT_UNTRUSTED', 'unknown-issuer', /not trusted/],
    ['CERT_CHAIN_TOO_LONG', 'bad-certificate', /not accepted .*must be replaced/],
    ['CERT_REJECTED', 'bad-certificate', /not accepted/],
    ['CERT_REVOKED', 'bad-certificate', /not accepted/],
    ['CERT_SIGNATURE_FAILURE', 'bad-certificate', /not accepted/],
    ['INVALID_CA', 'bad-certificate', /not accepted/],
    ['INVALID_PURPOSE', 'bad-certificate', /not accepted/],
    ['PATH_LENGTH_EXCEEDED', 'bad-certificate', /not accepted/],
    ['ERR_SSL_EE_KEY_TOO_SMALL', 'bad-certificate', /not accepted/],
    ['ERR_SSL_CA_KEY_TOO_SMALL', 'bad-certificate', /not accepted/],
    ['ERR_SSL_CA_MD_TOO_WEAK', 'bad-certificate', /not accepted/],
  ]
  test('a wrong setting is recognized by the code of OpenSSL or Node, and reported with advice', () => {
    for (const [code, fault, words] of codes) {
      const error = new ConnectFailure(coded(code))
      assert.equal(settingErrorOf(error), fault, code)
      assert.match(`${describeNetworkError(error)} ${adviceForNetworkError(error)}`, words, code)
      assert.ok(describeNetworkError(error).includes(code), code)
    }
  })
  test('a fault that may pass is not a wrong setting', () => {
    for (const error of [coded('ECONNRESET'), new Error('plain'), undefined]) {
      assert.equal(settingErrorOf(error), undefined)
      assert.equal(adviceForNetworkError(error), '')
    }
  })
  test('only the codes of certificate faults count as certificate errors', () => {
    const ofCertificates = codes.filter(([code]) => isCertificateError(coded(code))).map(([, fault]) => fault)
    assert.deepEqual(
      [...new Set(ofCertificates)],
      ['expired', 'not-yet-valid', 'wrong-host', 'unknown-issuer', 'bad-certificate'],
    )
    assert.equal(isCertificateError(coded('ECONNRESET')), false)
  })
  test('the advice about a certificate begins with what is known about the certificate', () => {
    const error = new ConnectFailure(coded('CERT_HAS_EXPIRED'), 'Its certificate was valid until May.')
    assert.match(adviceForNetworkError(error), /^Its certificate was valid until May\. Renew it on the server/)
  })
})

describe('a proxy that does not pass a request on', () => {
  test('a proxy that does not pass a request on is named by its variable', () => {
    assert.equal(describeNetworkError(proxy(502)), 'the proxy of https_proxy returned 502')
    assert.equal(settingErrorOf(proxy(502)), undefined)
  })
  test('a proxy that requires a password is reported with what is missing, wrong or not supported', () => {
    assert.match(describeNetworkError(proxy(407)), /\(407\), but the environment variable https_proxy has none/)
    assert.match(describeNetworkError(proxy(407, { hasUserName: true })), /https_proxy rejects .*\(407\): correct them/)
    assert.match(
      describeNetworkError(proxy(407, { schemes: ['Negotiate', 'NTLM'] })),
      /requires Negotiate or NTLM authentication \(407\), .*\(Basic\)$/,
    )
    assert.match(describeNetworkError(proxy(407, { schemes: ['Negotiate', 'BASIC'] })), /has none/)
    assert.equal(settingErrorOf(new Error('outer', { cause: proxy(407) })), 'proxy-password')
    assert.equal(adviceForNetworkError(proxy(407)), '')
  })
})

describe('a fault of the network in words', () => {
  test('a network error is described in words, with its code', () => {
    const words: Record<string, RegExp> = {
      ECONNREFUSED: /^the server refuses connections \(ECONNREFUSED\)$/,
      ECONNRESET: /^the connection was reset \(/,
      EPIPE: /^the connection was closed \(/,
      ENOTFOUND: /^the host does not exist \(/,
      EAI_AGAIN: /the DNS lookup of the host failed \(/,
      EHOSTUNREACH: /^the host cannot be reached \(/,
      ENETUNREACH: /^the network cannot be reached \(/,
      ENETDOWN: /^the network is down \(/,
      ETIMEDOUT: /^the connection timed out \(/,
      UND_ERR_CONNECT_TIMEOUT: /could not be established in time \(/,
      UND_ERR_HEADERS_TIMEOUT: /did not respond in time \(/,
      UND_ERR_BODY_TIMEOUT: /stopped partway through \(/,
      UND_ERR_HEADERS_OVERFLOW: /headers of the response are too long \(/,
      UND_ERR_SOCKET: /^the connection was closed \(/,
      UND_ERR_RES_CONTENT_LENGTH_MISMATCH: /^the response was cut off \(/,
    }
    for (const [code, sentence] of Object.entries(words)) assert.match(describeNetworkError(coded(code)), sentence)
  })
  test('a network error with an unknown code is described by its message', () => {
    assert.equal(describeNetworkError(coded('EODD', 'odd')), 'odd (EODD)')
    assert.equal(describeNetworkError(coded('EODD', 'odd EODD')), 'odd EODD')
    assert.equal(describeNetworkError(new Error('first\nsecond')), 'first')
    assert.equal(describeNetworkError(new Error('')), 'Error')
    assert.equal(describeNetworkError('text'), 'text')
  })
  test('a network error names the proxy that could not be used', () => {
    const error = new ConnectFailure(coded('ECONNREFUSED'), undefined, { variable: 'http_proxy', step: 'connection' })
    assert.equal(
      describeNetworkError(error),
      'the proxy of http_proxy cannot be used: the server refuses connections (ECONNREFUSED)',
    )
  })
  test('a network error is described by its innermost cause, without advice about an option of Node', () => {
    const inner = coded(
      'SELF_SIGNED_CERT_IN_CHAIN',
      'self-signed; if the root CA is installed locally, try --use-system-ca',
    )
    const error = new ConnectFailure(new ConnectFailure(inner))
    assert.equal(describeNetworkError(error), 'the certificate is not trusted (self-signed, SELF_SIGNED_CERT_IN_CHAIN)')
  })
  test('an OpenSSL error is described by its reason only', () => {
    const raw = Object.assign(new Error('40AD:error:0A00:ssl.c:77:'), { code: 'ERR_SSL_ODD', reason: 'odd reason' })
    assert.equal(describeNetworkError(new ConnectFailure(raw)), 'odd reason (ERR_SSL_ODD)')
    assert.equal(
      (withoutOpenSslLines(Object.assign(new Error('x:error:y'), { reason: 1 })) as Error).message,
      'TLS failed',
    )
    const plain = new Error('plain')
    assert.equal(withoutOpenSslLines(plain), plain)
    assert.equal(withoutOpenSslLines('a:error:b'), 'a:error:b')
  })
})

test('a request was never sent if no connection was established, whatever the error', () => {
  const never = [
    'ECONNREFUSED',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENETDOWN',
    'UND_ERR_CONNECT_TIMEOUT',
  ]
  for (const code of never) assert.equal(wasNeverSent(coded(code)), true, code)
  for (const code of ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'ETIMEDOUT'])
    assert.equal(wasNeverSent(coded(code)), false, code)
  assert.equal(wasNeverSent(new ConnectFailure(coded('ECONNRESET'))), true)
  assert.equal(wasNeverSent(new Error('outer', { cause: proxy(502) })), true)
  assert.equal(wasNeverSent(new Error('plain')), false)
})

test('an error that the network does not explain is a bug', () => {
  for (const bug of [
    new TypeError('x'),
    new RangeError('x'),
    new ReferenceError('x'),
    new SyntaxError('x'),
    new URIError('x'),
    new EvalError('x'),
    'text',
    undefined,
  ])
    assert.equal(isBug(bug), true, String(bug))
  assert.equal(isBug(coded('UND_ERR_INVALID_ARG')), true)
  for (const fault of [coded('ECONNRESET'), new Error('plain'), new ConnectFailure(new TypeError('x'))])
    assert.equal(isBug(fault), false, String(fault))
})
