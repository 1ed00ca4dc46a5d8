import { cpus } from 'node:os'

/** One measurement: a table, each row with the same columns. Ratios have × in the name of their column. */
export interface Section {
  name: string
  title: string
  rows: Record<string, string>[]
}

export const machine = () =>
  `Node ${process.versions.node}, ${process.platform} ${process.arch}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'})`

/** The table as Markdown. */
export function tableOf({ rows }: Section): string {
  const columns = Object.keys(rows[0] ?? {})
  return markdownTable(
    columns,
    rows.map((row) => columns.map((column) => row[column] ?? '')),
    columns.map((_, i) => (i === 0 ? '---' : '---:')),
  )
}

/** Rows of cells as a table of Markdown. @param rule how each column is aligned, as Markdown says it */
export const markdownTable = (
  head: readonly string[],
  rows: readonly (readonly string[])[],
  rule: readonly string[] = head.map(() => '---'),
): string =>
  [head, rule, ...rows]
    .map((row) => `| ${row.map((cell) => cell.trim().replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}
