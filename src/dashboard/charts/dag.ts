/** The pipeline as a graph, left to right: a stage stands one column after the last stage that it waits for. */
import { duration } from '../format.js'
import { markup, shorten, type Markup } from '../../core/html.js'
import { STATUS_FILL, STATUS_WORD, type StageStatus } from './status.js'
import { at, svg } from './svg.js'

export interface DagNode {
  readonly name: string
  readonly status: StageStatus
  readonly seconds?: number
  /** Names of the stages it waits for; unknown names and cycles are ignored. */
  readonly after: readonly string[]
}

const [NODE, TALL, GAP, ROW] = [112, 48, 26, 64]

/** Nodes with status and duration, edges as curves. Keeps its size: its box scrolls. */
export function dagChart(nodes: readonly DagNode[]): Markup {
  const columns = layers(nodes)
  const used: number[] = []
  const places = new Map<string, { x: number; y: number }>()
  for (const node of nodes) {
    const column = columns.get(node.name) ?? 0
    const row = (used[column] = (used[column] ?? 0) + 1) - 1
    places.set(node.name, { x: 1 + column * (NODE + GAP), y: 1 + row * ROW })
  }
  const width = Math.max(1, used.length) * (NODE + GAP) - GAP + 2
  const height = Math.max(1, ...used.filter((n) => n > 0)) * ROW - (ROW - TALL) + 2
  const edges = reduced(nodes)
  return svg(
    {
      width,
      height,
      size: 'native',
      title: 'Pipeline graph',
      description: nodes
        .map(
          (n) =>
            `${shorten(n.name, 60)} (${STATUS_WORD[n.status]}${n.after.length > 0 ? `, after ${n.after.join(' and ')}` : ''})`,
        )
        .join('; '),
    },
    [
      edges.map(([from, to]) => {
        const [a, b] = [places.get(from), places.get(to)]
        if (!a || !b) return false
        const [x1, y1, x2, y2] = [a.x + NODE, a.y + TALL / 2, b.x, b.y + TALL / 2]
        const bend = Math.max(10, (x2 - x1) / 2)
        return markup`<path class="axis" d="M${at(x1)} ${at(y1)}C${at(x1 + bend)} ${at(y1)} ${at(x2 - bend)} ${at(y2)} ${at(x2)} ${at(y2)}"/>`
      }),
      nodes.map((node) => {
        const p = places.get(node.name)
        if (!p) return false
        const time =
          node.status === 'success' || node.status === 'failed' ? duration(node.seconds) : STATUS_WORD[node.status]
        return markup`<g><title>${node.name}</title><rect class="box" x="${at(p.x)}" y="${at(p.y)}" width="${NODE}" height="${TALL}" rx="8"/><circle class="${STATUS_FILL[node.status]}" cx="${at(p.x + 14)}" cy="${at(p.y + 18)}" r="4"/><text class="bold" x="${at(p.x + 25)}" y="${at(p.y + 22)}">${shorten(node.name, 11)}</text><text class="small" x="${at(p.x + 25)}" y="${at(p.y + 38)}">${node.status === 'failed' ? 'failed, ' : ''}${time}</text></g>`
      }),
    ],
  )
}

/** Column of each node: the longest way to it. */
function layers(nodes: readonly DagNode[]): Map<string, number> {
  const columns = new Map(nodes.map((n) => [n.name, 0]))
  for (let pass = 0, changed = true; changed && pass < nodes.length; pass++) {
    changed = false
    for (const node of nodes)
      for (const before of node.after) {
        const column = (columns.get(before) ?? -1) + 1
        if (before !== node.name && column > (columns.get(node.name) ?? 0) && column < nodes.length) {
          columns.set(node.name, column)
          changed = true
        }
      }
  }
  return columns
}

/** Edges without those that a longer way implies: the drawing shows order, and stays readable. */
function reduced(nodes: readonly DagNode[]): (readonly [from: string, to: string])[] {
  const after = new Map(nodes.map((n) => [n.name, n.after.filter((b) => b !== n.name)]))
  const reaches = (from: string, to: string, seen: Set<string>): boolean => {
    if (seen.has(from)) return false
    seen.add(from)
    return (after.get(from) ?? []).some((b) => b === to || reaches(b, to, seen))
  }
  return nodes.flatMap((n) => {
    const direct = after.get(n.name) ?? []
    return direct
      .filter((b) => after.has(b) && !direct.some((other) => other !== b && reaches(other, b, new Set([n.name]))))
      .map((b) => [b, n.name] as const)
  })
}
