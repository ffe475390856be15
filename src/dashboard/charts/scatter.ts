/** Predicted against actual, for regression. */
import { number } from '../format.js'
import { markup, type Markup } from '../../core/html.js'
import { axisNames, gutter, linear, xAxis, yAxis } from './axis.js'
import { UNIT } from './curve.js'
import { at, svg } from './svg.js'

/** Dots with the line of perfect predictions; both axes share one domain. */
export function scatterChart(points: readonly { readonly actual: number; readonly predicted: number }[]): Markup {
  const { width, height, right, top, bottom } = UNIT
  const finite = points.filter((p) => Number.isFinite(p.actual) && Number.isFinite(p.predicted))
  const values = finite.flatMap((p) => [p.actual, p.predicted])
  const y = linear(values, [bottom, top], { count: 5 })
  const left = gutter(y)
  const x = linear(values, [left, right], { count: 5 })
  const [low, high] = x.domain
  return svg(
    {
      width,
      height,
      title: 'Predicted against actual',
      description: `${finite.length} rows; actual and predicted values from ${number(low)} to ${number(high)}. Dots on the dashed line are exact.`,
    },
    [
      axisNames(width, height, 'actual', 'predicted'),
      yAxis(y, left, right),
      xAxis(x, bottom),
      markup`<path class="rule" d="M${at(x(low))} ${at(y(low))}L${at(x(high))} ${at(y(high))}"/>`,
      finite.map(
        (p) => markup`<circle class="f1 dotmark" cx="${at(x(p.actual))}" cy="${at(y(p.predicted))}" r="2.5"/>`,
      ),
    ],
  )
}
