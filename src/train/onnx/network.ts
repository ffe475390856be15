/** The multilayer perceptron: its parameters, their first values, and its graph for training, evaluation and serving. */
import { type Dimension, doubles, floats, type GraphBuilder, int64s, type Value } from '../../core/onnx/graph.js'
import { Rng } from '../../core/rng.js'
import type { NetworkSpec } from '../trainer.js'
import { addBias, gatherSum, gemm, mask, relu } from './gradients.js'
import { Tape, type Tensor } from './tape.js'

export interface Parameter {
  readonly name: string
  readonly layer: number
  readonly part: 'numeric' | 'categories' | 'bias'
  /** [in, out], or [out] for a bias. */
  readonly shape: readonly number[]
  /** Place in the flat vector. */
  readonly offset: number
  readonly size: number
  /** Whether weight decay applies: never to biases. */
  readonly decays: boolean
}

/**
 * The flat vector's parts, layer by layer: weights [in, out] row by row, then the bias. The first layer has one matrix
 * for numbers and one with a row for each index of each category column, column after column.
 */
export function parameterLayout(spec: NetworkSpec): readonly Parameter[] {
  const layout: Parameter[] = []
  let offset = 0
  const add = (layer: number, part: Parameter['part'], shape: readonly number[]): void => {
    const size = shape.reduce((product, dim) => product * dim, 1)
    layout.push({ name: `layer${layer}.${part}`, layer, part, shape, offset, size, decays: part !== 'bias' })
    offset += size
  }
  for (const [layer, width] of [...spec.hidden, spec.outputs].entries()) {
    const below = layer === 0 ? spec.numeric : (spec.hidden[layer - 1] as number)
    if (below > 0) add(layer, 'numeric', [below, width])
    if (layer === 0 && spec.categories.length > 0) add(layer, 'categories', [sum(spec.categories), width])
    add(layer, 'bias', [width])
  }
  return layout
}

export function parameterCount(spec: NetworkSpec): number {
  return sum(parameterLayout(spec).map(({ size }) => size))
}

/**
 * Uniform in ±1/√fan-in, weights and biases: He et al. (2015) as PyTorch's Linear does it. A group of one-hot columns
 * has one 1 a row, so a category column counts as one input whatever its size. The last index of each column is for
 * values never seen in training: its row is zero and, without gradients, stays so.
 */
export function initialWeights(spec: NetworkSpec, seed: number): Float32Array {
  const weights = new Float32Array(parameterCount(spec))
  for (const [index, { layer, part, shape, offset, size }] of parameterLayout(spec).entries()) {
    const inputs = layer === 0 ? spec.numeric + spec.categories.length : (spec.hidden[layer - 1] as number)
    const bound = 1 / Math.sqrt(inputs)
    const rng = new Rng(seed, 0, index)
    for (let i = 0; i < size; i++) weights[offset + i] = (2 * rng.uniform() - 1) * bound
    if (part !== 'categories') continue
    const width = shape[1] as number
    let row = 0
    for (const rows of spec.categories) {
      row += rows
      weights.fill(0, offset + (row - 1) * width, offset + row * width)
    }
  }
  return weights
}

/** First row of each category column in the first layer's matrix. */
export function categoryOffsets(spec: NetworkSpec): readonly number[] {
  let row = 0
  return spec.categories.map((size) => {
    row += size
    return row - size
  })
}

/** Cuts a flat vector (a value of the graph) into the layout's tensors. */
export function splitParameters(tape: Tape, spec: NetworkSpec, flat: Value): readonly Tensor[] {
  const { graph } = tape
  const layout = parameterLayout(spec)
  const sizes = graph.constant(int64s(layout.map(({ size }) => size)))
  return graph.nodes('Split', [flat, sizes], layout.length, { axis: 0n }).map((part, index) => {
    const { shape } = layout[index] as Parameter
    if (shape.length === 1) return tape.parameter(part, shape)
    return tape.parameter(graph.node('Reshape', [part, graph.constant(int64s(shape))]), shape)
  })
}

export interface NetworkInputs {
  /** [N, numeric] */
  readonly numeric?: Tensor
  /** [N, categories] int64, rows of the first layer's matrix (offsets added). */
  readonly categories?: Tensor
  /** Dropout's factors after hidden layer `layer`, [N, width]; undefined: no dropout. */
  readonly dropout?: (layer: number, width: number) => Tensor
}

/** The forward pass: logits [N, classes], or [N, 1] for regression. `parameters` in the layout's order. */
export function forward(
  tape: Tape,
  spec: NetworkSpec,
  parameters: readonly Tensor[],
  { numeric, categories, dropout }: NetworkInputs,
): Tensor {
  const layout = parameterLayout(spec)
  const parameter = (layer: number, part: Parameter['part']): Tensor | undefined =>
    parameters[layout.findIndex((entry) => entry.layer === layer && entry.part === part)]
  let activation = numeric
  for (const [layer, width] of [...spec.hidden, spec.outputs].entries()) {
    const bias = parameter(layer, 'bias') as Tensor
    const table = parameter(layer, 'categories')
    const weights = parameter(layer, 'numeric')
    const gathered = table && categories ? addBias(tape, gatherSum(tape, table, categories), bias) : undefined
    const linear = weights && activation ? gemm(tape, activation, weights, gathered ?? bias) : gathered
    if (!linear) throw new Error('a network needs numeric features or categories')
    if (layer === spec.hidden.length) return linear
    activation = relu(tape, linear)
    if (dropout) activation = mask(tape, activation, dropout(layer, width))
  }
  throw new Error('unreachable: the last layer returns')
}

/**
 * Writes a trained network into a served model's graph. `numeric` is [N, numeric] float32, `categories` [N, categories]
 * int64, each index within its own column. Gives the logits, [N, outputs] float32.
 */
export function emitNetwork(
  graph: GraphBuilder,
  spec: NetworkSpec,
  weights: Float32Array,
  { numeric, categories }: { readonly numeric?: Value; readonly categories?: Value },
): { readonly logits: Value } {
  const tape = new Tape(graph)
  const rows: Dimension = 'N'
  const parameters = parameterLayout(spec).map(({ shape, offset, size }) =>
    tape.parameter(graph.constant(floats(weights.subarray(offset, offset + size), shape)), shape),
  )
  const offsets = categoryOffsets(spec)
  const named =
    categories === undefined || offsets.length < 2
      ? categories
      : graph.node('Add', [categories, graph.constant(int64s(offsets))])
  const logits = forward(tape, spec, parameters, {
    ...(numeric === undefined || spec.numeric === 0 ? {} : { numeric: tape.data(numeric, [rows, spec.numeric]) }),
    ...(named === undefined || offsets.length === 0 ? {} : { categories: tape.data(named, [rows, offsets.length]) }),
  })
  return { logits: logits.value }
}

/**
 * What a model answers, made from the logits: `probability` [N, classes] float32, or `prediction` [N] double in the
 * target's own unit (`targetMean` and `targetScale` of the trained model).
 */
export function emitHead(
  graph: GraphBuilder,
  spec: NetworkSpec,
  logits: Value,
  { targetMean = 0, targetScale = 1 }: { readonly targetMean?: number; readonly targetScale?: number } = {},
): Value {
  if (spec.task === 'classification') return graph.node('Softmax', [logits], { axis: 1n })
  const flat = graph.node('Reshape', [logits, graph.constant(int64s([-1]))])
  const wide = graph.node('Cast', [flat], { to: 11n })
  const scaled = graph.node('Mul', [wide, graph.constant(doubles([targetScale], []))])
  return graph.node('Add', [scaled, graph.constant(doubles([targetMean], []))])
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
