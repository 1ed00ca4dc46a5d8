import assert from 'node:assert/strict'
import { glob, readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import ts from 'typescript'

const ROOT = path.resolve(import.meta.dirname, '..')

/** The files of src/ that have the pattern. */
async function having(pattern: RegExp): Promise<string[]> {
  const found: string[] = []
  for await (const file of glob('src/**/*.ts', { cwd: ROOT })) {
    if (pattern.test(await readFile(path.join(ROOT, file), 'utf8'))) found.push(file.replaceAll('\\', '/'))
  }
  return found.sort()
}

// What Biome checks too is not here: console, process.env, and the printing functions of @actions/core.
describe('the sources', () => {
  test('only print.ts writes to standard output', async () => {
    assert.deepEqual(await having(/\bstd(?:out|err)\b/), ['src/runner/print.ts'])
  })
  test('only failure.ts sets the exit code of the process, and only interrupt.ts ends it', async () => {
    assert.deepEqual(await having(/\bexitCode\b|\bsetFailed\b/), ['src/runner/failure.ts'])
    assert.deepEqual(await having(/\bprocess\.(?:exit|kill|abort)\(/), ['src/runner/interrupt.ts'])
  })
  test('the body of a condition or a loop is in braces or on the same line', async () => {
    assert.deepEqual(await linesWith(hasLooseBody), [])
  })
  test('a regular expression of more than 80 characters is built from named parts', async () => {
    assert.deepEqual(await linesWith((node) => ts.isRegularExpressionLiteral(node) && node.text.length > 80), [])
  })
})

/** The places in src/, scripts/ and bench/ whose syntax a rule finds. */
async function linesWith(rule: (node: ts.Node, file: ts.SourceFile) => boolean): Promise<string[]> {
  const found: string[] = []
  for await (const name of glob('{src,scripts,bench}/**/*.ts', { cwd: ROOT })) {
    const text = await readFile(path.join(ROOT, name), 'utf8')
    const file = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true)
    const visit = (node: ts.Node) => {
      if (rule(node, file)) found.push(`${name}:${lineOf(node.getStart(), file) + 1}`)
      node.forEachChild(visit)
    }
    visit(file)
  }
  return found
}

const lineOf = (position: number, file: ts.SourceFile) => file.getLineAndCharacterOfPosition(position).line

function hasLooseBody(node: ts.Node, file: ts.SourceFile): boolean {
  const parent = node.parent
  const isBody =
    (ts.isIfStatement(parent ?? node) && ts.isStatement(node)) ||
    (parent !== undefined && ts.isIterationStatement(parent, false) && parent.statement === node)
  const isElseIf = ts.isIfStatement(node) && ts.isIfStatement(parent)
  if (!isBody || ts.isBlock(node) || isElseIf) return false
  const keyword = node.getFullStart() - 1
  return lineOf(keyword, file) !== lineOf(node.getEnd(), file)
}
