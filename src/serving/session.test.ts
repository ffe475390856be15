/** Long batches go through ONNX Runtime in pieces: the same answers, and a bounded memory. */
import type { InferenceSession } from 'onnxruntime-node'
import { expect, it } from 'vitest'
import { loanModel } from '../../test/models.js'
import type { RecordBatch } from '../core/table.js'
import { readModelFile } from './model-file.js'
import { missingRows } from './onnx-predictor.js'
import { ModelSession } from './session.js'

const ROWS = 9001

/** Each row with an amount of its own. */
function batchOf(schema: RecordBatch['schema'], from: number, rows: number): RecordBatch {
  const missing = missingRows(schema, rows)
  const columns = missing.columns.map((column) =>
    column instanceof Float64Array
      ? Float64Array.from({ length: rows }, (_, i) => Math.sin(from + i))
      : column instanceof BigInt64Array
        ? column
        : column.map((_, i) => ((from + i) % 2 === 0 ? 'Oslo' : 'Rome')),
  )
  return { schema, rows, columns }
}

it.each([false, true])('a long batch is answered as its parts are (regression: %s)', async (regression) => {
  const bytes = loanModel({ regression })
  const { metadata } = readModelFile(bytes)
  const session = await ModelSession.open(bytes, metadata, 1)
  const seen: number[] = []
  const inner = (session as unknown as { session: InferenceSession }).session
  const run = inner.run.bind(inner)
  inner.run = ((feeds: InferenceSession.FeedsType, outputs: readonly string[]) => {
    seen.push(Object.values(feeds)[0]?.dims[0] ?? 0)
    return run(feeds, outputs)
  }) as typeof inner.run
  const whole = await session.run(batchOf(metadata.inputs, 0, ROWS))
  expect(seen.reduce((sum, rows) => sum + rows, 0)).toBe(ROWS)
  expect(Math.max(...seen)).toBeLessThanOrEqual(4096)
  const parts = []
  for (let from = 0; from < ROWS; from += 1000)
    parts.push(await session.run(batchOf(metadata.inputs, from, Math.min(1000, ROWS - from))))
  expect(whole.rows).toBe(ROWS)
  expect(whole.labels).toEqual(regression ? undefined : parts.flatMap(({ labels = [] }) => labels))
  for (const key of ['values', 'probabilities'] as const) {
    const expected = parts.flatMap((part) => [...(part[key] ?? [])])
    expect([...(whole[key] ?? [])]).toEqual(expected)
  }
  expect(new Set(whole.values ?? whole.probabilities).size).toBeGreaterThan(1000)
  await session.release()
})
