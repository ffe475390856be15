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
import { identifier, textLiteral } from '../../src/etl/sql/duckdb.js'
import { emitInputs, emitPlan, planExpressions } from '../../src/transforms/plan.js'
import type { FeaturePlan } from '../../src/transforms/transform.js'

/** Numbers for number and integer, microseconds as bigint for times, null for missing. */
export type Cell = number | bigint | string | boolean | null

export interface Column {
  readonly name: string
  readonly type: ColumnType
  readonly values: readonly Cell[]
}

/** How a table lies in files. */
export interface Layout {
  /** The first rows of all files but the first. */
  readonly cuts?: readonly number[]
  /** Of each row. */
  readonly copies?: number
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

  /** Writes the columns (of equal length) to Parquet files and gives a relation that scans them. */
  async table(columns: readonly Column[], { cuts = [], copies = 1 }: Layout = {}): Promise<Relation> {
    const rows = columns[0]?.values.length ?? 0
    const ends = [...cuts, rows]
    const paths: string[] = []
    for (const [i, end] of ends.entries()) {
      const part = columns.map((column) => ({ ...column, values: column.values.slice(ends[i - 1] ?? 0, end) }))
      paths.push(await this.file(part, copies))
    }
    return scan(
      { format: 'parquet', paths },
      columns.map(({ name, type }) => ({ name, type })),
    )
  }

  private async file(columns: readonly Column[], copies: number): Promise<string> {
    const file = join(this.folder, `${this.count++}.parquet`)
    const rows = columns[0]?.values.length ?? 0
    const select = columns.map(({ name, type }, c) => `${decoded(type, `c${c}`)} AS ${identifier(name)}`)
    const values = Array.from(
      { length: rows },
      (_, row) => `(${columns.map(({ values }) => encoded(values[row])).join()})`,
    )
    const nothing = `(${columns.map(() => 'NULL').join()})`
    const from = `(VALUES ${rows === 0 ? nothing : values.join()}) AS t(${columns.map((_, c) => `c${c}`).join()})`
    const repeated = copies === 1 ? from : `${from}, range(${copies})`
    const connection = await this.writer.connect()
    try {
      await connection.run(
        `COPY (SELECT ${select.join()} FROM ${repeated} ${rows === 0 ? 'WHERE false' : ''}) TO '${file}' (FORMAT parquet, ROW_GROUP_SIZE 4096)`,
      )
    } finally {
      connection.closeSync()
    }
    return file
  }

  /** The plan's features of all rows by the engine: one vector a feature, numeric then categories. */
  async bySql(plan: FeaturePlan, rows: Relation, engine = this.engine): Promise<readonly Float64Array[]> {
    const { numeric, categories } = planExpressions(plan)
    return vectors(project(rows, [...numeric, ...categories]), engine) as Promise<Float64Array[]>
  }

  /** The same by ONNX Runtime, the model's inputs taken from the raw table. */
  async byOnnx(plan: FeaturePlan, rows: Relation): Promise<readonly Float64Array[]> {
    const raw = await vectors(rows, this.engine)
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]()
    this.writer.closeSync()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** All rows of a relation, a vector a column. */
export async function vectors(relation: Relation, engine: Engine): Promise<readonly Vector[]> {
  const parts: (readonly Vector[])[] = []
  for await (const batch of engine.query(relation).batches()) parts.push(batch.columns)
  return relation.schema.map(({ type }, index) => {
    const chunks = parts.map((part) => part[index] as Vector)
    if (type === 'text') return chunks.flatMap((chunk) => [...(chunk as readonly string[])])
    if (type === 'timestamp' || type === 'date')
      return BigInt64Array.from(chunks.flatMap((chunk) => [...(chunk as BigInt64Array)]))
    return Float64Array.from(chunks.flatMap((chunk) => [...(chunk as Float64Array)]))
  })
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
  return textLiteral(Object.is(cell, -0) ? '-0' : String(cell))
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
