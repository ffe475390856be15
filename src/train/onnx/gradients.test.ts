/**
 * Every gradient against central finite differences, in double precision: with h = 1e-5 both truncation (h²) and
 * rounding (1e-16/h) are about 1e-10, so 1e-7 tells a wrong formula from a right one. Float32 is checked against
 * PyTorch in torch.test.ts.
 */
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { GraphBuilder, int32s, int64s, type Value } from '../../core/onnx/graph.js'
import { Rng } from '../../core/rng.js'
import type { NetworkSpec } from '../trainer.js'
import { addBias, crossEntropy, gatherSum, gemm, mask, relu, squaredError } from './gradients.js'
import { forward, parameterCount, splitParameters } from './network.js'
import { Tape, type Tensor } from './tape.js'

const H = 1e-5
const TOLERANCE = 1e-7

const normals = (count: number, seed: number): number[] => {
  const rng = new Rng(seed)
  return Array.from({ length: count }, () => rng.normal())
}

/** Compares the gradients of a scalar made of parameters of the given shapes with finite differences. */
async function check(
  shapes: readonly (readonly number[])[],
  build: (tape: Tape, parameters: readonly Tensor[]) => Tensor,
): Promise<number> {
  const graph = GraphBuilder.create('check')
  const tape = new Tape(graph, 'double')
  const parameters = shapes.map((shape, i) => tape.parameter(graph.input(`p${i}`, 'double', shape), shape))
  const loss = build(tape, parameters)
  const gradients = tape.gradients(loss, parameters)
  graph.output('loss', loss.value, 'double', [])
  gradients.forEach((gradient, i) => graph.output(`g${i}`, gradient, 'double', shapes[i] ?? []))
  const session = await InferenceSession.create(graph.toModel(), { logSeverityLevel: 3 })
  const values = shapes.map((shape, i) =>
    Float64Array.from(
      normals(
        shape.reduce((a, b) => a * b, 1),
        i + 10,
      ),
    ),
  )
  const run = async (): Promise<Record<string, Float64Array>> => {
    const feeds = Object.fromEntries(
      values.map((v, i) => [`p${i}`, new OrtTensor('float64', v.slice(), shapes[i] ?? [])]),
    )
    const out = await session.run(feeds)
    return Object.fromEntries(Object.entries(out).map(([name, tensor]) => [name, tensor.data as Float64Array]))
  }
  const at = await run()
  let worst = 0
  for (const [i, value] of values.entries())
    for (let j = 0; j < value.length; j++) {
      const kept = value[j] as number
      value[j] = kept + H
      const above = (await run())['loss']?.[0] as number
      value[j] = kept - H
      const below = (await run())['loss']?.[0] as number
      value[j] = kept
      worst = Math.max(worst, Math.abs((above - below) / (2 * H) - (at[`g${i}`]?.[j] as number)))
    }
  await session.release()
  return worst
}

/** A scalar that weighs every entry of `x` [n, k] differently, so that no gradient is constant. */
function measure(tape: Tape, x: Tensor): Tensor {
  const [rows, width] = x.shape as readonly [number, number]
  const column = tape.data(tape.constant(normals(width, 98), [width, 1]), [width, 1])
  const zero = tape.data(tape.constant([0]), [1])
  const target = tape.constant(normals(rows, 99), [rows, 1])
  return squaredError(tape, gemm(tape, x, column, zero), target, tape.constant(normals(rows, 97), [rows, 1]))
}

const labels = (tape: Tape): Value => tape.graph.constant(int32s([2, 0, 1, 1], [4, 1]))
const rowWeights = (tape: Tape): Value => tape.constant([0.1, 0.4, 0.5, 0], [4, 1])

describe('gradients against finite differences', () => {
  const cases: readonly [string, number[][], (tape: Tape, parameters: readonly Tensor[]) => Tensor][] = [
    ['gemm with a bias', [[4, 3], [3, 2], [2]], (t, [x, w, c]) => measure(t, gemm(t, x!, w!, c!))],
    [
      'gemm with a matrix',
      [
        [4, 3],
        [3, 2],
        [4, 2],
      ],
      (t, [x, w, c]) => measure(t, gemm(t, x!, w!, c!)),
    ],
    ['a bias', [[4, 3], [3]], (t, [x, b]) => measure(t, addBias(t, x!, b!))],
    ['relu', [[4, 3]], (t, [x]) => measure(t, relu(t, x!))],
    [
      'a dropout mask',
      [[4, 3]],
      (t, [x]) => measure(t, mask(t, x!, t.data(t.constant([0, 2, 0, 2, 2, 0, 2, 0, 0, 2, 2, 2], [4, 3]), [4, 3]))),
    ],
    [
      'the sum of category rows, some named twice, some never',
      [[5, 3]],
      (t, [table]) =>
        measure(t, gatherSum(t, table!, t.data(t.graph.constant(int64s([0, 3, 0, 4, 1, 3, 0, 3], [4, 2])), [4, 2]))),
    ],
    [
      'the sum of category rows of a large table',
      [[40, 3]],
      (t, [table]) =>
        measure(
          t,
          gatherSum(t, table!, t.data(t.graph.constant(int64s([0, 33, 0, 39, 1, 33, 0, 33], [4, 2])), [4, 2])),
        ),
    ],
    ['cross-entropy', [[4, 3]], (t, [x]) => crossEntropy(t, x!, labels(t), rowWeights(t))],
    ['squared error', [[4, 1]], (t, [x]) => squaredError(t, x!, t.constant([1, 2, 3, 4], [4, 1]), rowWeights(t))],
    [
      'a parameter used twice',
      [[4, 3], [3, 3], [3]],
      (t, [x, w, b]) => measure(t, gemm(t, relu(t, gemm(t, x!, w!, b!)), w!, b!)),
    ],
  ]
  test.each(cases)('%s', async (_, shapes, build) => {
    expect(await check(shapes, build)).toBeLessThan(TOLERANCE)
  })

  const networks: readonly [string, NetworkSpec][] = [
    ['numbers and categories', { numeric: 3, categories: [2, 3], hidden: [5, 4], outputs: 3, task: 'classification' }],
    ['categories alone', { numeric: 0, categories: [2, 3], hidden: [4], outputs: 3, task: 'classification' }],
    ['logistic regression', { numeric: 3, categories: [2, 3], hidden: [], outputs: 3, task: 'classification' }],
    ['regression', { numeric: 3, categories: [2, 3], hidden: [5], outputs: 1, task: 'regression' }],
  ]
  test.each(networks)('a whole network: %s', async (_, spec) => {
    const worst = await check([[parameterCount(spec)]], (tape, [flat]) => {
      const { graph } = tape
      // the flat vector is cut by hand, so that the split has a gradient too
      const parts = splitParameters(tape, spec, (flat as Tensor).value)
      const factors = (layer: number, width: number): Tensor => {
        const values = Array.from({ length: 4 * width }, (_v, i) => ((i + layer) % 3 === 0 ? 0 : 1.5))
        return tape.data(tape.constant(values, [4, width]), [4, width])
      }
      const indices = graph.constant(int64s([0, 2, 1, 3, 0, 4, 0, 2], [4, 2]))
      const output = forward(tape, spec, parts, {
        ...(spec.numeric > 0 ? { numeric: tape.data(tape.constant(normals(12, 1), [4, 3]), [4, 3]) } : {}),
        categories: tape.data(indices, [4, 2]),
        dropout: factors,
      })
      const loss =
        spec.task === 'classification'
          ? crossEntropy(tape, output, labels(tape), rowWeights(tape))
          : squaredError(tape, output, tape.constant([1, 2, 3, 4], [4, 1]), rowWeights(tape))
      const flats = tape
        .gradients(loss, parts)
        .map((part) => graph.node('Reshape', [part, graph.constant(int64s([-1]))]))
      const gradient = graph.node('Concat', flats, { axis: 0n })
      return tape.record(loss.value, [], [flat as Tensor], () => gradient)
    })
    expect(worst).toBeLessThan(TOLERANCE)
  })

  test('a loss that does not depend on a parameter is an error, not a zero', () => {
    const graph = GraphBuilder.create('independent')
    const tape = new Tape(graph)
    const x = tape.parameter(graph.input('x', 'float', [4, 1]), [4, 1])
    const other = tape.parameter(graph.input('other', 'float', [1]), [1])
    const loss = squaredError(tape, x, tape.constant([1, 2, 3, 4], [4, 1]), rowWeights(tape))
    expect(() => tape.gradients(loss, [x, other])).toThrow('does not depend on other')
  })
})

test('category gradients are the same bits for one thread and for two, however many rows name one index', async () => {
  const [rows, width, columns] = [3000, 96, 2] as const
  const graph = GraphBuilder.create('threads')
  const tape = new Tape(graph)
  const size = 60
  const table = tape.parameter(graph.input('table', 'float', [size, width]), [size, width])
  const indices = Array.from({ length: rows * columns }, (_, i) => (i % 2) * 30 + (((i >> 1) * 7919) % 3))
  const sums = gatherSum(tape, table, tape.data(graph.constant(int64s(indices, [rows, columns])), [rows, columns]))
  const column = tape.data(tape.constant(normals(width, 1), [width, 1]), [width, 1])
  const output = gemm(tape, sums, column, tape.data(tape.constant([0]), [1]))
  const loss = squaredError(
    tape,
    output,
    tape.constant(normals(rows, 2), [rows, 1]),
    tape.constant(normals(rows, 3), [rows, 1]),
  )
  graph.output('gradient', tape.gradients(loss, [table])[0] as Value, 'float', [size, width])
  const digests = new Set<string>()
  for (const threads of [1, 2]) {
    const options = { intraOpNumThreads: threads, logSeverityLevel: 3 } as const
    const session = await InferenceSession.create(graph.toModel(), options)
    const feeds = { table: new OrtTensor('float32', Float32Array.from(normals(size * width, 4)), [size, width]) }
    for (let i = 0; i < 10; i++) {
      const data = (await session.run(feeds))['gradient']?.data as Float32Array
      digests.add(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'))
    }
    await session.release()
  }
  expect(digests.size).toBe(1)
})
