import { connect } from 'node:tls'

/**
 * Who the certificate of a host is for, who issued it and until when it is valid, for an error that says that it is not
 * trusted. Only looks at it: nothing is sent. Undefined where it cannot be had within a few seconds.
 */
export function peerCertificate({ hostname, port }: URL): Promise<string | undefined> {
  return new Promise((resolve) => {
    const name = (subject: Partial<Record<string, string | string[]>> | undefined) =>
      [subject?.O, subject?.CN].flat().filter(Boolean).join(', ')
    const options = {
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port || 443),
      servername: hostname,
      rejectUnauthorized: false,
      timeout: 5000,
    }
    const socket = connect(options, () => {
      const { subject, issuer, valid_to } = socket.getPeerCertificate()
      socket.destroy()
      resolve(
        subject
          ? `Its certificate is for "${name(subject)}", issued by "${name(issuer)}", valid until ${valid_to}.`
          : undefined,
      )
    })
    const give = () => {
      socket.destroy()
      resolve(undefined)
    }
    socket.on('error', give).on('timeout', give)
  })
}
