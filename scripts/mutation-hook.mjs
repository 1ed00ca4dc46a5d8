// Loads a module with its mutants in place of the module itself, and writes down which of them the tests reach.
import { readFileSync, writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

const { MUTATED_FILE, INSTRUMENTED, COVERED } = process.env

registerHooks({
  load(url, context, next) {
    if (url !== MUTATED_FILE) return next(url, context)
    return { format: 'module-typescript', source: readFileSync(INSTRUMENTED, 'utf8'), shortCircuit: true }
  },
})
if (COVERED) {
  process.on('exit', () =>
    writeFileSync(COVERED, JSON.stringify(Object.keys(globalThis.__stryker__?.mutantCoverage?.static ?? {}))),
  )
}
