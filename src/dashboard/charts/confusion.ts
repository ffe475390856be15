/** Confusion matrix: rows are the true classes, columns the predicted ones; shade is the share of the row. */
import { count, percent } from '../format.js'
import { markup, shorten, type Content, type Markup } from '../../core/html.js'
import { at, svg } from './svg.js'

export interface ConfusionData {
  readonly classes: readonly string[]
  readonly counts: readonly (readonly number[])[]
}

/** Up to 6 classes with counts and row percents; up to 30 with shades and names; beyond, shades alone. */
export function confusionChart(data: ConfusionData): Markup {
  const n = data.classes.length
  const numbers = n <= 6
  const named = n <= 30
  const left = named
    ? Math.min(96, 24 + 6.2 * Math.max(0, ...data.classes.map((c) => Math.min(12, Array.from(c).length))))
    : 22
  const [width, top] = [360, named && !numbers ? 84 : named ? 40 : 24]
  const cell = Math.min(numbers ? 110 : 60, (width - left - 8) / Math.max(1, n))
  const tall = numbers ? Math.min(cell, 84) : cell
  const height = top + tall * n + 8
  const totals = data.counts.map((row) => row.reduce((a, b) => a + b, 0))
  const fontStep = cell < 11 ? Math.ceil(11 / cell) : 1
  const middle = left + (cell * n) / 2
  const cells: Content = data.counts.map((row, i) =>
    row.map((value, j) => {
      const share = value / Math.max(1, totals[i] ?? 0)
      const [x, y] = [left + j * cell, top + i * tall]
      const text = `${shorten(data.classes[i] ?? '', 40)} predicted as ${shorten(data.classes[j] ?? '', 40)}: ${count(value)} rows, ${percent(share)} of the class`
      if (!numbers && value === 0) return false
      return markup`<rect class="cell" fill-opacity="${at(numbers ? 0.05 + 0.45 * share : 0.1 + 0.9 * share)}" x="${at(x + 1)}" y="${at(y + 1)}" width="${at(Math.max(0.5, cell - 2))}" height="${at(Math.max(0.5, tall - 2))}"><title>${text}</title></rect>${numbers && markup`<text class="bold mid" x="${at(x + cell / 2)}" y="${at(y + tall / 2 - 1)}">${count(value)}</text><text class="strong mid small" x="${at(x + cell / 2)}" y="${at(y + tall / 2 + 14)}">${percent(share, cell < 52 ? 0 : 1)}</text>`}`
    }),
  )
  const labels: Content = !named
    ? false
    : data.classes.map((name, i) => {
        if (i % fontStep !== 0) return false
        const x = left + (i + 0.5) * cell
        const shown = shorten(name, numbers ? Math.max(3, Math.floor(cell / 7)) : 12)
        return markup`<text class="strong end" x="${at(left - 6)}" y="${at(top + (i + 0.5) * tall + 4)}">${shorten(name, 12)}</text>${
          numbers
            ? markup`<text class="strong mid" x="${at(x)}" y="${at(top - 6)}">${shown}</text>`
            : markup`<text class="strong" transform="translate(${at(x + 4)} ${at(top - 5)}) rotate(-90)">${shown}</text>`
        }`
      })
  return svg({ width, height, title: 'Confusion matrix', description: describe(data, totals) }, [
    markup`<text class="mid small" x="${at(Math.max(60, middle))}" y="13">predicted</text><text class="mid small" transform="translate(11 ${at(top + (tall * n) / 2)}) rotate(-90)">true</text>`,
    labels,
    markup`<rect class="grid" x="${at(left)}" y="${at(top)}" width="${at(cell * n)}" height="${at(tall * n)}"/>`,
    cells,
  ])
}

function describe(data: ConfusionData, totals: readonly number[]): string {
  const worst = data.counts
    .flatMap((row, i) => row.map((value, j) => ({ i, j, value, share: value / Math.max(1, totals[i] ?? 0) })))
    .filter((c) => c.i === c.j)
    .sort((a, b) => a.share - b.share)
  const parts = worst
    .slice(0, 6)
    .map((c) => `${shorten(data.classes[c.i] ?? '', 40)} ${percent(c.share)} of ${count(totals[c.i])}`)
  return `${data.classes.length} ${data.classes.length === 1 ? 'class' : 'classes'}. Rows predicted right, by class${worst.length > 6 ? ' (the six worst)' : ''}: ${parts.join('; ') || 'none'}.`
}
