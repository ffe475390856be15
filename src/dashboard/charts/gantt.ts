/** When each stage ran: one bar a stage on a common clock. */
import { duration } from '../format.js'
import { markup, shorten, type Markup } from '../../core/html.js'
import { linear } from './axis.js'
import { STATUS_FILL, STATUS_WORD, type StageStatus } from './status.js'
import { at, svg } from './svg.js'

export interface GanttRow {
  readonly name: string
  readonly status: StageStatus
  /** Seconds after the start of the run. */
  readonly start: number
  readonly seconds: number
}

/** Percent of the width that names take. */
const LEFT = 26

/** Positions are percentages of the width, so bars stretch with the page while text keeps its size. */
export function ganttChart(rows: readonly GanttRow[], total?: number): Markup {
  const pitch = 28
  const bottom = rows.length * pitch + 6
  const end = Math.max(total ?? 0, ...rows.map((r) => (r.start + r.seconds > 0 ? r.start + r.seconds : 0)))
  const x = linear([0, end > 0 ? end : 1], [LEFT, 100], { nice: false, count: 4 })
  const clamp = (v: number) => Math.min(100, Math.max(LEFT, x(Number.isFinite(v) ? v : 0)))
  return svg(
    {
      width: 360,
      height: bottom + 22,
      size: 'stretch',
      title: 'Stages over time',
      description: rows
        .map((r) => `${shorten(r.name, 60)}: ${r.status}, from ${duration(r.start)} for ${duration(r.seconds)}`)
        .join('; '),
    },
    [
      x.ticks.map(
        (t) =>
          markup`<line class="grid" x1="${at(x(t))}%" x2="${at(x(t))}%" y1="0" y2="${at(bottom)}"/><text class="small${t === 0 ? '' : x(t) > 96 ? ' end' : ' mid'}" x="${at(x(t))}%" y="${at(bottom + 15)}">${t === 0 ? '0' : duration(t)}</text>`,
      ),
      rows.map((row, i) => {
        const y = i * pitch + 4
        const [from, to] = [clamp(row.start), clamp(row.start + row.seconds)]
        const bar =
          row.status === 'pending' || row.status === 'skipped'
            ? false
            : markup`<rect class="${STATUS_FILL[row.status]}" x="${at(Math.min(from, 99.5))}%" y="${at(y + 3)}" width="${at(Math.max(0.5, to - from))}%" height="16" rx="3"><title>${row.name}: ${duration(row.seconds)}</title></rect>`
        // The time stands in a long bar, else after it, else (no room) before it.
        const place =
          to - from >= 22
            ? { x: to, dx: -7, style: 'onmark end' }
            : to <= 80
              ? { x: Math.max(to, LEFT + 0.5), dx: 6, style: 'halo' }
              : { x: from, dx: -6, style: 'halo end' }
        const time =
          row.status === 'success' || row.status === 'failed' ? duration(row.seconds) : STATUS_WORD[row.status]
        return markup`<text class="strong" x="0" y="${at(y + 15)}">${shorten(row.name, 14)}</text>${bar}<text class="${place.style}" x="${at(place.x)}%" dx="${place.dx}" y="${at(y + 15)}">${time}</text>`
      }),
    ],
  )
}
