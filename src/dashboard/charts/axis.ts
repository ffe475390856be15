/** Scales, ticks and axes. A scale maps data to pixels; ticks are round numbers inside the domain. */
import { number } from '../format.js'
import { markup, type Content } from '../../core/html.js'
import { at } from './svg.js'

export interface Scale {
  readonly domain: readonly [low: number, high: number]
  readonly range: readonly [from: number, to: number]
  readonly ticks: readonly number[]
  readonly label: (tick: number) => string
  (value: number): number
}

/** 1, 2 or 5 times a power of ten, so that about `count` ticks fill `span`. */
export function step(span: number, count: number): number {
  const rough = span / Math.max(1, count)
  const power = 10 ** Math.floor(Math.log10(rough))
  const ratio = rough / power
  return power * (ratio > 7.07 ? 10 : ratio > 3.16 ? 5 : ratio > 1.41 ? 2 : 1)
}

/**
 * Linear scale over the finite ones of `values`. `nice` widens the domain to whole ticks (default). An empty or constant
 * input still gives a usable domain.
 */
export function linear(
  values: Iterable<number>,
  range: readonly [number, number],
  options: { readonly count?: number; readonly nice?: boolean; readonly include?: readonly number[] } = {},
): Scale {
  let low = Infinity
  let high = -Infinity
  for (const list of [values, options.include ?? []])
    for (const value of list)
      if (Number.isFinite(value)) {
        if (value < low) low = value
        if (value > high) high = value
      }
  if (low > high) [low, high] = [0, 1]
  if (low === high) {
    const pad = Math.abs(low) * 0.1 || 0.5
    ;[low, high] = [low - pad, high + pad]
  }
  // Half the span first, so that domains near the largest double do not overflow.
  const by = step(Math.min(high / 2 - low / 2, Number.MAX_VALUE / 4) * 2, options.count ?? 5)
  if (options.nice !== false) [low, high] = [Math.floor(low / by) * by, Math.ceil(high / by) * by]
  const ticks: number[] = []
  const first = Math.ceil(low / by - 1e-9)
  for (let i = 0; i <= 50 && (first + i) * by <= high + by * 1e-9; i++) ticks.push(round((first + i) * by, by))
  const digits = Math.max(0, -Math.floor(Math.log10(by) + 1e-9))
  return scale(
    (v) => (v / 2 - low / 2) / (high / 2 - low / 2),
    [low, high],
    range,
    ticks,
    (t) => (digits > 0 && digits < 4 && Math.abs(t) < 1e6 ? t.toFixed(digits).replace('-', '−') : compact(t)),
  )
}

/** Logarithmic scale over the positive ones of `values`; ticks at powers of ten, and at 2 and 5 where there is room. */
export function log(values: Iterable<number>, range: readonly [number, number]): Scale {
  let low = Infinity
  let high = -Infinity
  for (const value of values)
    if (value > 0 && Number.isFinite(value)) {
      if (value < low) low = value
      if (value > high) high = value
    }
  if (low > high) [low, high] = [1, 10]
  const first = Math.floor(Math.log10(low))
  const last = Math.max(first + 1, Math.ceil(Math.log10(high)))
  const every = Math.ceil((last - first) / 5)
  const ticks: number[] = []
  for (let p = first; p <= last; p++) {
    if ((p - first) % every === 0) ticks.push(10 ** p)
    if (last - first <= 2 && p < last) ticks.push(2 * 10 ** p, 5 * 10 ** p)
  }
  return scale((v) => (Math.log10(v) - first) / (last - first), [10 ** first, 10 ** last], range, ticks, compact)
}

function scale(
  fraction: (value: number) => number,
  domain: readonly [number, number],
  range: readonly [number, number],
  ticks: readonly number[],
  label: (tick: number) => string,
): Scale {
  return Object.assign((value: number) => range[0] + fraction(value) * (range[1] - range[0]), {
    domain,
    range,
    ticks,
    label,
  })
}

const round = (value: number, by: number) => {
  const digits = Math.min(15, Math.max(0, 2 - Math.floor(Math.log10(by))))
  const result = Math.abs(value) < 1e15 ? Number(value.toFixed(digits)) : value
  return result === 0 ? 0 : result
}

/** 1200 -> 1.2k, 3e6 -> 3M: for ticks, where room is short. */
export function compact(value: number): string {
  const size = Math.abs(value)
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return number(value, 2)
  for (const [limit, unit] of [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e4, 'k'],
  ] as const)
    if (size >= limit) return `${number(value / (unit === 'k' ? 1e3 : limit), 3)}${unit}`
  return number(value, 3)
}

/** Room at the left for the longest label of a vertical axis, in pixels. */
export function gutter(y: Scale): number {
  return 14 + 7 * Math.max(3, ...y.ticks.map((t) => y.label(t).length))
}

/** Vertical axis: grid lines across and labels at the left of the plot. */
export function yAxis(y: Scale, left: number, right: number, label?: (tick: number) => string): Content {
  return y.ticks.map(
    (t) =>
      markup`<path class="grid" d="M${at(left)} ${at(y(t))}H${at(right)}"/><text class="end" x="${at(left - 6)}" y="${at(y(t) + 4)}">${(label ?? y.label)(t)}</text>`,
  )
}

/** Horizontal axis: a line, ticks and labels below the plot; the last label is kept inside by anchoring. */
export function xAxis(x: Scale, bottom: number, label?: (tick: number) => string): Content {
  return [
    markup`<path class="axis" d="M${at(x.range[0])} ${at(bottom)}H${at(x.range[1])}"/>`,
    x.ticks.map(
      (t) =>
        markup`<path class="axis" d="M${at(x(t))} ${at(bottom)}v4"/><text class="mid" x="${at(x(t))}" y="${at(bottom + 17)}">${(label ?? x.label)(t)}</text>`,
    ),
  ]
}

/** The names of both axes: x under the plot at its right end, y above the plot at its left. */
export function axisNames(width: number, height: number, x: string, y: string): Content {
  return markup`<text class="end small" x="${at(width - 4)}" y="${at(height - 3)}">${x}</text><text class="small" x="2" y="11">${y}</text>`
}
