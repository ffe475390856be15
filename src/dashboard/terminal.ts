/** Small pictures and tables of text for a terminal. Pure: text in, text out; colours only where the caller asks. */
import { compact } from './charts/axis.js'
import { count, duration, fixed, number } from './format.js'
import { visible } from '../core/html.js'

const BLOCKS = '▁▂▃▄▅▆▇█'
const EIGHTHS = ' ▏▎▍▌▋▊▉'

export type Colour = 'dim' | 'bold' | 'red' | 'green' | 'yellow' | 'blue'

const CODES: Readonly<Record<Colour, readonly [on: number, off: number]>> = {
  dim: [2, 22],
  bold: [1, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
}

/** `text` in a colour if `on`; as it is otherwise. */
export function paint(text: string, colour: Colour, on: boolean): string {
  const [start, end] = CODES[colour]
  return on && text !== '' ? `\u001b[${start}m${text}\u001b[${end}m` : text
}

const SEQUENCE = /\u001b\[[0-9;]*m/g
const WIDE =
  /^(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f|\p{Regional_Indicator}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}])/u
const NARROW = /^[\p{Mark}\p{Format}]+$/u
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Columns that `text` takes in a terminal: 2 for East Asian and emoji, 0 for marks and colour sequences. */
export function textWidth(text: string): number {
  const plain = text.replace(SEQUENCE, '')
  if (/^[ -~]*$/.test(plain)) return plain.length
  let width = 0
  for (const { segment } of segmenter.segment(plain)) width += NARROW.test(segment) ? 0 : WIDE.test(segment) ? 2 : 1
  return width
}

/** `text` without colours in at most `width` columns, cut with `…`. */
export function cut(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  let taken = ''
  let used = 0
  for (const { segment } of segmenter.segment(text.replace(SEQUENCE, ''))) {
    const next = textWidth(segment)
    if (used + next > width - 1) break
    taken += segment
    used += next
  }
  return width > 0 ? `${taken}…` : ''
}

/** Values as blocks of eight heights, the newest `width` of them; a gap for what is not finite. */
export function sparkline(values: readonly number[], width = values.length): string {
  const shown = values.slice(-Math.max(0, width))
  const finite = shown.filter(Number.isFinite)
  const low = finite.reduce((a, b) => Math.min(a, b), Infinity)
  const high = finite.reduce((a, b) => Math.max(a, b), -Infinity)
  return shown
    .map((v) => {
      if (!Number.isFinite(v)) return ' '
      const level = high > low ? Math.round(((v - low) / (high - low)) * 7) : 3
      return BLOCKS[level] ?? ' '
    })
    .join('')
}

/** A bar of `width` columns, filled to `fraction` in eighths of a column. */
export function bar(fraction: number, width: number): string {
  const columns = Math.max(0, Math.floor(width))
  const filled = Number.isFinite(fraction) ? Math.round(Math.min(1, Math.max(0, fraction)) * columns * 8) : 0
  const whole = Math.floor(filled / 8)
  const part = filled % 8 > 0 ? (EIGHTHS[filled % 8] ?? '') : ''
  return ('█'.repeat(whole) + part).padEnd(columns)
}

export interface TerminalColumn {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** Never wider than this; default 40. */
  readonly max?: number
}

/**
 * Lines of a table: titles, then rows, two spaces apart. Where the whole is wider than `width`, the widest columns are
 * cut first; none gets narrower than 6. Control characters in cells are made visible, line breaks become spaces.
 */
export function terminalTable(
  columns: readonly TerminalColumn[],
  rows: readonly (readonly string[])[],
  options: { readonly width?: number; readonly colour?: boolean } = {},
): string[] {
  const cells = rows.map((row) => columns.map((_, i) => visible((row[i] ?? '').replace(/\s+/g, ' '))))
  const widths = columns.map((column, i) => {
    const widest = cells.reduce((most, row) => Math.max(most, textWidth(row[i] ?? '')), textWidth(column.title))
    return Math.min(widest, column.max ?? 40)
  })
  const limit = options.width ?? Infinity
  const total = () => widths.reduce((a, b) => a + b, 0) + 2 * Math.max(0, widths.length - 1)
  while (total() > limit) {
    const widest = widths.indexOf(Math.max(...widths))
    if ((widths[widest] ?? 0) <= 6) break
    widths[widest] = (widths[widest] ?? 0) - 1
  }
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => {
        const text = cut(cell, widths[i] ?? 0)
        const space = ' '.repeat(Math.max(0, (widths[i] ?? 0) - textWidth(text)))
        return columns[i]?.align === 'right' ? space + text : text + space
      })
      .join('  ')
      .trimEnd()
  return [paint(line(columns.map((c) => c.title)), 'dim', options.colour === true), ...cells.map(line)]
}

export interface Progress {
  readonly label: string
  /** What is counted, e.g. `rows`, `epochs`. */
  readonly unit: string
  readonly done: number
  readonly total?: number
  /** Units a second. */
  readonly rate?: number
  readonly secondsLeft?: number
  /** Shown as they are: {loss: 0.41}. */
  readonly values?: Readonly<Record<string, number>>
  /** The newest of a series, drawn small after the values. */
  readonly trend?: readonly number[]
}

/** Four places, so that a line that moves does not jump; four digits of what is large or tiny. */
function steady(value: number): string {
  return Math.abs(value) < 10 && Math.abs(value) >= 0.001 ? fixed(value, 4) : number(value)
}

/** Columns of a trend, and the width from which a bar has room beside it. */
const TREND = 10
const WIDE_LINE = 110

/** One line: label, bar, count, values, trend, time left, rate. What does not fit `width` is left out from the end. */
export function progressLine(
  progress: Progress,
  options: { readonly width?: number; readonly colour?: boolean; readonly bar?: boolean } = {},
): string {
  const { done, total, rate, secondsLeft, unit, trend = [] } = progress
  const { width = 100, colour = false } = options
  const known = total !== undefined && total > 0 && Number.isFinite(total)
  const filled =
    known && options.bar !== false && (trend.length === 0 || width >= WIDE_LINE) ? bar(done / total, 20) : ''
  const values = Object.entries(progress.values ?? {}).map(([name, value]) => `${visible(name)} ${steady(value)}`)
  const parts = [
    cut(visible(progress.label), 24),
    filled,
    known ? `${count(done)}/${count(total)} ${unit}` : `${count(done)} ${unit}`,
    ...values,
    sparkline(trend, TREND),
    secondsLeft !== undefined && secondsLeft >= 1 ? `${duration(secondsLeft)} left` : '',
    rate === undefined || !(rate > 0)
      ? ''
      : rate >= 1
        ? `${compact(Number(rate.toPrecision(3)))}/s`
        : `${duration(1 / rate)} each`,
  ].filter((part) => part !== '')
  let line = ''
  for (const part of parts) {
    const next = line === '' ? part : `${line}  ${part}`
    if (textWidth(next) > width) break
    line = next
  }
  const shown = filled.trimEnd()
  return shown === '' ? line : line.replace(shown, paint(shown, 'blue', colour))
}
