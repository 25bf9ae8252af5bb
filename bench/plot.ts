/** One line of the plot: how many times the cost of bare Hono. */
export interface Bar {
  readonly group: string
  readonly name: string
  readonly ratio: number
  readonly low: number
  readonly high: number
  readonly ours: boolean
}

const WIDTH = 860
const LEFT = 250
const RIGHT = 90
const ROW = 20
const GROUP_GAP = 30
const TOP = 56
const TICKS = [1, 2, 5, 10, 20, 50, 100]
// Greys and hues of middle lightness: legible on white and on black alike, whoever embeds the image.
const COLOURS = { text: '#7d8590', grid: '#7d859055', ours: '#2f9e6e', peers: '#d0743c' }

/** Ratios to bare Hono as an SVG, on a logarithmic scale, with the 95% interval as a line on each bar. */
export function plot(title: string, bars: readonly Bar[]): string {
  const groups = Map.groupBy(bars, ({ group }) => group)
  const most = Math.max(2, ...bars.map(({ high }) => high))
  const x = (ratio: number): number =>
    LEFT + ((WIDTH - LEFT - RIGHT) * Math.log(Math.max(ratio, 1))) / Math.log(most * 1.1)
  const out: string[] = []
  let y = TOP
  for (const [group, rows] of groups) {
    out.push(text(12, y + 14, group, 'start', 'bold'))
    for (const { name, ratio, low, high, ours } of rows) {
      const colour = ours ? COLOURS.ours : COLOURS.peers
      out.push(
        text(LEFT - 8, y + 14, name, 'end'),
        `<rect x="${LEFT}" y="${y + 3}" width="${place(x(ratio) - LEFT)}" height="${ROW - 6}" rx="2" fill="${colour}"/>`,
        `<path d="M${place(x(low))} ${y + ROW / 2}H${place(x(high))}" stroke="${COLOURS.text}" stroke-width="2"/>`,
        text(x(high) + 8, y + 14, `${ratio.toFixed(ratio < 10 ? 2 : 1)}×`, 'start'),
      )
      y += ROW
    }
    y += GROUP_GAP - ROW / 2
  }
  const bottom = y - GROUP_GAP + ROW / 2 + 6
  const grid = TICKS.filter((tick) => tick <= most * 1.1).flatMap((tick) => [
    `<path d="M${place(x(tick))} ${TOP - 4}V${bottom}" stroke="${COLOURS.grid}"/>`,
    text(x(tick), bottom + 18, `${tick}×`, 'middle'),
  ])
  const height = bottom + 30
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="${escaped(title)}">
<title>${escaped(title)}</title>
${[text(12, 24, title, 'start', 'bold'), ...grid, ...out].join('\n')}
</svg>
`
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end', weight = 'normal'): string {
  return `<text x="${place(x)}" y="${y}" text-anchor="${anchor}" font-weight="${weight}" fill="${COLOURS.text}">${escaped(content)}</text>`
}

function place(value: number): string {
  return value.toFixed(1)
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
