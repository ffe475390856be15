/** Lines over a common x: loss curves, metrics, the learning rate. */
import { number } from '../format.js'
import { markup, shorten, type Markup } from '../../core/html.js'
import { axisNames, gutter, linear, log, xAxis, yAxis } from './axis.js'
import { at, path, svg } from './svg.js'

export interface Series {
  readonly name: string
  /** In the order of `x`; a value that is not finite leaves a gap. */
  readonly values: readonly number[]
  readonly dashed?: boolean
}

export interface LineData {
  readonly title: string
  readonly x: readonly number[]
  readonly xName: string
  readonly yName: string
  readonly series: readonly Series[]
  /** An x to mark, e.g. the best epoch. */
  readonly mark?: { readonly x: number; readonly label: string }
  readonly logarithmic?: boolean
}

/** A line chart, 360 wide; one point is drawn as a dot, nothing finite as a sentence. */
export function lineChart(data: LineData): Markup {
  const [width, height, right, top, bottom] = [360, 260, 350, 52, 220]
  const all = data.series.flatMap((s) => s.values)
  const y = data.logarithmic === true ? log(all, [bottom, top]) : linear(all, [bottom, top], { count: 4 })
  const left = gutter(y)
  const domain = linear(data.x, [left, right], { nice: false, count: 6 })
  // Epochs are whole numbers: no tick in between.
  const x = Object.assign((v: number) => domain(v), { ...domain, ticks: domain.ticks.filter(Number.isInteger) })
  const legend = data.series.length > 1
  let offset = left
  const mark = data.mark
  return svg({ width, height, title: data.title, description: describe(data) }, [
    axisNames(width, height, data.xName, data.yName),
    yAxis(y, left, right),
    xAxis(x, bottom),
    mark && Number.isFinite(mark.x)
      ? markup`<path class="rule" d="M${at(x(mark.x))} ${at(top - 14)}V${at(bottom)}"/><text class="${x(mark.x) > (left + right) / 2 ? 'end ' : ''}small" x="${at(x(mark.x) + (x(mark.x) > (left + right) / 2 ? -5 : 5))}" y="${at(top - 6)}">${mark.label}</text>`
      : false,
    data.series.map((series, i) => {
      const finite = series.values.filter(Number.isFinite).length
      const points = series.values.map((v, j) => [x(data.x[j] ?? NaN), y(v)] as const)
      const best = mark === undefined ? -1 : data.x.indexOf(mark.x)
      return markup`<path class="line s${i + 1}${series.dashed === true ? ' dash' : ''}" d="${path(points)}"/>${points.map(([px, py], j) => (Number.isFinite(py) && (finite === 1 || j === best) ? markup`<circle class="f${i + 1}" cx="${at(px)}" cy="${at(py)}" r="4"><title>${series.name}: ${number(series.values[j])}</title></circle>` : false))}`
    }),
    legend
      ? data.series.map((series, i) => {
          const start = offset
          offset += 34 + series.name.length * 6.4
          return markup`<path class="line s${i + 1}${series.dashed === true ? ' dash' : ''}" d="M${at(start)} 25h16"/><text class="strong" x="${at(start + 21)}" y="29">${shorten(series.name, 24)}</text>`
        })
      : false,
  ])
}

function describe(data: LineData): string {
  const parts = data.series.map((s) => {
    const finite = s.values.filter(Number.isFinite)
    return finite.length === 0
      ? `${s.name}: no values`
      : `${s.name} from ${number(finite[0])} to ${number(finite.at(-1))}`
  })
  return `${data.yName} against ${data.xName}, ${data.x.length} points. ${parts.join('; ')}.${data.mark ? ` ${data.mark.label}.` : ''}`
}
