/** Histograms and bars: small ones for tables, a full one with axes. */
import { count, number } from '../format.js'
import { markup, shorten, type Markup } from '../../core/html.js'
import { axisNames, gutter, linear, xAxis, yAxis } from './axis.js'
import { at, svg } from './svg.js'

/** Bins in 132 x 30 for a table cell. Counts that are there but small still show a hair. */
export function sparkHistogram(name: string, bins: readonly number[], low: string, high: string): Markup {
  const [width, height] = [132, 30]
  const most = Math.max(1, ...bins)
  const each = width / Math.max(1, bins.length)
  return svg(
    {
      width,
      height,
      size: 'native',
      title: `Distribution of ${name}`,
      description: `${bins.length} bins from ${low} to ${high}: ${bins.map(count).join(', ')} rows.`,
    },
    [
      markup`<path class="grid" d="M0 ${at(height - 0.5)}H${at(width)}"/>`,
      bins.map((n, i) => {
        const h = n > 0 ? Math.max(1, (n / most) * (height - 2)) : 0
        return (
          h > 0 &&
          markup`<rect class="f1" x="${at(i * each + 0.5)}" y="${at(height - 1 - h)}" width="${at(Math.max(0.5, each - 1))}" height="${at(h)}"><title>${count(n)} rows</title></rect>`
        )
      }),
    ],
  )
}

/** The most frequent values as one strip, 132 x 30; the rest in grey. */
export function sparkValues(
  name: string,
  top: readonly { readonly value: string; readonly count: number }[],
  rows: number,
): Markup {
  const [width, height] = [132, 30]
  const known = top.reduce((sum, t) => sum + t.count, 0)
  const total = Math.max(1, rows, known)
  let x = 0
  const most = Math.max(1, ...top.map((t) => t.count))
  return svg(
    {
      width,
      height,
      size: 'native',
      title: `Values of ${name}`,
      description: top.map((t) => `${shorten(t.value, 40)}: ${count(t.count)} rows`).join('; ') || 'no values',
    },
    [
      top.map((t) => {
        const w = (t.count / total) * width
        const start = x
        x += w
        return markup`<rect class="f1" fill-opacity="${at(0.35 + (0.65 * t.count) / most)}" x="${at(start)}" y="8" width="${at(Math.max(0.4, w - 1))}" height="14"><title>${shorten(t.value, 40)}: ${count(t.count)} rows</title></rect>`
      }),
      x < width - 0.5 &&
        markup`<rect class="f0 area" x="${at(x)}" y="8" width="${at(width - x)}" height="14"><title>${count(total - known)} rows with other values or none</title></rect>`,
    ],
  )
}

export interface HistogramData {
  readonly title: string
  readonly xName: string
  readonly low: number
  readonly high: number
  /** Counts of equal bins from low to high. */
  readonly bins: readonly number[]
}

/** A histogram with axes, 360 wide; a line at zero where the domain spans it. */
export function histogram(data: HistogramData): Markup {
  const [width, height, right, top, bottom] = [360, 250, 348, 24, 210]
  const y = linear(data.bins, [bottom, top], { include: [0], count: 4 })
  const left = gutter(y)
  const x = linear([data.low, data.high], [left, right], { nice: false, count: 5 })
  const each = (right - left) / Math.max(1, data.bins.length)
  return svg(
    {
      width,
      height,
      title: data.title,
      description: `${data.bins.length} bins from ${number(data.low)} to ${number(data.high)}: ${data.bins.map(count).join(', ')} rows.`,
    },
    [
      axisNames(width, height, data.xName, 'rows'),
      yAxis(y, left, right),
      data.bins.map(
        (n, i) =>
          n > 0 &&
          markup`<rect class="f1" x="${at(left + i * each + 0.5)}" y="${at(y(n))}" width="${at(Math.max(0.5, each - 1))}" height="${at(bottom - y(n))}"><title>${count(n)} rows</title></rect>`,
      ),
      data.low < 0 && data.high > 0 && markup`<path class="rule" d="M${at(x(0))} ${at(top)}V${at(bottom)}"/>`,
      xAxis(x, bottom),
    ],
  )
}
