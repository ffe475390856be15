/** When each stage ran: one bar a stage on a common clock. */
import { duration } from '../format.js'
import { html, shorten, type Markup } from '../html.js'
import { linear } from './axis.js'
import { STATUS_FILL, type StageStatus } from './status.js'
import { at, svg } from './svg.js'

export interface GanttRow {
  readonly name: string
  readonly status: StageStatus
  /** Seconds after the start of the run. */
  readonly start: number
  readonly seconds: number
}

/** Positions are percentages of the width, so bars stretch with the page while text keeps its size. */
export function ganttChart(rows: readonly GanttRow[], total?: number): Markup {
  const pitch = 28
  const bottom = rows.length * pitch + 6
  const end = Math.max(total ?? 0, ...rows.map((r) => (r.start + r.seconds > 0 ? r.start + r.seconds : 0)))
  const x = linear([0, end > 0 ? end : 1], [27, 88], { nice: false, count: 4 })
  const clamp = (v: number) => Math.min(88, Math.max(27, x(Number.isFinite(v) ? v : 0)))
  const chart = svg(
    {
      width: 360,
      height: bottom + 22,
      size: 'native',
      title: 'Stages over time',
      description: rows
        .map((r) => `${shorten(r.name, 60)}: ${r.status}, from ${duration(r.start)} for ${duration(r.seconds)}`)
        .join('; '),
    },
    [
      x.ticks.map(
        (t) =>
          html`<line class="grid" x1="${at(x(t))}%" x2="${at(x(t))}%" y1="0" y2="${at(bottom)}" /><text
              class="small ${t === 0 ? '' : 'mid'}"
              x="${at(x(t))}%"
              y="${at(bottom + 15)}"
              >${t === 0 ? '0' : duration(t)}</text
            >`,
      ),
      rows.map((row, i) => {
        const y = i * pitch + 4
        const [from, to] = [clamp(row.start), clamp(row.start + row.seconds)]
        return html`<text class="strong" x="0" y="${at(y + 15)}">${shorten(row.name, 14)}</text
          ><rect
            class="${STATUS_FILL[row.status]}"
            x="${at(Math.min(from, 87.4))}%"
            y="${at(y + 3)}"
            width="${at(Math.max(0.6, to - from))}%"
            height="14"
            rx="3"
            ><title>${row.name}: ${duration(row.seconds)}</title></rect
          ><text class="end" x="100%" y="${at(y + 15)}"
            >${row.status === 'cached' ? 'cached' : row.status === 'pending' || row.status === 'skipped' ? row.status : duration(row.seconds)}</text
          >`
      }),
    ],
  )
  return chart
}
