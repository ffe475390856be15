/** Small real model files under the contract of SPEC 7, for tests of whatever reads, runs or serves one. */
import { doubles, floats, GraphBuilder, int64s } from '../src/core/onnx/graph.js'
import type { ModelMetadata } from '../src/core/documents.js'
import type { Schema, Task } from '../src/core/schema.js'

export const LOAN_INPUTS: Schema = [
  { name: 'income', type: 'number' },
  { name: 'children', type: 'integer' },
  { name: 'owns home', type: 'boolean' },
  { name: 'city', type: 'text' },
  { name: 'since', type: 'timestamp' },
]

export interface LoanOptions {
  readonly name?: string
  readonly version?: string
  readonly classes?: readonly string[]
  /** Added to the logit of the last class, so that versions answer differently. */
  readonly bias?: number
  /** Renames inputs, e.g. to hostile names. */
  readonly inputs?: Schema
  readonly regression?: boolean
  readonly metadata?: Partial<Record<keyof ModelMetadata, unknown>>
}

/**
 * score = 0.01 * income (50 where missing) + children (0) + owns home (0) + {'Oslo': 1, 'Rome': -1, other: 0}
 *       + (since >= 2020: 0.5, missing: 0) + bias; classification: softmax over [0, score / 2 …, score].
 */
export function loanModel(options: LoanOptions = {}): Uint8Array {
  const { name = 'loan', version = '1', classes = ['no', 'yes'], bias = 0, inputs = LOAN_INPUTS } = options
  const g = GraphBuilder.create(name)
  const [income, children, home, city, since] = inputs.map((field) =>
    g.input(field.name, field.type === 'text' ? 'string' : field.type === 'timestamp' ? 'int64' : 'double', ['N', 1]),
  ) as [string, string, string, string, string]
  const filled = (value: string, by: number): string =>
    g.node('Where', [g.node('IsNaN', [value]), g.constant(doubles([by], [1])), value])
  const numbers = g.node('Concat', [filled(income, 50), filled(children, 0), filled(home, 0)], { axis: 1n })
  const weights = g.constant(doubles([0.01, 1, 1], [3, 1]))
  const linear = g.node('Cast', [g.node('MatMul', [numbers, weights])], { to: 1n })
  const place = g.ml('LabelEncoder', [city], {
    keys_strings: ['Oslo', 'Rome'],
    values_floats: Float32Array.of(1, -1),
    default_float: 0,
  })
  const recent = g.node(
    'Cast',
    [g.node('GreaterOrEqual', [since, g.constant(int64s([1_577_836_800_000_000n], [1]))])],
    {
      to: 1n,
    },
  )
  const half = g.node('Mul', [recent, g.constant(floats([0.5], [1]))])
  const score = g.node('Add', [g.node('Add', [g.node('Add', [linear, place]), half]), g.constant(floats([bias], [1]))])
  let task: Task
  if (options.regression) {
    task = { kind: 'regression' }
    g.output('prediction', g.node('Reshape', [score, g.constant(int64s([-1]))]), 'float', ['N'])
  } else {
    task = { kind: 'classification', classes, positive: classes.at(-1) }
    const steps = floats(
      classes.map((_, i) => (classes.length === 1 ? 1 : i / (classes.length - 1))),
      [1, classes.length],
    )
    const probability = g.node('Softmax', [g.node('Mul', [score, g.constant(steps)])], { axis: 1n })
    const index = g.node('ArgMax', [probability], { axis: 1n, keepdims: 0n })
    const label = g.ml('LabelEncoder', [index], {
      keys_int64s: classes.map((_, i) => BigInt(i)),
      values_strings: classes,
      default_string: '',
    })
    g.output('label', label, 'string', ['N'])
    g.output('probability', probability, 'float', ['N', classes.length])
  }
  const metadata = {
    format: 1,
    name,
    version,
    task,
    label: 'repaid',
    inputs,
    seed: 1,
    digests: { weights: 'none' },
    engines: {},
    ...options.metadata,
  }
  return g.toModel({ millrace: JSON.stringify(metadata) })
}
