/** The network's layout, first weights, and the served form: equal to the one that was trained. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { GraphBuilder } from '../../core/onnx/graph.js'
import { Rng } from '../../core/rng.js'
import type { NetworkSpec } from '../trainer.js'
import { emitHead, emitNetwork, initialWeights, parameterCount, parameterLayout } from './network.js'
import { learningRate } from './optimizer.js'
import { EvaluationSession } from './sessions.js'

const MIXED: NetworkSpec = { numeric: 3, categories: [4, 2], hidden: [8, 5], outputs: 3, task: 'classification' }

describe('parameters', () => {
  test('lie layer by layer, weights before biases, without gaps', () => {
    expect(parameterLayout(MIXED).map(({ name, shape, offset, decays }) => [name, shape, offset, decays])).toEqual([
      ['layer0.numeric', [3, 8], 0, true],
      ['layer0.categories', [6, 8], 24, true],
      ['layer0.bias', [8], 72, false],
      ['layer1.numeric', [8, 5], 80, true],
      ['layer1.bias', [5], 120, false],
      ['layer2.numeric', [5, 3], 125, true],
      ['layer2.bias', [3], 140, false],
    ])
    expect(parameterCount(MIXED)).toBe(143)
    expect(parameterCount({ ...MIXED, numeric: 0, hidden: [] })).toBe(6 * 3 + 3)
  })

  test('begin uniform within 1/√fan-in, zero for unseen values, the same for a seed', () => {
    const spec: NetworkSpec = { ...MIXED, numeric: 23, categories: [4, 21], hidden: [400] }
    const weights = initialWeights(spec, 5)
    expect(Buffer.compare(Buffer.from(weights.buffer), Buffer.from(initialWeights(spec, 5).buffer))).toBe(0)
    expect(initialWeights(spec, 6)[0]).not.toBe(weights[0])
    const [numeric, categories, , last] = parameterLayout(spec).map(({ offset, size }) =>
      weights.subarray(offset, offset + size),
    ) as [Float32Array, Float32Array, Float32Array, Float32Array]
    const spread = (values: Float32Array): number =>
      Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
    expect(Math.max(...numeric.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(25))
    expect(spread(numeric)).toBeCloseTo(1 / Math.sqrt(25) / Math.sqrt(3), 2)
    expect(spread(last)).toBeCloseTo(1 / Math.sqrt(400) / Math.sqrt(3), 2)
    const row = (index: number): Float32Array => categories.subarray(index * 400, (index + 1) * 400)
    expect(row(3).every((value) => value === 0)).toBe(true)
    expect(row(24).every((value) => value === 0)).toBe(true)
    expect(row(2).some((value) => value !== 0)).toBe(true)
  })
})

describe('the served network', () => {
  const specs: readonly [string, NetworkSpec][] = [
    ['numbers and categories', MIXED],
    ['numbers alone', { ...MIXED, categories: [] }],
    ['categories alone', { ...MIXED, numeric: 0 }],
    ['one category column', { ...MIXED, numeric: 0, categories: [4], hidden: [] }],
    ['regression', { ...MIXED, outputs: 1, task: 'regression' }],
  ]
  test.each(specs)('gives what the trained one gives: %s', async (_, spec) => {
    const rng = new Rng(3)
    const weights = Float32Array.from(initialWeights(spec, 1), (value) => value + 0.1)
    const rows = 50
    const numeric = Float32Array.from({ length: rows * spec.numeric }, () => rng.normal())
    const categories = Int32Array.from(
      Array.from({ length: rows }, () => spec.categories.map((size) => rng.below(size))).flat(),
    )
    const evaluation = await EvaluationSession.create(spec, 1)
    const expected = await evaluation.run(weights, { numeric, categories }, rows)
    await evaluation.release()

    const graph = GraphBuilder.create('served')
    const inputs = {
      ...(spec.numeric > 0 ? { numeric: graph.input('numeric', 'float', ['N', spec.numeric]) } : {}),
      ...(spec.categories.length > 0
        ? { categories: graph.input('categories', 'int64', ['N', spec.categories.length]) }
        : {}),
    }
    const { logits } = emitNetwork(graph, spec, weights, inputs)
    graph.output('logits', logits, 'float', ['N', spec.outputs])
    const head = emitHead(graph, spec, logits, { targetMean: 1e9, targetScale: 3 })
    if (spec.task === 'regression') graph.output('answer', head, 'double', ['N'])
    else graph.output('answer', head, 'float', ['N', spec.outputs])
    const session = await InferenceSession.create(graph.toModel(), { logSeverityLevel: 3 })
    const out = await session.run({
      ...(spec.numeric > 0 ? { numeric: new Tensor('float32', numeric, [rows, spec.numeric]) } : {}),
      ...(spec.categories.length > 0
        ? {
            categories: new Tensor('int64', BigInt64Array.from(categories, BigInt), [rows, spec.categories.length]),
          }
        : {}),
    })
    await session.release()
    const found = out['logits']?.data as Float32Array
    found.forEach((value, i) => expect(Math.abs(value - (expected[i] as number))).toBeLessThan(1e-6))
    const answer = out['answer']?.data as Float32Array | Float64Array
    if (spec.task === 'regression') {
      expect(out['answer']?.dims).toEqual([rows])
      answer.forEach((value, i) => expect(value).toBe(1e9 + 3 * (found[i] as number)))
    } else
      for (let i = 0; i < rows; i++) {
        const powers = [...found.subarray(i * 3, i * 3 + 3)].map(Math.exp)
        const sum = powers.reduce((a, b) => a + b, 0)
        powers.forEach((power, k) => expect(answer[i * 3 + k]).toBeCloseTo(power / sum, 6))
      }
  })
})

test('the learning rate rises over the warm-up and falls to nearly 0 at the last step', () => {
  const at = (schedule: 'constant' | 'cosine' | 'linear', step: number): number =>
    learningRate({ learningRate: 2, schedule, warmup: 0.1 }, step, 100)
  expect([0, 4, 9].map((step) => at('cosine', step))).toEqual([0.2, 1, 2])
  expect([10, 55, 99].map((step) => at('constant', step))).toEqual([2, 2, 2])
  expect([10, 55, 100].map((step) => at('linear', step))).toEqual([2, 1, 0])
  expect(at('cosine', 10)).toBe(2)
  expect(at('cosine', 55)).toBeCloseTo(1, 12)
  expect(at('cosine', 99)).toBeGreaterThan(0)
  expect(at('cosine', 99)).toBeLessThan(0.001)
})
