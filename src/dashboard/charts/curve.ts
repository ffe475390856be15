/** Curves on the unit square: receiver operating characteristic, precision against recall. */
import { number } from '../format.js'
import { markup, type Content, type Markup } from '../../core/html.js'
import { axisNames, linear, xAxis, yAxis } from './axis.js'
import { at, path, svg } from './svg.js'

export interface CurveData {
  readonly title: string
  readonly xName: string
  readonly yName: string
  readonly points: readonly { readonly x: number; readonly y: number }[]
  /** What knowing nothing gives: the diagonal, or a level (prevalence). */
  readonly reference: { readonly kind: 'diagonal' } | { readonly kind: 'level'; readonly y: number }
  readonly referenceLabel: string
  /** The point at the chosen threshold. */
  readonly chosen?: { readonly x: number; readonly y: number; readonly label: string }
  /** E.g. `area 0.849 (0.828 to 0.871)`. */
  readonly summary: string
}

export const UNIT = { width: 360, height: 360, left: 44, right: 348, top: 26, bottom: 322 } as const

/** Both scales of a unit square in the frame of `UNIT`. */
export function unitSquare() {
  const options = { count: 5, nice: false, include: [0, 1] }
  return { x: linear([], [UNIT.left, UNIT.right], options), y: linear([], [UNIT.bottom, UNIT.top], options) }
}

/** A curve over the unit square with its no-skill line and the chosen threshold. */
export function curveChart(data: CurveData): Markup {
  const { width, height, left, right, bottom } = UNIT
  const { x, y } = unitSquare()
  const points = data.points
    .filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y))
    .map((p) => [x(p.x), y(p.y)] as const)
  const line = path(points)
  const ends = points.length > 1 && line !== '' ? ([points[0]?.[0] ?? 0, points.at(-1)?.[0] ?? 0] as const) : undefined
  const reference = data.reference.kind === 'diagonal' ? 0.5 : data.reference.y
  const chosen = data.chosen
  const below = data.reference.kind === 'diagonal' || reference < 0.12
  const label: Content =
    data.reference.kind === 'diagonal'
      ? markup`<text class="end small" x="${at(right - 6)}" y="${at(bottom - 10)}">${data.referenceLabel}</text>`
      : markup`<text class="small" x="${at(left + 8)}" y="${at(y(reference) + (below ? -6 : 15))}">${data.referenceLabel}</text>`
  return svg(
    {
      width,
      height,
      title: data.title,
      description: `${data.yName} against ${data.xName}: ${data.summary}; ${data.referenceLabel}.${chosen ? ` At the ${chosen.label}: ${data.xName} ${number(chosen.x, 3)}, ${data.yName} ${number(chosen.y, 3)}.` : ''}`,
    },
    [
      axisNames(width, height, data.xName, data.yName),
      yAxis(y, left, right),
      xAxis(x, bottom),
      data.reference.kind === 'diagonal'
        ? markup`<path class="rule" d="M${at(left)} ${at(bottom)}L${at(right)} ${at(y(1))}"/>`
        : Number.isFinite(reference) && markup`<path class="rule" d="M${at(left)} ${at(y(reference))}H${at(right)}"/>`,
      ends && markup`<path class="area f1" d="${line}L${at(ends[1])} ${at(bottom)}L${at(ends[0])} ${at(bottom)}Z"/>`,
      markup`<path class="line s1" d="${line}"/>`,
      Number.isFinite(reference) && label,
      chosen && Number.isFinite(chosen.x) && Number.isFinite(chosen.y)
        ? dot(x(chosen.x), y(chosen.y), chosen.label)
        : false,
    ],
  )
}

/** The chosen point, its label on the side where there is room. */
function dot(px: number, py: number, label: string): Content {
  const flip = px > (UNIT.left + UNIT.right) / 2
  const [dx, dy] = [flip ? -9 : 11, py < UNIT.top + 30 ? 20 : flip ? 20 : 16]
  return markup`<circle class="f2" cx="${at(px)}" cy="${at(py)}" r="5"/><text class="strong${flip ? ' end' : ''}" x="${at(px + dx)}" y="${at(py + dy)}">${label}</text>`
}
