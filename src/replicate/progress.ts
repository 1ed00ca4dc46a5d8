export interface Progress {
  at: string
  fraction: number
  left?: number
  text: string
}
export function progressOf(logs: string): Progress | undefined {
  const tail = logs.slice(-2000)
  const m = [...tail.matchAll(/(\d{1,3}(?:\.\d+)?) ?%[^\n\r]*/g)].at(-1)
  if (!m) return undefined
  const fraction = Number(m[1]) / 100
  const left = /<(\d+):(\d+)/.exec(m[0])
  return fraction <= 1
    ? {
        at: `${logs.length - tail.length + (m.index ?? 0)} ${m[0]}`,
        fraction,
        text: `${m[1]} %`,
        ...(left ? { left: Number(left[1]) * 60 + Number(left[2]) } : {}),
      }
    : undefined
}
export const isProgressLine = (line: string): boolean => /^\s*(\w+:? *)?\d{1,3}(\.\d+)? ?%/.test(line)
