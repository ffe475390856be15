/** Reliability diagram: what was predicted against what happened, with the rows behind each point. */
import { count, number, percent } from '../format.js'
import { markup, type Markup } from '../../core/html.js'
import { UNIT, unitSquare } from './curve.js'
import { axisNames, xAxis, yAxis } from './axis.js'
import { at, path, svg } from './svg.js'

export interface CalibrationData {
  readonly bins: readonly { readonly predicted: number; readonly observed: number; readonly count: number }[]
  readonly ece: number
  /** The same rows before their probabilities were corrected. */
  readonly before?: readonly { readonly predicted: number; readonly observed: number }[]
}

/** Dots with area by rows on the unit square, the diagonal, and bars of row counts along the bottom. */
export function calibrationChart(data: CalibrationData): Markup {
  const { width, height, left, right, top, bottom } = UNIT
  const { x, y } = unitSquare()
  const bins = data.bins.filter((b) => Number.isFinite(b.predicted) && Number.isFinite(b.observed))
  const most = Math.max(1, ...bins.map((b) => b.count))
  const points = bins.map((b) => [x(b.predicted), y(b.observed)] as const)
  return svg(
    {
      width,
      height,
      title: 'Calibration',
      description: `Observed frequency against predicted probability in ${bins.length} bins; expected calibration error ${number(data.ece, 3)}. ${bins.map((b) => `predicted ${percent(b.predicted)}: observed ${percent(b.observed)} of ${count(b.count)} rows`).join('; ')}.`,
    },
    [
      axisNames(width, height, 'predicted probability', 'observed frequency'),
      yAxis(y, left, right),
      xAxis(x, bottom),
      bins.map((b) => {
        const h = (b.count / most) * 40
        return markup`<rect class="f0 count" x="${at(x(b.predicted) - 4)}" y="${at(bottom - h)}" width="8" height="${at(h)}"/>`
      }),
      markup`<path class="rule" d="M${at(left)} ${at(bottom)}L${at(right)} ${at(top)}"/>`,
      data.before &&
        markup`<path class="line s2 dash" d="${path(data.before.map((b) => [x(b.predicted), y(b.observed)] as const))}"/>
          <path class="line s1" d="M${at(left + 8)} ${at(top + 10)}h16"/><text class="strong" x="${at(left + 30)}" y="${at(top + 14)}">calibrated</text>
          <path class="line s2 dash" d="M${at(left + 8)} ${at(top + 28)}h16"/><text class="strong" x="${at(left + 30)}" y="${at(top + 32)}">before</text>`,
      markup`<path class="line s1" d="${path(points)}"/>`,
      bins.map(
        (b, i) =>
          markup`<circle class="f1" cx="${at(points[i]?.[0] ?? 0)}" cy="${at(points[i]?.[1] ?? 0)}" r="${at(3 + 2.5 * Math.sqrt(b.count / most))}"><title>
              predicted ${percent(b.predicted)}, observed ${percent(b.observed)}, ${count(b.count)} rows
            </title></circle>`,
      ),
    ],
  )
}
