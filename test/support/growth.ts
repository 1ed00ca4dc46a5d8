import assert from 'node:assert/strict'

const TIMES = 8
/** What the cost of linear work may vary by: a quadratic cost would be 64 times the small one. */
const SLACK = 3
/** Microseconds in which a collection of garbage fits. */
const NOISE = 100_000

/**
 * Asserts that the CPU time of an act grows with its size and not with the square. Both are measured in this process, so
 * that the load of the machine hardly counts.
 * @param make prepares the act of a size, which is not measured
 */
export function assertGrowsWithSize(make: (size: number) => () => unknown, small: number, name = ''): void {
  cpuTime(make(small))
  const [few, many] = [cpuTime(make(small)), cpuTime(make(small * TIMES))]
  assert.ok(many < SLACK * TIMES * few + NOISE, `${name}: ${few} µs, and ${many} µs for ${TIMES} times as much`)
}

/** Microseconds. */
function cpuTime(act: () => unknown): number {
  const { user } = process.cpuUsage()
  act()
  return process.cpuUsage({ user, system: 0 }).user
}
