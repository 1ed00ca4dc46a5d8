import { type SpawnOptions, spawn } from 'node:child_process'

const running = new Set<number>()

function kill(group: number): void {
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // All of its processes have ended.
  }
}

// A process group of its own hears no Ctrl-C in the terminal.
process.on('exit', () => running.forEach(kill))
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => process.exit(code))
}

/**
 * Runs a command in a process group of its own. At its end, and when its time is over, no process of the group is left.
 * @param limit in seconds
 * @returns whether it exited with 0 in time
 */
export function succeedsInTime(args: readonly string[], limit: number, options: SpawnOptions): Promise<boolean> {
  const run = spawn(process.execPath, args, { stdio: 'ignore', ...options, detached: true })
  return new Promise((resolve, reject) => {
    run.on('error', reject)
    const group = run.pid
    if (group === undefined) return
    running.add(group)
    const timer = setTimeout(() => kill(group), limit * 1000)
    run.on('exit', (code) => {
      clearTimeout(timer)
      kill(group)
      running.delete(group)
      resolve(code === 0)
    })
  })
}
