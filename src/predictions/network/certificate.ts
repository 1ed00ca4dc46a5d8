import type { PeerCertificate } from 'node:tls'
import { clip } from '../text.ts'

/**
 * Who a certificate is for, who issued it and until when it is valid, as a sentence for an error that says that it is not
 * accepted. Undefined if the server showed none.
 */
export function describeCertificate(certificate: PeerCertificate | null): string | undefined {
  if (!certificate?.subject) return undefined
  const { subject, issuer, subjectaltname, valid_from, valid_to } = certificate
  const name = (who: Partial<Record<string, string | string[]>>) => [who.O, who.CN].flat().filter(Boolean).join(', ')
  const hosts = subjectaltname === undefined ? '' : `, for the hosts ${clip(subjectaltname, LONGEST_LIST)}`
  return `Its certificate is for "${name(subject)}", issued by "${name(issuer)}", valid until ${valid_to}${from(valid_from)}${hosts}.`
}

/** Characters of the list of hosts; those of large hosters have hundreds. */
const LONGEST_LIST = 200

/** The beginning matters only if it is still to come. */
const from = (date: string) => (Date.parse(date) > Date.now() ? `, not before ${date}` : '')
