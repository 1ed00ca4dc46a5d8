/**
 * An error that a retry cannot fix, because a setting is wrong: on this side, on the server, or at the proxy.
 * `not-tls`: the port does not speak TLS; `handshake`: the two sides find no way to speak TLS with each other.
 */
export type SettingError =
  | 'not-tls'
  | 'old-tls'
  | 'handshake'
  | 'client-certificate'
  | 'expired'
  | 'not-yet-valid'
  | 'wrong-host'
  | 'unknown-issuer'
  | 'bad-certificate'
  | 'proxy-password'

/** What a setting error is called, and what to do about it. */
export const SETTING_ERRORS: Readonly<Record<SettingError, { words: string; advice: string }>> = {
  'not-tls': {
    words: 'the server does not speak TLS on this port',
    advice: 'Check the scheme and the port of the address: plain HTTP needs http://.',
  },
  'old-tls': {
    words: 'the server does not speak TLS 1.2 or a later version',
    advice: 'Older versions are insecure, so the server must be updated.',
  },
  handshake: {
    words: 'the server refuses the TLS handshake',
    advice:
      'It does not serve this host, requires a client certificate, which this action cannot provide, or supports no cipher of TLS 1.2 or later.',
  },
  'client-certificate': {
    words: 'the server requires a client certificate',
    advice: 'This action cannot provide one: use an address that requires only the key.',
  },
  expired: {
    words: 'the certificate has expired',
    advice: 'Renew it on the server or, if it is still valid, correct the clock of the runner.',
  },
  'not-yet-valid': {
    words: 'the certificate is not yet valid',
    advice: 'Correct the clock of the runner, or wait until the certificate is valid.',
  },
  'wrong-host': {
    words: 'the certificate is for another host',
    advice: 'Use a host name that the certificate lists.',
  },
  'unknown-issuer': {
    words: 'the certificate is not trusted',
    advice:
      'If a proxy or a private gateway signs its own certificates, set NODE_EXTRA_CA_CERTS to the path of the CA certificate (PEM), in the environment of the step, the job or the runner.',
  },
  'bad-certificate': {
    words: 'the certificate is not accepted',
    advice: 'It must be replaced on the server.',
  },
  'proxy-password': {
    words: 'the proxy requires a user name and a password',
    advice: '',
  },
}

/** Codes of OpenSSL (X509_V_ERR_… without the prefix, TLS alerts, ERR_SSL_…) and of Node. */
export const SETTING_CODES: Readonly<Record<string, SettingError>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: 'not-tls',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'not-tls',
  ERR_SSL_HTTP_REQUEST: 'not-tls',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'old-tls',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'old-tls',
  ERR_SSL_VERSION_TOO_LOW: 'old-tls',
  ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY: 'handshake',
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE': 'handshake',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: 'handshake',
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: 'handshake',
  ERR_SSL_NO_PROTOCOLS_AVAILABLE: 'handshake',
  ERR_SSL_DH_KEY_TOO_SMALL: 'handshake',
  ERR_SSL_UNSAFE_LEGACY_RENEGOTIATION_DISABLED: 'handshake',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'client-certificate',
  'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE': 'client-certificate',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'client-certificate',
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not-yet-valid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'wrong-host',
  HOSTNAME_MISMATCH: 'wrong-host',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'unknown-issuer',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown-issuer',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown-issuer',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown-issuer',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown-issuer',
  CERT_UNTRUSTED: 'unknown-issuer',
  CERT_CHAIN_TOO_LONG: 'bad-certificate',
  CERT_REJECTED: 'bad-certificate',
  CERT_REVOKED: 'bad-certificate',
  CERT_SIGNATURE_FAILURE: 'bad-certificate',
  INVALID_CA: 'bad-certificate',
  INVALID_PURPOSE: 'bad-certificate',
  PATH_LENGTH_EXCEEDED: 'bad-certificate',
  ERR_SSL_EE_KEY_TOO_SMALL: 'bad-certificate',
  ERR_SSL_CA_KEY_TOO_SMALL: 'bad-certificate',
  ERR_SSL_CA_MD_TOO_WEAK: 'bad-certificate',
}

/** Errors that the certificate explains. */
export const OF_CERTIFICATES: ReadonlySet<SettingError | undefined> = new Set<SettingError>([
  'expired',
  'not-yet-valid',
  'wrong-host',
  'unknown-issuer',
  'bad-certificate',
])
