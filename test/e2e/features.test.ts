/** The examples' features, every row: what the model file computes from raw columns is what the batch path wrote. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  loadConfig,
  openArtifactStore,
  openDuckDb,
  runPipeline,
  type RecordBatch,
  type TableDocument,
} from '../../src/index.js'
import { GraphBuilder } from '../../src/core/onnx/graph.js'
import { project, select, sort } from '../../src/etl/relation.js'
import { col } from '../../src/etl/expr.js'
import { featuresRelation, type FeaturesTable } from '../../src/stages/features-table.js'
import { getJson } from '../../src/stages/run-resources.js'
import { ROW, tableRelation } from '../../src/stages/tables.js'
import { labelledRows, type PlanDocument } from '../../src/stages/transform.js'
import { emitInputs, emitPlan } from '../../src/transforms/plan.js'
import { example } from './cli.js'

test.each([
  ['churn', 7043],
  ['fraud', 26_103],
])('examples/%s', async (name, rows) => {
  await using copy = await example(name)
  const home = join(copy.path, '.millrace')
  const { state } = await runPipeline(loadConfig(copy.file), {
    home,
    stages: ['extract', 'validate', 'features', 'transform'],
  })
  const outputOf = (stage: string, output: string) =>
    state.stages.find((result) => result.name === stage)?.value?.[output]
  const store = await openArtifactStore(join(home, 'artifacts'), { readOnly: true })
  const engine = await openDuckDb({ tempFolder: copy.path })
  const plan = await getJson<PlanDocument>(store, outputOf('transform', 'plan'))
  const table = await tableRelation(store, await getJson<TableDocument>(store, outputOf('features', 'table')))

  const graph = GraphBuilder.create('features')
  const features = emitPlan(graph, plan.plan, emitInputs(graph, plan.inputs))
  const width = { numeric: plan.plan.numeric.length, categories: plan.plan.categories.length }
  if (features.numeric !== undefined) graph.output('numeric', features.numeric, 'float', ['N', width.numeric])
  if (features.categories !== undefined)
    graph.output('categories', features.categories, 'int64', ['N', width.categories])
  const session = await InferenceSession.create(graph.toModel(), { logSeverityLevel: 3 })

  const raw = sort(labelledRows(table, plan), [{ expr: col(ROW) }])
  const document = await getJson<FeaturesTable>(store, outputOf('transform', 'features'))
  const written = sort(await featuresRelation(store, document), [{ expr: col(ROW) }])
  const names = [...plan.plan.numeric, ...plan.plan.categories.map((category) => category.name)]
  const batch = await all(
    engine
      .query(
        project(
          written,
          names.map((column) => ({ name: column, expr: col(column) })),
        ),
      )
      .batches(),
  )
  let row = 0
  let largest = 0
  let wrong = 0
  for await (const part of engine
    .query(
      select(
        raw,
        plan.inputs.map((field) => field.name),
      ),
    )
    .batches()) {
    const feeds = Object.fromEntries(part.schema.map((field, j) => [field.name, tensorOf(part.columns[j], part.rows)]))
    const answer = await session.run(feeds)
    for (let i = 0; i < part.rows; i++, row++) {
      for (let j = 0; j < width.numeric; j++)
        largest = Math.max(
          largest,
          Math.abs(Number(answer['numeric']?.data[i * width.numeric + j]) - (batch[j]?.[row] ?? NaN)),
        )
      for (let j = 0; j < width.categories; j++)
        if (Number(answer['categories']?.data[i * width.categories + j]) !== batch[width.numeric + j]?.[row]) wrong++
    }
  }
  await engine[Symbol.asyncDispose]()
  await store.close()
  await session.release()
  expect(row).toBe(rows)
  expect(largest).toBeLessThanOrEqual(1e-6)
  expect(wrong).toBe(0)
})

async function all(batches: AsyncIterable<RecordBatch>): Promise<readonly number[][]> {
  const columns: number[][] = []
  for await (const batch of batches)
    for (const [j, vector] of batch.columns.entries()) (columns[j] ??= []).push(...Array.from(vector, Number))
  return columns
}

function tensorOf(vector: RecordBatch['columns'][number] | undefined, rows: number): Tensor {
  if (vector instanceof Float64Array) return new Tensor('float64', vector, [rows, 1])
  if (vector instanceof BigInt64Array) return new Tensor('int64', vector, [rows, 1])
  return new Tensor('string', [...(vector ?? [])], [rows, 1])
}
