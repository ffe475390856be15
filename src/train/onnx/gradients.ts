/**
 * The operations of a network, each with its gradient. All of them give the same bits for any number of threads: where
 * one sum is spread over threads by ONNX Runtime, it is written in another way here.
 */
import { type Dimension, int32s, int64s, type Value } from '../../core/onnx/graph.js'
import type { Tape, Tensor } from './tape.js'

/** x [N, in] · w [in, out] + c, where c is a bias [out] or a matrix [N, out]. */
export function gemm(tape: Tape, x: Tensor, w: Tensor, c: Tensor): Tensor {
  const { graph } = tape
  const shape = [x.shape[0] as Dimension, w.shape[1] as Dimension]
  return tape.record(graph.node('Gemm', [x.value, w.value, c.value]), shape, [x, w, c], (gradient, index) => {
    if (index === 0) return graph.node('Gemm', [gradient, w.value], { transB: 1n })
    if (index === 1) return graph.node('Gemm', [x.value, gradient], { transA: 1n })
    return c.shape.length === 2 ? gradient : sumRows(tape, gradient)
  })
}

/** x [N, out] + bias [out]. */
export function addBias(tape: Tape, x: Tensor, bias: Tensor): Tensor {
  return tape.record(tape.graph.node('Add', [x.value, bias.value]), x.shape, [x, bias], (gradient, index) =>
    index === 0 ? gradient : sumRows(tape, gradient),
  )
}

/** max(x, 0); the gradient at 0 is 0, as in PyTorch. */
export function relu(tape: Tape, x: Tensor): Tensor {
  const { graph } = tape
  const value = graph.node('Relu', [x.value])
  return tape.record(value, x.shape, [x], (gradient) =>
    graph.node('Where', [graph.node('Greater', [value, tape.scalar(0)]), gradient, tape.scalar(0)]),
  )
}

/** x · mask, entry by entry; the mask is data (dropout: 0 or 1/(1-p)). */
export function mask(tape: Tape, x: Tensor, factors: Tensor): Tensor {
  return tape.record(tape.graph.node('Mul', [x.value, factors.value]), x.shape, [x], (gradient) =>
    tape.graph.node('Mul', [gradient, factors.value]),
  )
}

/** ONNX Runtime 1.30 gives a ScatterND to several threads above about 200,000 values; half of that is one thread's. */
const SCATTER_VALUES = 100_000

/** Below this many rows of the table for each column a matrix product beats gathering: measured at widths 64 and 256. */
const DENSE_ROWS = 8

/**
 * For each row the sum of the rows of `table` [size, out] that its `indices` [N, columns] (int64) name: a linear layer
 * on one-hot columns, which are made only for a minibatch of small columns. Columns must name disjoint rows of the table.
 */
export function gatherSum(tape: Tape, table: Tensor, indices: Tensor): Tensor {
  const { graph } = tape
  const [rows, columns] = indices.shape as readonly [Dimension, number]
  const [size, width] = table.shape as readonly [number, number]
  if (typeof rows === 'number' && size <= DENSE_ROWS * columns) {
    const zeros = tape.constant(new Float64Array(rows * size), [rows, size])
    const ones = tape.constant(new Float64Array(rows * columns).fill(1), [rows, columns])
    const hot = graph.node('ScatterElements', [zeros, indices.value, ones], { axis: 1n })
    return tape.record(graph.node('Gemm', [hot, table.value]), [rows, width], [table], (gradient) =>
      graph.node('Gemm', [hot, gradient], { transA: 1n }),
    )
  }
  const gathered = graph.node('Gather', [table.value, indices.value])
  const value = graph.node('ReduceSum', [gathered, graph.constant(int64s([1]))], { keepdims: 0n })
  return tape.record(value, [rows, width], [table], (gradient) => {
    if (typeof rows !== 'number') throw new Error('the gradient of gatherSum needs a fixed number of rows')
    // With reduction=add, rows that name the same index are added by several threads at once if there is enough to do
    // for more than one: in another order each time, or not at all. Small pieces are left to one thread.
    const piece = Math.max(1, Math.min(rows, Math.floor(SCATTER_VALUES / width)))
    const axis = (at: number): Value => graph.constant(int64s([at]))
    const slice = (from: Value, start: number, end: number, along: number): Value =>
      graph.node('Slice', [from, axis(start), axis(end), axis(along)])
    let sum = graph.node('ConstantOfShape', [graph.constant(int64s([size, width]))], {
      value: tape.numbers([0]),
    })
    for (let start = 0; start < rows; start += piece) {
      const end = Math.min(rows, start + piece)
      const update = piece === rows ? gradient : slice(gradient, start, end, 0)
      const named = piece === rows ? indices.value : slice(indices.value, start, end, 0)
      for (let column = 0; column < columns; column++) {
        const one = columns === 1 ? named : slice(named, column, column + 1, 1)
        sum = graph.node('ScatterND', [sum, one, update], { reduction: 'add' })
      }
    }
    return sum
  })
}

/**
 * Σ weight · -log softmax(logits)[label]: logits [N, K], labels [N, 1] int32, weights [N, 1] (a row's weight over the sum
 * of all rows' weights, so that this is PyTorch's CrossEntropyLoss(weight)). A scalar.
 */
export function crossEntropy(tape: Tape, logits: Tensor, labels: Value, weights: Value): Tensor {
  const { graph } = tape
  const classes = logits.shape[1] as number
  const logs = graph.node('LogSoftmax', [logits.value], { axis: 1n })
  const each = graph.constant(
    int32s(
      Array.from({ length: classes }, (_, index) => index),
      [1, classes],
    ),
  )
  const target = graph.node('Where', [graph.node('Equal', [labels, each]), weights, tape.scalar(0)])
  const total = graph.node('ReduceSum', [graph.node('Mul', [target, logs])], { keepdims: 0n })
  return tape.record(graph.node('Neg', [total]), [], [logits], (gradient) => {
    const expected = graph.node('Mul', [graph.node('Exp', [logs]), weights])
    return graph.node('Mul', [graph.node('Sub', [expected, target]), gradient])
  })
}

/** Σ weight · (prediction - target)²: all [N, 1]. A scalar. */
export function squaredError(tape: Tape, prediction: Tensor, target: Value, weights: Value): Tensor {
  const { graph } = tape
  const error = graph.node('Sub', [prediction.value, target])
  const weighted = graph.node('Mul', [error, weights])
  const value = graph.node('ReduceSum', [graph.node('Mul', [weighted, error])], { keepdims: 0n })
  return tape.record(value, [], [prediction], (gradient) =>
    graph.node('Mul', [graph.node('Mul', [weighted, tape.scalar(2)]), gradient]),
  )
}

function sumRows(tape: Tape, gradient: Value): Value {
  return tape.graph.node('ReduceSum', [gradient, tape.graph.constant(int64s([0]))], { keepdims: 0n })
}
