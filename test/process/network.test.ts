import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import { generate } from 'selfsigned'
import { runAction } from '../support/run-action.ts'
import { testFolder } from '../support/temporary-folder.ts'

describe('a gateway with a certificate of its own', () => {
  let folder: string
  let certificate: string
  let key: string
  before(async () => {
    folder = await testFolder('tls')
    const name = [
      { name: 'organizationName', value: 'Private Gateway' },
      { name: 'commonName', value: 'gateway' },
    ]
    const made = await generate(name, {
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
    })
    key = made.private
    certificate = path.join(folder, 'cert.pem')
    await writeFile(certificate, made.cert)
  })

  async function ask(env: Record<string, string>, create: typeof createServer = createServer) {
    const asked: string[] = []
    const server = create({ key, cert: await readFile(certificate) }, (request, response) => {
      asked.push(request.httpVersion)
      response.end('{"id":"abc","status":"succeeded","output":"x"}')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const run = await runAction({
      inputs: {
        'prediction-id': 'abc',
        'api-key': 'sk-secret-0123456789',
        'api-url': `https://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
      },
      env,
    })
    server.close()
    return { run, asked }
  }

  test('an untrusted certificate ends the step at once, with its name and the setting that trusts it', async () => {
    const { run, asked } = await ask({})
    assert.equal(run.exitCode, 1)
    assert.match(
      run.errors[0] ?? '',
      /self.signed certificate.*Its certificate is for "Private Gateway, gateway", issued by "Private Gateway, gateway", valid until .*NODE_EXTRA_CA_CERTS/,
    )
    assert.deepEqual(asked, [])
  })

  test('a self-signed certificate is trusted with NODE_EXTRA_CA_CERTS', async () => {
    const { run, asked } = await ask({ NODE_EXTRA_CA_CERTS: certificate })
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(asked, ['1.1'])
  })

  test('a gateway that supports HTTP/2 is requested over HTTP/2', async () => {
    const { run, asked } = await ask({ NODE_EXTRA_CA_CERTS: certificate }, createSecureServer as never)
    assert.equal(run.exitCode, 0, run.log)
    assert.deepEqual(asked, ['2.0'])
  })
})
