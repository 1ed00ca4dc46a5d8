// Loads a module with its mutants in place of the module itself, and writes down which of them the tests reach. Each
// process that a test starts does so too.
import { appendFileSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

const { MUTATED_FILE, INSTRUMENTED, COVERED } = process.env

registerHooks({
  load(url, context, next) {
    if (url !== MUTATED_FILE) return next(url, context)
    return { format: 'module-typescript', source: readFileSync(INSTRUMENTED, 'utf8'), shortCircuit: true }
  },
})
if (COVERED) {
  process.on('exit', () => {
    const reached = Object.keys(globalThis.__stryker__?.mutantCoverage?.static ?? {})
    appendFileSync(COVERED, reached.map((id) => `${id}\n`).join(''))
  })
}
