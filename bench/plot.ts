/** A line through measured points, both axes logarithmic, as SVG that reads on light and dark pages. */
export interface Plot {
  title: string
  x: string
  y: string
  points: readonly (readonly [number, number])[]
}

const WIDTH = 420
const HEIGHT = 280
const MARGIN = { left: 64, right: 16, top: 34, bottom: 44 }

export function svg({ title, x, y, points }: Plot): string {
  const axis = (values: readonly number[], from: number, to: number) => {
    const low = Math.floor(Math.log10(Math.min(...values)))
    const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))
    const place = (value: number) => from + ((Math.log10(value) - low) / (high - low)) * (to - from)
    return { place, ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)) }
  }
  const across = axis(
    points.map(([value]) => value),
    MARGIN.left,
    WIDTH - MARGIN.right,
  )
  const up = axis(
    points.map(([, value]) => value),
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
  )
  const label = (value: number) => (value >= 1000 ? `${value / 1000}k` : String(Number(value.toPrecision(3))))
  const place = ([a, b]: readonly [number, number]) => [across.place(a).toFixed(1), up.place(b).toFixed(1)] as const
  const grid = [
    ...across.ticks.map((tick) => `<path d="M${across.place(tick)} ${MARGIN.top}V${HEIGHT - MARGIN.bottom}"/>`),
    ...up.ticks.map((tick) => `<path d="M${MARGIN.left} ${up.place(tick)}H${WIDTH - MARGIN.right}"/>`),
  ]
  const words = [
    `<text x="${MARGIN.left}" y="18" font-weight="600">${title}</text>`,
    ...across.ticks.map(
      (tick) => `<text x="${across.place(tick)}" y="${HEIGHT - 26}" text-anchor="middle">${label(tick)}</text>`,
    ),
    ...up.ticks.map(
      (tick) => `<text x="${MARGIN.left - 8}" y="${up.place(tick) + 4}" text-anchor="end">${label(tick)}</text>`,
    ),
    `<text x="${WIDTH - MARGIN.right}" y="${HEIGHT - 8}" text-anchor="end">${x}</text>`,
    `<text x="12" y="${MARGIN.top - 4}">${y}</text>`,
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="system-ui, sans-serif" font-size="11" fill="#768390" role="img">
<title>${title}</title>
<g stroke="#76839055">${grid.join('')}</g>
${words.join('\n')}
<polyline fill="none" stroke="#4493f8" stroke-width="2" points="${points.map((point) => place(point).join(',')).join(' ')}"/>
<g fill="#4493f8">${points
    .map((point) => place(point))
    .map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3"/>`)
    .join('')}</g>
</svg>
`
}
