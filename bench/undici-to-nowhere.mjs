/** Fetches files, six at once, and throws them away: what the HTTP client costs by itself. `node undici-to-nowhere.mjs URL…` */
import { Agent } from 'undici'

const agent = new Agent()
const urls = process.argv.slice(2).map((url) => new URL(url))
async function fetchThem() {
  for (let url = urls.pop(); url; url = urls.pop()) {
    const { body } = await agent.request({ origin: url.origin, path: url.pathname, method: 'GET' })
    await new Promise((resolve, reject) => body.on('error', reject).on('end', resolve).resume())
  }
}
await Promise.all(Array.from({ length: 6 }, fetchThem))
await agent.close()
