/** What all charts share: the SVG element with its text alternative, the style of marks, path data. */
import { markup, type Content, type Markup } from '../../core/html.js'
import { PALETTE_CSS } from '../../core/palette.js'

/** Coordinates with at most two decimals: small files, the same bytes everywhere. */
export function at(value: number): string {
  if (!Number.isFinite(value)) return '0'
  const rounded = Math.round(value * 100) / 100
  return String(rounded === 0 ? 0 : rounded)
}

/** `M x y L x y …` through points in pixels; breaks the line where a coordinate is not finite. */
export function path(points: readonly (readonly [x: number, y: number])[]): string {
  let text = ''
  let open = false
  for (const [x, y] of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      open = false
      continue
    }
    text += `${open ? 'L' : 'M'}${at(x)} ${at(y)}`
    open = true
  }
  return text
}

export interface Frame {
  readonly width: number
  readonly height: number
  /** Short name, read first by a screen reader. */
  readonly title: string
  /** What the picture says, in a sentence with its numbers. */
  readonly description: string
  /** `scale`: shrinks with its column; `native`: keeps its size (its box scrolls); `stretch`: fills its box, positions are percentages. */
  readonly size?: 'scale' | 'native' | 'stretch'
}

/** The outer element. The height and width attributes make the picture stand without a style sheet. */
export function svg(frame: Frame, body: Content): Markup {
  return markup`<svg class="chart ${frame.size ?? 'scale'}" xmlns="http://www.w3.org/2000/svg" role="img" width="${at(frame.width)}" height="${at(frame.height)}"${frame.size !== 'stretch' && markup` viewBox=\"0 0 ${at(frame.width)} ${at(frame.height)}\"`}><title>${frame.title}</title><desc>${frame.description}</desc>${body}</svg>`
}

/** Styles of marks and labels inside charts. Classes, not attributes, so that themes reach them. */
export const CHART_CSS = `.chart{display:block;font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
.chart.scale{width:100%;height:auto}
.chart.stretch{width:100%}
.chart text{fill:var(--muted);unicode-bidi:plaintext}
.chart .strong{fill:var(--ink)}
.chart .quiet{fill:var(--muted)}
.chart .bold{fill:var(--ink);font-weight:600}
.chart .small{font-size:11px}
.chart .halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.chart .onmark{fill:var(--paper)}
.chart .end{text-anchor:end}.chart .mid{text-anchor:middle}
.chart .grid{stroke:var(--line);fill:none}
.chart .axis{stroke:var(--axis);fill:none}
.chart .rule{stroke:var(--axis);stroke-dasharray:4 3;fill:none}
.chart .box{fill:var(--surface);stroke:var(--line)}
.chart .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.chart .s0{stroke:var(--mark-0)}.chart .s1{stroke:var(--mark-1)}.chart .s2{stroke:var(--mark-2)}.chart .s3{stroke:var(--mark-3)}
.chart .dash{stroke-dasharray:5 4}
.chart .f0{fill:var(--mark-0)}.chart .f1{fill:var(--mark-1)}.chart .f2{fill:var(--mark-2)}.chart .f3{fill:var(--mark-3)}
.chart .fpaper{fill:var(--paper)}
.chart .fgood{fill:var(--good)}.chart .fwarn{fill:var(--warn)}.chart .fbad{fill:var(--bad)}
.chart .area{stroke:none;fill-opacity:.13}
.chart .cell{fill:var(--mark-1)}
.chart .count{fill-opacity:.4}
.chart .dotmark{fill-opacity:.55}`

/** A chart as a file of its own, for golden pictures and for saving one chart. */
export function standalone(chart: Markup): string {
  const style = `<style>${PALETTE_CSS}\n${CHART_CSS}\nsvg{background:var(--paper)}</style>`
  return `${chart.toString().replace('<title>', `${style}<title>`)}\n`
}
