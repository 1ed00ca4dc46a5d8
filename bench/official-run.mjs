/** From inputs to files with the official client, as its README shows: `node official-run.mjs ORDERS`, a JSON file. */
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import Replicate from 'replicate'

const { auth, baseUrl, model, inputs, parallel, folder } = JSON.parse(await readFile(process.argv[2], 'utf8'))
const replicate = new Replicate({ auth, baseUrl })
const queue = Object.entries(inputs).values()
const worker = async () => {
  for (const [name, input] of queue) {
    const [file] = await replicate.run(model, { input })
    await writeFile(path.join(folder, `${name}.bin`), file)
  }
}
await Promise.all(Array.from({ length: parallel }, worker))
