/** Estimates with their intervals, one row each, on a common axis. */
import { number, score } from '../format.js'
import { markup, shorten, type Markup } from '../../core/html.js'
import { linear, xAxis } from './axis.js'
import { at, path, svg } from './svg.js'

export interface DotWhiskerRow {
  readonly label: string
  /** Grey text after the label, e.g. the rows behind it. */
  readonly detail?: string
  readonly value: number
  readonly low: number
  readonly high: number
  /** What a constant answer scores: a hollow diamond. */
  readonly baseline?: number
}

export interface DotWhiskerData {
  readonly title: string
  readonly rows: readonly DotWhiskerRow[]
  /** A vertical line through all rows, e.g. the score on all rows. */
  readonly reference?: { readonly value: number; readonly label: string }
}

/** Label and value above, whisker below, so that long names and a phone do not squeeze the axis. */
export function dotWhiskerChart(data: DotWhiskerData): Markup {
  const [width, left, right, top, pitch] = [360, 16, 344, data.reference ? 22 : 6, 40]
  const bottom = top + data.rows.length * pitch + 4
  const finite = data.rows.flatMap((r) => [r.value, r.low, r.high, r.baseline ?? NaN])
  const unit = finite.every((v) => !(v < 0 || v > 1))
  const reference = data.reference
  const wide = linear(finite, [left, right], { count: 5, include: reference ? [reference.value] : [] })
  // Nothing is better than 1: do not let nice ticks suggest it.
  const x = unit && wide.domain[1] > 1 ? linear([wide.domain[0], 1], [left, right], { count: 5, nice: false }) : wide
  return svg(
    {
      width,
      height: bottom + 24,
      title: data.title,
      description: `${data.rows.map((r) => `${shorten(r.label, 60)} ${number(r.value, 3)} (${number(r.low, 3)} to ${number(r.high, 3)})${r.baseline === undefined ? '' : `, baseline ${number(r.baseline, 3)}`}`).join('; ')}.${reference ? ` ${reference.label} ${number(reference.value, 3)}.` : ''}`,
    },
    [
      x.ticks.map((t) => markup`<path class="grid" d="M${at(x(t))} ${at(top)}V${at(bottom)}"/>`),
      reference && Number.isFinite(reference.value)
        ? markup`<path class="rule" d="M${at(x(reference.value))} ${at(top - 4)}V${at(bottom)}"/><text class="mid small" x="${at(Math.min(right - 40, Math.max(left + 40, x(reference.value))))}" y="12">${reference.label} ${score(reference.value)}</text>`
        : false,
      data.rows.map((row, i) => {
        const y = top + i * pitch + 28
        const known = Number.isFinite(row.value)
        const baseline = row.baseline
        const label = shorten(row.label, row.detail === undefined ? 32 : 26)
        return markup`<text class="strong halo" x="2" y="${at(y - 10)}">${label}${row.detail !== undefined && markup` <tspan class="small quiet">${row.detail}</tspan>`}</text><text class="strong halo end" x="358" y="${at(y - 10)}">${score(row.value)}</text>${
          known &&
          markup`<path class="line s1"
              d="${path([
                [x(Number.isFinite(row.low) ? row.low : row.value), y],
                [x(Number.isFinite(row.high) ? row.high : row.value), y],
              ])}"/>`
        }${
          baseline !== undefined && Number.isFinite(baseline)
            ? markup`<path class="s0 fpaper" stroke-width="1.5" d="M${at(x(baseline))} ${at(y - 5)}l5 5l-5 5l-5-5z"><title>baseline ${number(baseline, 3)}</title></path>`
            : false
        }${known && markup`<circle class="f1" cx="${at(x(row.value))}" cy="${at(y)}" r="4.5"><title>${number(row.value)} (${number(row.low)} to ${number(row.high)})</title></circle>`}`
      }),
      xAxis(x, bottom),
    ],
  )
}
