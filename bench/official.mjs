/** Waits for predictions with the official client, all at once: `node official.mjs ORDERS`, a JSON file. */
import { readFile } from 'node:fs/promises'
import Replicate from 'replicate'

const { auth, baseUrl, ids } = JSON.parse(await readFile(process.argv[2], 'utf8'))
const replicate = new Replicate({ auth, baseUrl })
await Promise.all(ids.map((id) => replicate.wait({ id }, { interval: 500 })))
