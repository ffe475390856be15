/**
 * One meaning for random data: tables, feature chains, relational plans, splits and statistics drawn at random give the
 * same on Spark as on DuckDB, and features the same as the model's. PROPERTY_SECONDS: so long for each, instead of a few
 * cases, and a failing case is made smaller in what is left of them.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import fc, { type Arbitrary } from 'fast-check'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { MillraceError } from '../../src/core/errors.js'
import type { ColumnType } from '../../src/core/schema.js'
import type { ColumnStatistics, Engine } from '../../src/etl/engine.js'
import { call, cast, col, type Named } from '../../src/etl/expr.js'
import { filter, project, type Relation, scan } from '../../src/etl/relation.js'
import { openSpark } from '../../src/etl/spark/engine.js'
import { fitSplit, type SplitSpec, splitExpression } from '../../src/etl/split.js'
import { compile } from '../../src/etl/sql/compile.js'
import { duckdb } from '../../src/etl/sql/duckdb.js'
import { fitPlan } from '../../src/transforms/plan.js'
import type { ColumnSpec } from '../../src/transforms/steps.js'
import type { FeaturePlan } from '../../src/transforms/transform.js'
import { type Column, FeatureTables } from '../conformance/feature-table.js'
import { columnNames, featureColumn, logarithms, STEPS } from '../conformance/random-tables.js'
import { expectSame } from '../conformance/transform.js'
import { type Placed, placed, type RandomTable, randomTable, scanOf, sourceOf } from './random-files.js'
import { type Plan, requests } from './random-parts.js'
import { ordered, randomPlan } from './random-plans.js'
import { differences, TOLERANCE } from './same.js'

const SECONDS = process.env['PROPERTY_SECONDS']
/** Of so many runs, or for so many seconds, where a case that fails is made smaller too. */
const limits = <T>(numRuns: number): fc.Parameters<T> =>
  SECONDS === undefined
    ? { numRuns, endOnFailure: true }
    : { numRuns: 2 ** 31 - 1, interruptAfterTimeLimit: Number(SECONDS) * 1000, markInterruptAsFailure: false }
const timeout = 600_000 + Number(SECONDS ?? 0) * 1000

let tables: FeatureTables
let embedded: Engine
let spark: Engine
beforeAll(async () => {
  tables = await FeatureTables.open()
  embedded = tables.engine
  spark = await openSpark({ remote: inject('spark').address, shufflePartitions: 3 })
})
afterAll(async () => {
  await spark[Symbol.asyncDispose]()
  await tables[Symbol.asyncDispose]()
})

/** What an engine gives, or the code and words of its refusal. */
async function outcome<T>(work: Promise<T>, codes: RegExp): Promise<T | string> {
  return work.catch((error: unknown) => {
    if (error instanceof MillraceError && codes.test(error.code)) return `${error.code}: ${error.message}`
    throw error
  })
}

/** Writes tables, for plans over them to be placed. */
async function written(drawn: readonly RandomTable[], copies = 1): Promise<readonly Placed[]> {
  const found: Placed[] = []
  for (const table of drawn) {
    const { cuts, columns } = table
    const whole = await tables.table(columns, { cuts, copies })
    if (whole.kind === 'scan')
      found.push({
        source: sourceOf(table, whole.source.paths, copies),
        rowsBefore: [0, ...cuts].map((row) => row * copies),
      })
  }
  return found
}

const [FITTED, LATER] = [36, 12]
/** Each step names the value before it several times: Spark takes half a minute for a column of six. */
const short = <T extends readonly unknown[]>(steps: Arbitrary<T>): Arbitrary<T> =>
  steps.filter(({ length }) => length <= 3)
const chains = {
  ...{ number: short(fc.oneof({ arbitrary: STEPS.number, weight: 3 }, logarithms)), integer: short(STEPS.integer) },
  ...{ boolean: STEPS.boolean, text: STEPS.text, timestamp: short(STEPS.timestamp), date: short(STEPS.date) },
}

it('the same plan is fitted, and gives the same features as SQL of both and as the model', { timeout }, async () => {
  let compared = 0
  const columns = fc.array(featureColumn(FITTED, LATER, chains), { minLength: 3, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(columns, columnNames(5), fc.nat(FITTED), async (drawn, names, cut) => {
      const columns = drawn.map(({ type, values }, i): Column => ({ name: names[i] ?? '', type, values }))
      const specs = columns.map(({ name, type }, i): ColumnSpec => {
        const steps = drawn[i]?.steps
        return { name, type, ...(steps && { steps }) }
      })
      const all = await tables.table(columns, { cuts: [cut, FITTED] })
      if (all.kind !== 'scan') throw new Error('a table is a scan')
      const train = scan({ ...all.source, paths: all.source.paths.slice(0, 2) }, all.schema)
      const fit = (engine: Engine): Promise<FeaturePlan | string> =>
        outcome(fitPlan(engine, train, specs, { maxCategories: 4 }), /^MR_TRANSFORM_(NO_VALUES|NOT_FINITE|DOMAIN)$/)
      const [found, plan] = [await fit(spark), await fit(embedded)]
      expect(differences(found, plan)).toEqual([])
      if (typeof plan === 'string' || plan.columns.length === 0) return
      const wanted = await tables.bySql(plan, all)
      expectSame(wanted, await tables.bySql(plan, all, spark), TOLERANCE, ['DuckDB', 'Spark'])
      expectSame(wanted, await tables.byOnnx(plan, all), 1e-6)
      compared++
    }),
    limits(3),
  )
  expect(compared).toBeGreaterThan(0)
})

/** Tables, and a plan over them. */
const plans = fc
  .tuple(fc.tuple(randomTable(40), randomTable(6), randomTable(8)), fc.integer({ min: 1, max: 6 }))
  .chain(([drawn, steps]) => fc.record({ drawn: fc.constant(drawn), plan: randomPlan(drawn, steps).map(ordered) }))

/** Every few plans' rows are written and read back. */
const isStored = fc.integer({ min: 1, max: 6 }).map((n) => n === 6)
async function stored(engine: Engine, relation: Relation): Promise<readonly Row[]> {
  const folder = tables.path('stored')
  const { files } = await engine.write(relation, { folder, format: 'parquet' })
  const paths = files.map(({ path }) => join(folder, path))
  const rows = await embedded.rows(scan({ format: 'parquet', paths }, relation.schema))
  await rm(folder, { recursive: true })
  return rows
}

type Row = Readonly<Record<string, unknown>>

/** Where rows differ: values of exact columns at all, but that -0 is 0. */
function rowDifferences({ relation, inexact }: Plan, found: readonly Row[], wanted: readonly Row[]): readonly string[] {
  if (found.length !== wanted.length) return [`${found.length} rows on Spark, ${wanted.length} on DuckDB`]
  return wanted.flatMap((row, i) =>
    relation.schema.flatMap(({ name }) => {
      const [a, b] = [found[i]?.[name], row[name]]
      if (inexact.includes(name) ? differences(a, b).length === 0 : a === b) return []
      return [`row ${i}: ${JSON.stringify(name)} is ${shown(a)} on Spark, ${shown(b)} on DuckDB`]
    }),
  )
}
const shown = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(value) : String(value))

it('the same plan gives the same rows in the same order', { timeout }, async () => {
  await fc.assert(
    fc.asyncProperty(plans, isStored, async ({ drawn, plan }, isStored) => {
      const relation = placed(plan.relation, await written(drawn))
      const rows = isStored ? stored : (engine: Engine) => engine.rows(relation)
      const [wanted, found] = [await rows(embedded, relation), await rows(spark, relation)]
      expect(rowDifferences(plan, found, wanted).slice(0, 5), compile(relation, duckdb)).toEqual([])
    }),
    limits(30),
  )
})

const SPLIT_TYPES = ['text', 'integer', 'date', 'boolean', 'timestamp', 'number'] as const
/** A split of any kind that the table has columns for. */
function splitSpecs({ columns }: RandomTable): Arbitrary<SplitSpec> {
  const named = (...types: readonly ColumnType[]): Arbitrary<string> =>
    fc.constantFrom(...columns.filter(({ type }) => types.includes(type)).map(({ name }) => name))
  const share = fc.oneof(fc.double({ min: 0.01, max: 1, noNaN: true }), fc.constantFrom(0.5, 0.8, 1))
  return fc
    .record({
      method: fc.constantFrom('hash', 'group', 'stratified', 'time'),
      shares: fc.tuple(share, share),
      key: named('text', 'integer', 'date', 'boolean'),
      stratum: named('text', 'integer', 'boolean'),
      timestamp: named('timestamp', 'date', 'integer', 'number'),
      seed: fc.nat(),
    })
    .map(({ method, shares: [train, rest], key, stratum, timestamp, seed }) => ({
      ...{ method, train, validation: (1 - train) * rest, key, seed },
      ...(method === 'group' ? { group: key } : {}),
      ...(method === 'time' ? { timestamp } : {}),
      ...(method === 'stratified' ? { stratum: cast(col(stratum), 'text') } : {}),
    }))
}

it('every row has the same split', { timeout }, async () => {
  const drawn = randomTable(80, SPLIT_TYPES).chain((table) =>
    fc.record({ table: fc.constant(table), specs: fc.array(splitSpecs(table), { minLength: 8, maxLength: 8 }) }),
  )
  await fc.assert(
    fc.asyncProperty(drawn, async ({ table, specs }) => {
      const all = placed(scanOf(table, 0), await written([table]))
      const split = async (engine: Engine): Promise<unknown> => {
        const splits: Named[] = []
        for (const [i, spec] of specs.entries()) {
          const rows = spec.stratum === undefined ? all : filter(all, call('not', call('is_missing', spec.stratum)))
          const fitted = await outcome(fitSplit(engine, rows, spec), /^MR_SPLIT_COLUMN$/)
          if (typeof fitted !== 'string')
            splits.push({ name: `${i}`, expr: splitExpression(fitted, all.schema, spec.stratum) })
        }
        return splits.length === 0 ? [] : engine.rows(project(all, splits))
      }
      expect(await split(spark)).toEqual(await split(embedded))
    }),
    limits(3),
  )
})

/** A deviation that is no more than the roundings of a mean is as good as none. */
function rounded(facts: ColumnStatistics | undefined): ColumnStatistics | undefined {
  if (facts?.stddev === undefined || facts.mean === undefined) return facts
  return { ...facts, stddev: facts.stddev <= 1e-12 * Math.abs(facts.mean) ? 0 : facts.stddev }
}

it('the same statistics', { timeout }, async () => {
  const drawn = randomTable(60).chain((table) =>
    fc
      .nat(2)
      .chain((steps) =>
        steps === 0 ? fc.constant({ relation: scanOf(table, 0), inexact: [] }) : randomPlan([table], steps),
      )
      .chain((plan) =>
        fc.record({
          table: fc.constant(table),
          plan: fc.constant(plan),
          asked: requests(plan),
          copies: fc.constantFrom(1, 200),
        }),
      ),
  )
  await fc.assert(
    fc.asyncProperty(drawn, async ({ table, plan, asked, copies }) => {
      const relation = placed(plan.relation, await written([table], copies))
      const [found, wanted] = [await spark.statistics(relation, asked), await embedded.statistics(relation, asked)]
      for (const request of asked) {
        const said = `${JSON.stringify(request, (_, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one))}\n${compile(relation, duckdb)}`
        expect(differences(rounded(found.get(request.name)), rounded(wanted.get(request.name))), said).toEqual([])
      }
    }),
    limits(5),
  )
})
