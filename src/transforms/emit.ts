/** The feature plan as ONNX nodes: columns with the same chain of steps share one set of nodes. */
import { MillraceError } from '../core/errors.js'
import { type GraphBuilder, INPUT_TYPE, type Value, int64s } from '../core/onnx/graph.js'
import type { Schema } from '../core/schema.js'
import { fittedTransform } from './catalog.js'
import { advance, head } from './chain.js'
import type { FeaturePlan, FittedColumn, SqlFeature } from './transform.js'

/** ONNX TensorProto.DataType, for Cast. */
const FLOAT = 1n

/** Names of a model's outputs: an input of the same name would make the file invalid. */
export const OUTPUTS = ['label', 'probability', 'prediction']

/** Throws MR_TRANSFORM_INPUT_NAME for the first name that a model file cannot have as input. */
export function checkInputNames(names: readonly string[]): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (name === '' || OUTPUTS.includes(name) || seen.has(name))
      throw new MillraceError(
        'MR_TRANSFORM_INPUT_NAME',
        `a feature column is called ${JSON.stringify(name)}; an input of a model needs a name of its own, not ${OUTPUTS.join(', ')}, which are its outputs`,
        { hint: 'rename the column in the data, or leave it out (features.exclude)' },
      )
    seen.add(name)
  }
}

/**
 * Declares one input a column, [N, 1], named as the column: numbers double (NaN missing), text string ('' missing), times
 * int64 microseconds (smallest int64 missing). Call it before any node is added, so that made-up names give way.
 * Throws MR_TRANSFORM_INPUT_NAME for a name that a model file cannot have as input.
 */
export function emitInputs(graph: GraphBuilder, schema: Schema): Map<string, Value> {
  const inputs = new Map<string, Value>()
  checkInputNames(schema.map(({ name }) => name))
  for (const { name, type } of schema) inputs.set(name, graph.input(name, INPUT_TYPE[type], ['N', 1]))
  return inputs
}

/** Features side by side: slots[j] is column j of `value`. */
interface Piece {
  readonly value: Value
  readonly slots: readonly Slot[]
}

interface Slot {
  readonly column: FittedColumn
  readonly feature: SqlFeature
  /** Which of its results each step gave: compared item by item, the order of the column's features. */
  readonly path: readonly number[]
}

/**
 * Writes the plan's nodes. `numeric` is [N, F] float, `categories` [N, C] int64, in the plan's order; absent if there are
 * none. Inputs as `emitInputs` declares them. The values are those of `planExpressions`, bit for bit.
 */
export function emitPlan(
  graph: GraphBuilder,
  plan: FeaturePlan,
  inputs: ReadonlyMap<string, Value>,
): { readonly numeric?: Value; readonly categories?: Value } {
  const groups = new Map<string, FittedColumn[]>()
  for (const column of plan.columns) {
    const key = chainKey(column)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [column])
    else group.push(column)
  }
  const pieces = [...groups.values()].flatMap((group) => emitGroup(graph, group, inputs))
  const isCategory = ({ slots }: Piece): boolean => slots[0]?.feature.kind === 'category'
  const numeric = joined(
    graph,
    pieces.filter((piece) => !isCategory(piece)),
  )
  const categories = joined(graph, pieces.filter(isCategory))
  const singles = numeric && graph.node('Cast', [numeric.value], { to: FLOAT })
  return {
    ...(numeric && singles && { numeric: ordered(graph, plan, { ...numeric, value: singles }) }),
    ...(categories && { categories: ordered(graph, plan, categories) }),
  }
}

/** Equal for columns that can share nodes: the same input type and the same steps with the same number of results. */
function chainKey(column: FittedColumn): string {
  let features: readonly SqlFeature[] = [head(column)]
  const steps = column.steps.map((step) => {
    const transform = fittedTransform(step, column.name)
    features = advance(features, (feature, index) => transform.apply(feature, step.fitted[index]))
    const own = transform.perColumn === true ? column.name : ''
    return [transform.name, own, ...features.map(({ suffix, kind }) => `${suffix}:${kind}`)]
  })
  return JSON.stringify([INPUT_TYPE[column.type], steps])
}

function emitGroup(
  graph: GraphBuilder,
  group: readonly FittedColumn[],
  inputs: ReadonlyMap<string, Value>,
): readonly Piece[] {
  const start = group.map((column): Piece => {
    const value = inputs.get(column.name)
    if (value === undefined)
      throw new MillraceError(
        'MR_TRANSFORM_INPUT_NAME',
        `the plan needs an input ${JSON.stringify(column.name)}; there are ${[...inputs.keys()].join(', ')}`,
      )
    return { value, slots: [{ column, feature: head(column), path: [] }] }
  })
  let running = joined(graph, start)
  const done: Piece[] = []
  const steps = group[0]?.steps ?? []
  for (const [position, step] of steps.entries()) {
    if (running === undefined) break
    const { value, slots } = running
    const transform = fittedTransform(step, group[0]?.name ?? '')
    const ranks = ranksInColumn(slots)
    const fitted = slots.map(({ column }, j) => column.steps[position]?.fitted[ranks[j] ?? 0])
    const results = slots.map(({ feature }, j) => transform.apply(feature, fitted[j]))
    const values = transform.onnx(graph, { value, kind: slots[0]?.feature.kind ?? 'number' }, fitted)
    const made = values.map((result, i): Piece => ({
      value: result.value,
      slots: slots.map(({ column, path }, j) => ({
        column,
        feature: results[j]?.[i] as SqlFeature,
        path: [...path, i],
      })),
    }))
    done.push(...made.filter(isFinal))
    running = joined(
      graph,
      made.filter((piece) => !isFinal(piece)),
    )
  }
  return running === undefined ? done : [running, ...done]
}

function isFinal({ slots }: Piece): boolean {
  return slots[0]?.feature.final === true
}

/** Of each slot: how many slots of the same column come before it in the order of the column's features. */
function ranksInColumn(slots: readonly Slot[]): readonly number[] {
  return slots.map(
    (slot) => slots.filter((other) => other.column === slot.column && comparePaths(other.path, slot.path) < 0).length,
  )
}

function comparePaths(a: readonly number[], b: readonly number[]): number {
  for (const [i, step] of a.entries()) if (step !== b[i]) return step - (b[i] ?? -1)
  return a.length - b.length
}

/** Several pieces side by side: one Concat, none for a single piece. */
function joined(graph: GraphBuilder, pieces: readonly Piece[]): Piece | undefined {
  const [first] = pieces
  if (first === undefined || pieces.length === 1) return first
  const value = graph.node(
    'Concat',
    pieces.map((piece) => piece.value),
    { axis: 1n },
  )
  return { value, slots: pieces.flatMap(({ slots }) => slots) }
}

/** Brings the columns of `piece` into the plan's order: one Gather, none if they are. */
function ordered(graph: GraphBuilder, plan: FeaturePlan, { value, slots }: Piece): Value {
  const rank = new Map(plan.columns.map((column, index) => [column, index]))
  const order = [...slots.keys()].sort((a, b) => {
    const [left, right] = [slots[a] as Slot, slots[b] as Slot]
    return (rank.get(left.column) ?? 0) - (rank.get(right.column) ?? 0) || comparePaths(left.path, right.path)
  })
  if (order.every((from, to) => from === to)) return value
  return graph.node('Gather', [value, graph.constant(int64s(order))], { axis: 1n })
}
