/** Small typed tables as Parquet files, and a feature plan run both ways over them: by SQL and by ONNX Runtime. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import * as ort from 'onnxruntime-node'
import { GraphBuilder } from '../../src/core/onnx/graph.js'
import { type ColumnType, DUCKDB_TYPES } from '../../src/core/schema.js'
import type { Vector } from '../../src/core/table.js'
import type { Engine } from '../../src/etl/engine.js'
import { openDuckDb } from '../../src/etl/duckdb/engine.js'
import { type Relation, project, scan } from '../../src/etl/relation.js'
import { emitInputs, emitPlan, planExpressions } from '../../src/transforms/plan.js'
import type { FeaturePlan } from '../../src/transforms/transform.js'

/** Numbers for number and integer, microseconds as bigint for times, null for missing. */
export type Cell = number | bigint | string | boolean | null

export interface Column {
  readonly name: string
  readonly type: ColumnType
  readonly values: readonly Cell[]
}

export class FeatureTables implements AsyncDisposable {
  private constructor(
    readonly engine: Engine,
    private readonly writer: DuckDBInstance,
    private readonly folder: string,
    private count = 0,
  ) {}

  static async open(): Promise<FeatureTables> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-features-'))
    return new FeatureTables(await openDuckDb({ threads: 2 }), await DuckDBInstance.create(':memory:'), folder)
  }

  /** Writes the columns (of equal length) to a Parquet file and gives a relation that scans it. */
  async table(columns: readonly Column[]): Promise<Relation> {
    const file = join(this.folder, `${this.count++}.parquet`)
    const rows = columns[0]?.values.length ?? 0
    const names = columns.map(({ name }) => `"${name.replaceAll('"', '""')}"`)
    const select = columns.map(({ type }, c) => `${decoded(type, `c${c}`)} AS ${names[c] ?? ''}`)
    const values = Array.from(
      { length: rows },
      (_, row) => `(${columns.map(({ values }) => encoded(values[row])).join()})`,
    )
    const from = `(VALUES ${rows === 0 ? `(${columns.map(() => 'NULL').join()})` : values.join()}) AS t(${columns.map((_, c) => `c${c}`).join()})`
    const connection = await this.writer.connect()
    try {
      await connection.run(
        `COPY (SELECT ${select.join()} FROM ${from} ${rows === 0 ? 'WHERE false' : ''}) TO '${file}' (FORMAT parquet)`,
      )
    } finally {
      connection.closeSync()
    }
    return scan(
      { format: 'parquet', paths: [file] },
      columns.map(({ name, type }) => ({ name, type })),
    )
  }

  /** The plan's features of all rows by the engine: one vector a feature, numeric then categories. */
  async bySql(plan: FeaturePlan, rows: Relation): Promise<readonly Float64Array[]> {
    const { numeric, categories } = planExpressions(plan)
    return this.vectors(project(rows, [...numeric, ...categories])) as Promise<Float64Array[]>
  }

  /** The same by ONNX Runtime, the model's inputs taken from the raw table. */
  async byOnnx(plan: FeaturePlan, rows: Relation): Promise<readonly Float64Array[]> {
    const raw = await this.vectors(rows)
    const session = await ort.InferenceSession.create(featureModel(plan), { logSeverityLevel: 3 })
    const feeds = Object.create(null) as Record<string, ort.Tensor>
    rows.schema.forEach(({ name }, index) => {
      if (session.inputNames.includes(name)) feeds[name] = tensor(raw[index] as Vector)
    })
    const { numeric, categories } = await session.run(feeds)
    const features = [...columnsOf(numeric, plan.numeric.length), ...columnsOf(categories, plan.categories.length)]
    await session.release()
    return features
  }

  private async vectors(relation: Relation): Promise<readonly Vector[]> {
    const parts: (readonly Vector[])[] = []
    for await (const batch of this.engine.query(relation).batches()) parts.push(batch.columns)
    return relation.schema.map(({ type }, index) => {
      const chunks = parts.map((part) => part[index] as Vector)
      if (type === 'text') return chunks.flatMap((chunk) => [...(chunk as readonly string[])])
      if (type === 'timestamp' || type === 'date')
        return BigInt64Array.from(chunks.flatMap((chunk) => [...(chunk as BigInt64Array)]))
      return Float64Array.from(chunks.flatMap((chunk) => [...(chunk as Float64Array)]))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]()
    this.writer.closeSync()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** A model file that gives the plan's features and nothing else. */
export function featureModel(plan: FeaturePlan): Uint8Array {
  return featureGraph(plan).toModel()
}

export function featureGraph(plan: FeaturePlan): GraphBuilder {
  const graph = GraphBuilder.create('features')
  const { numeric, categories } = emitPlan(graph, plan, emitInputs(graph, plan.columns))
  if (numeric !== undefined) graph.output('numeric', numeric, 'float', ['N', plan.numeric.length])
  if (categories !== undefined) graph.output('categories', categories, 'int64', ['N', plan.categories.length])
  return graph
}

/** Texts of doubles, so that NaN and infinities come through. */
function encoded(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return 'NULL'
  const text = Object.is(cell, -0) ? '-0' : String(cell)
  return `'${text.replaceAll("'", "''")}'`
}

function decoded(type: ColumnType, column: string): string {
  if (type === 'timestamp' || type === 'date')
    return `CAST(make_timestamp(CAST(${column} AS BIGINT)) AS ${DUCKDB_TYPES[type]})`
  return `CAST(${column} AS ${DUCKDB_TYPES[type]})`
}

function tensor(vector: Vector): ort.Tensor {
  const dims = [vector.length, 1]
  if (vector instanceof Float64Array) return new ort.Tensor('float64', vector, dims)
  if (vector instanceof BigInt64Array) return new ort.Tensor('int64', vector, dims)
  return new ort.Tensor('string', [...vector], dims)
}

function columnsOf(output: ort.Tensor | undefined, width: number): readonly Float64Array[] {
  if (output === undefined) return []
  const [rows = 0, columns] = output.dims
  if (columns !== width) throw new Error(`the model gives ${columns} features, the plan says ${width}`)
  const data = output.data as Float32Array | BigInt64Array
  return Array.from({ length: width }, (_, c) =>
    Float64Array.from({ length: rows }, (_, r) => Number(data[r * width + c])),
  )
}
