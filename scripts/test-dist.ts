/**
 * Checks that dist is what a fresh build makes of src, then runs the process tests on it. New, missing and changed
 * files all count. What is tested is what users run: on the sources the process tests run only while developing.
 */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')

/** Every file of a folder by its path in it, with `/` between folders. */
async function contents(folder: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
  return new Map(
    await Promise.all(
      files.map(async (file) => [path.relative(folder, file).replaceAll(path.sep, '/'), await readFile(file)] as const),
    ),
  )
}

function run(args: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  const { status } = spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

const fresh = await mkdtemp(path.join(tmpdir(), 'await-prediction-dist-'))
run(['scripts/build.ts', fresh])
const [committed, built] = await Promise.all([contents(path.join(root, 'dist')), contents(fresh)])
await rm(fresh, { recursive: true })
const differing = [...new Set([...committed.keys(), ...built.keys()])].filter(
  (name) => !(committed.get(name) ?? Buffer.of(0)).equals(built.get(name) ?? Buffer.of(1)),
)
if (differing.length > 0) {
  console.error(`dist is not what src builds to; run npm run build and commit it. Different: ${differing.join(', ')}`)
  process.exit(1)
}
console.log(`dist: ${built.size} files, the same as a fresh build`)
run(['--test', '--test-concurrency=3', 'test/process/*.test.ts'], { ...process.env, ACTION_FROM: 'dist' })
