/** From stages to a graph that can be run: names resolved, no cycles, an order that depends on nothing but the input. */
import { MillraceError, nearest } from '../core/errors.js'

interface Node {
  readonly name: string
  readonly version: number
  readonly after: readonly string[]
}

/**
 * The stages in topological order; of those that could come next, the one given first. Throws MR_STAGE_GRAPH with all
 * faults (`others`): bad or double names, dependencies that do not exist, cycles with their path.
 */
export function checkGraph<T extends Node>(stages: readonly T[]): readonly T[] {
  const faults: MillraceError[] = []
  const fault = (message: string, hint?: string) =>
    faults.push(new MillraceError('MR_STAGE_GRAPH', message, hint === undefined ? {} : { hint }))
  if (stages.length === 0) fault('there are no stages', 'give at least one')
  const byName = new Map<string, T>()
  for (const stage of stages) {
    const shown = JSON.stringify(stage.name)
    if (!/^[A-Za-z][\w.-]{0,99}$/.test(stage.name)) {
      fault(`stage name ${shown}: must start with a letter and hold only letters, digits, _ . -, at most 100`)
    }
    if (!Number.isSafeInteger(stage.version)) fault(`stage ${shown}: version ${stage.version} must be a whole number`)
    if (byName.has(stage.name)) fault(`stage ${shown} is given twice`, 'stages need names of their own')
    byName.set(stage.name, stage)
  }
  for (const stage of stages) {
    const seen = new Set<string>()
    for (const name of stage.after) {
      if (seen.has(name)) fault(`stage "${stage.name}" names "${name}" twice in \`after\``)
      seen.add(name)
      if (byName.has(name)) continue
      const close = nearest(name, byName.keys())
      fault(
        `stage "${stage.name}" comes after "${name}", which does not exist; there are: ${[...byName.keys()].join(', ')}`,
        close === undefined ? undefined : `did you mean "${close}"?`,
      )
    }
  }
  if (faults.length === 0) {
    const order = sort(stages)
    if (order.length === stages.length) return order
    const placed = new Set(order)
    const cycle = findCycle(
      stages.filter((stage) => !placed.has(stage)),
      byName,
    )
    fault(`stages wait for each other in a circle: ${cycle.join(' -> ')}`, 'take one of these names out of `after`')
  }
  const [first, ...others] = faults
  if (first === undefined) throw new MillraceError('MR_INTERNAL_BUG', 'a graph with a fault that has no name')
  throw new MillraceError('MR_STAGE_GRAPH', first.message, {
    others,
    ...(first.hint === undefined ? {} : { hint: first.hint }),
  })
}

/** Kahn's algorithm (1962), always taking the ready stage that was given first; stages on cycles are left out. */
function sort<T extends Node>(stages: readonly T[]): T[] {
  const rank = new Map(stages.map((stage, i) => [stage.name, i]))
  const waiting = new Map(stages.map((stage) => [stage.name, stage.after.length]))
  const followers = new Map<string, T[]>()
  for (const stage of stages) {
    for (const name of stage.after) followers.set(name, [...(followers.get(name) ?? []), stage])
  }
  const order: T[] = []
  const ready = stages.filter((stage) => stage.after.length === 0).map((stage) => rank.get(stage.name) ?? 0)
  while (ready.length > 0) {
    const least = ready.indexOf(Math.min(...ready))
    const stage = stages[ready.splice(least, 1)[0] ?? 0]
    if (stage === undefined) break
    order.push(stage)
    for (const next of followers.get(stage.name) ?? []) {
      const left = (waiting.get(next.name) ?? 0) - 1
      waiting.set(next.name, left)
      if (left === 0) ready.push(rank.get(next.name) ?? 0)
    }
  }
  return order
}

/** Among stages of which each waits for another of them, one circle: a -> b means that a waits for b. */
function findCycle<T extends Node>(stuck: readonly T[], byName: ReadonlyMap<string, T>): string[] {
  const names = new Set(stuck.map((stage) => stage.name))
  const path: string[] = []
  let at = stuck[0]
  while (at !== undefined && !path.includes(at.name)) {
    path.push(at.name)
    at = byName.get(at.after.find((name) => names.has(name)) ?? '')
  }
  return at === undefined ? path : [...path.slice(path.indexOf(at.name)), at.name]
}
