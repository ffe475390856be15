/** Mean cost of a row over all thresholds, with the chosen one and what constant answers cost. */
import { number } from '../format.js'
import { markup, type Markup } from '../../core/html.js'
import { axisNames, gutter, linear, log, xAxis, yAxis } from './axis.js'
import { at, path, svg } from './svg.js'

export interface CostData {
  /** By rising threshold; between two points the cost is drawn straight. */
  readonly points: readonly { readonly threshold: number; readonly cost: number }[]
  readonly none: number
  readonly all: number
  readonly chosen?: { readonly threshold: number; readonly cost: number }
}

/** Where the threshold is lower than this, the axis is logarithmic: with rare positives all happens near 0. */
const LOW_THRESHOLD = 0.05

export function costChart({ points, none, all, chosen }: CostData): Markup {
  const [width, height, right, top, bottom] = [360, 360, 348, 26, 322]
  const finite = points.filter((p) => Number.isFinite(p.threshold) && Number.isFinite(p.cost))
  const y = linear(
    finite.map((p) => p.cost),
    [bottom, top],
    { include: [0, none, all] },
  )
  const left = gutter(y)
  const isLow = chosen !== undefined && chosen.threshold > 0 && chosen.threshold < LOW_THRESHOLD
  // three powers of ten below the chosen one are enough: left of it all rows are positive
  const shown = isLow ? finite.filter((p) => p.threshold >= chosen.threshold / 1000) : finite
  const x = isLow
    ? log([...shown.map((p) => p.threshold), chosen.threshold], [left, right])
    : linear([], [left, right], { nice: false, include: [0, 1] })
  const level = (cost: number, label: string): Markup =>
    markup`<path class="rule" d="M${at(left)} ${at(y(cost))}H${at(right)}"/><text class="end small halo" x="${at(right - 4)}" y="${at(y(cost) + (y(cost) < top + 16 ? 14 : -5))}">${label}</text>`
  const far = chosen !== undefined && x(Math.min(1, chosen.threshold)) > (left + right) / 2
  return svg(
    {
      width,
      height,
      title: 'Cost by threshold',
      description: `Mean cost of a row against the threshold: ${number(all, 3)} where all rows are called positive, ${number(none, 3)} where none is.${chosen ? ` At the chosen threshold ${number(chosen.threshold, 3)}: ${number(chosen.cost, 3)}.` : ''}`,
    },
    [
      axisNames(width, height, 'threshold', 'mean cost of a row'),
      yAxis(y, left, right),
      xAxis(x, bottom),
      level(none, 'none positive'),
      level(all, 'all positive'),
      markup`<path class="line s1" d="${path(shown.map((p) => [x(p.threshold), y(p.cost)] as const))}"/>`,
      chosen &&
        Number.isFinite(chosen.cost) &&
        markup`<circle class="f2" cx="${at(x(Math.min(1, chosen.threshold)))}" cy="${at(y(chosen.cost))}" r="5"/><text class="strong halo${far ? ' end' : ''}" x="${at(x(Math.min(1, chosen.threshold)) + (far ? -9 : 11))}" y="${at(y(chosen.cost) + 18)}">threshold ${number(chosen.threshold, 3)}</text>`,
    ],
  )
}
