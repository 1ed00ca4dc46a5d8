import { writeFile } from 'node:fs/promises'
import { generate } from 'selfsigned'
import { temporaryFolder } from './temporary-folder.ts'

/** What a server needs to speak TLS. */
export interface Certificate {
  readonly key: string
  readonly cert: string
}

export interface Authority extends AsyncDisposable {
  readonly certificate: Certificate
  /** The file that holds the authority's own certificate. */
  readonly caFile: string
  /** What makes a process trust the authority. */
  readonly env: { readonly NODE_EXTRA_CA_CERTS: string }
}

const ORGANIZATION = { name: 'organizationName', value: 'Private Gateway' }

/** A certificate authority of its own, and a certificate from it for 127.0.0.1, localhost and `names`. */
export async function certificateAuthority(...names: string[]): Promise<Authority> {
  const authority = await generate([ORGANIZATION, { name: 'commonName', value: 'Private Authority' }], {
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
  const made = await generate([ORGANIZATION, { name: 'commonName', value: 'gateway' }], {
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: 'basicConstraints', cA: false },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 7, ip: '127.0.0.1' },
          ...['localhost', ...names].map((value) => ({ type: 2 as const, value })),
        ],
      },
    ],
  })
  const folder = await temporaryFolder('authority')
  const caFile = folder.file('ca.pem')
  await writeFile(caFile, authority.cert)
  return {
    certificate: { key: made.private, cert: made.cert },
    caFile,
    env: { NODE_EXTRA_CA_CERTS: caFile },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}
