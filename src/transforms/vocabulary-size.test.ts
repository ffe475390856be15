/** A column of 100,000 categories: planned, written, loaded and looked up. */
import * as ort from 'onnxruntime-node'
import { expect, it } from 'vitest'
import { featureModel } from '../../test/conformance/feature-table.js'
import type { FeaturePlan } from './transform.js'

it('serves 100,000 categories', { timeout: 60_000 }, async () => {
  const values = Array.from({ length: 100_000 }, (_, i) => `value ${i * 7919}`)
  const category = { name: 'x', size: values.length + 1 }
  const steps = [{ transform: 'one_hot', version: 1, fitted: [{ values, others: 0 }] }]
  const column = { name: 'x', type: 'text', steps, isDefault: true, numeric: [], categories: [category] } as const
  const plan: FeaturePlan = { columns: [column], numeric: [], categories: [category] }
  const started = performance.now()
  const bytes = featureModel(plan)
  const written = performance.now()
  const session = await ort.InferenceSession.create(bytes)
  const loaded = performance.now()
  const rows = 10_000
  const asked = Array.from({ length: rows }, (_, i) =>
    i % 10 === 9 ? `unseen ${i}` : (values[(i * 31) % values.length] ?? ''),
  )
  const tensor = new ort.Tensor('string', asked, [rows, 1])
  const before = performance.now()
  const { categories } = await session.run({ x: tensor })
  const looked = performance.now()
  await session.release()
  const expected = asked.map((_, i) => BigInt(i % 10 === 9 ? values.length : (i * 31) % values.length))
  expect([...(categories?.data as BigInt64Array)]).toEqual(expected)
  const took = (from: number, to: number): string => `${(to - from).toFixed(0)} ms`
  console.info(
    `100,000 categories: ${(bytes.length / 1e6).toFixed(1)} MB, written in ${took(started, written)}, loaded in ${took(written, loaded)}, ${rows} rows looked up in ${took(before, looked)}`,
  )
})
