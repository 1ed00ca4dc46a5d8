import { counted } from './format.ts'
import type { RunInputs } from './inputs.ts'
import { info } from './print.ts'
import type { Plan } from './skip-existing.ts'

/** Prints what would be started: names and targets, not the inputs, which may be private. */
export function dryRun({ toStart, skipped }: Plan, { target, maxParallel, attempts }: RunInputs): void {
  const what = Object.entries(target).map(([kind, name]) => `${kind} ${name}`)
  for (const { name, input } of toStart) {
    info(`would start ${name}: ${what.join()} with ${Object.keys(input).join(', ') || 'no input'}`)
  }
  const more = [
    skipped.length > 0 ? `${skipped.length} already ${skipped.length === 1 ? 'exists' : 'exist'}` : '',
    toStart.length > 1 ? `at most ${maxParallel} at the same time` : '',
    attempts > 1 ? `up to ${attempts} attempts each` : '',
  ]
  info(
    `Dry run: ${[`${counted(toStart.length, 'prediction')} would be started`, ...more].filter(Boolean).join(', ')}. Nothing was started.`,
  )
}
