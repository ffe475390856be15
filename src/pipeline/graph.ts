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

/** All that can be done one after another; stages on cycles, and after them, are left out. */
function sort<T extends Node>(stages: readonly T[]): T[] {
  const frontier = new Frontier(stages)
  const order: T[] = []
  for (let stage = frontier.next(); stage !== undefined; stage = frontier.next()) {
    order.push(stage)
    frontier.done(stage)
  }
  return order
}

/**
 * Which stages may start (Kahn's algorithm, 1962): each counts down those that it waits for, so that a whole run costs as
 * much as its graph has edges. Of those that may start, the one given first comes first.
 */
export class Frontier<T extends Node> {
  readonly #rank: ReadonlyMap<T, number>
  readonly #open: Map<T, number>
  readonly #followers = new Map<string, T[]>()
  /** By falling rank: the next is the last. */
  readonly #ready: T[]

  constructor(stages: readonly T[]) {
    this.#rank = new Map(stages.map((stage, i) => [stage, i]))
    this.#open = new Map(stages.map((stage) => [stage, stage.after.length]))
    this.#ready = stages.filter((stage) => stage.after.length === 0).reverse()
    for (const stage of stages) {
      for (const name of stage.after) {
        const followers = this.#followers.get(name)
        if (followers === undefined) this.#followers.set(name, [stage])
        else followers.push(stage)
      }
    }
  }

  /** A stage that may start, each once; undefined if there is none by now. */
  next(): T | undefined {
    return this.#ready.pop()
  }

  done(stage: T): void {
    for (const follower of this.#followers.get(stage.name) ?? []) {
      const open = (this.#open.get(follower) ?? 0) - 1
      this.#open.set(follower, open)
      if (open === 0) this.#makeReady(follower)
    }
  }

  /** What can never start if `stage` is never done, in topological order if the stages were given in one. */
  after(stage: T): readonly T[] {
    const found = new Set([stage])
    for (const { name } of found) for (const follower of this.#followers.get(name) ?? []) found.add(follower)
    found.delete(stage)
    return [...found].sort((a, b) => this.#rankOf(a) - this.#rankOf(b))
  }

  #makeReady(stage: T): void {
    const rank = this.#rankOf(stage)
    let [low, high] = [0, this.#ready.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#rankOf(this.#ready[middle]) > rank) low = middle + 1
      else high = middle
    }
    this.#ready.splice(low, 0, stage)
  }

  #rankOf(stage: T | undefined): number {
    return (stage === undefined ? undefined : this.#rank.get(stage)) ?? 0
  }
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
