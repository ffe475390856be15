/** Random tables under random chains of steps: SQL and ONNX Runtime give the same features. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Cell, type Column, FeatureTables } from '../../test/conformance/feature-table.js'
import { expectSame } from '../../test/conformance/transform.js'
import { MillraceError } from '../core/errors.js'
import type { ColumnType } from '../core/schema.js'
import { fitPlan } from './plan.js'
import type { ColumnSpec } from './steps.js'
import type { StepSpec } from './transform.js'

let tables: FeatureTables
beforeAll(async () => {
  tables = await FeatureTables.open()
})
afterAll(async () => {
  await tables[Symbol.asyncDispose]()
})

const missing = fc.constant(null)
const number = fc.oneof(
  missing,
  fc.integer({ min: -20, max: 20 }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.double({ min: -1e100, max: 1e100 }),
  fc.constantFrom(0, -0, NaN, 0.1, 16777217),
)
const second = fc.integer({ min: -62_135_596_800, max: 253_402_300_799 })
const CELLS: Readonly<Record<ColumnType, fc.Arbitrary<Cell>>> = {
  number,
  integer: fc.oneof(missing, fc.integer({ min: -3, max: 3 }), fc.maxSafeInteger()),
  boolean: fc.oneof(missing, fc.boolean()),
  // no NUL: neither engine's text takes part of one
  text: fc.oneof(
    missing,
    fc.constantFrom('', 'a', 'b', 'A', ' a', "'"),
    fc.string({ unit: 'grapheme', maxLength: 6 }).map((text) => text.replaceAll('\0', '')),
  ),
  timestamp: fc.oneof(
    missing,
    fc.tuple(second, fc.nat(999_999)).map(([s, us]) => BigInt(s) * 1_000_000n + BigInt(us)),
  ),
  date: fc.oneof(
    missing,
    second.map((s) => BigInt(Math.floor(s / 86_400)) * 86_400_000_000n),
  ),
}

const imputeNumber: fc.Arbitrary<StepSpec> = fc
  .record({ strategy: fc.constantFrom('mean', 'median', 'mode', 'drop'), indicator: fc.boolean() })
  .map((options) => ({ impute: options }))
const numeric: fc.Arbitrary<StepSpec> = fc.oneof(
  fc.constantFrom<StepSpec>('standard', 'min_max', 'robust'),
  fc
    .tuple(fc.double({ min: -100, max: 0, noNaN: true }), fc.double({ min: 0, max: 100, noNaN: true }))
    .map((clip) => ({ clip })),
  fc.double({ min: -5, max: 5, noNaN: true }).map((value) => ({ impute: { strategy: 'constant', value } })),
)
const numbers = fc
  .tuple(
    fc.array(numeric, { maxLength: 2 }),
    fc.option(imputeNumber, { nil: undefined }),
    fc.array(numeric, { maxLength: 2 }),
  )
  .map(([before, impute, after]) => [...before, ...(impute === undefined ? [] : [impute]), ...after])
/** Numbers that end in buckets, after up to two steps. */
const buckets = fc
  .tuple(
    fc.array(numeric, { maxLength: 2 }),
    fc.oneof(
      fc.integer({ min: 2, max: 12 }),
      fc
        .uniqueArray(fc.integer({ min: -10, max: 10 }), { minLength: 1, maxLength: 5 })
        .map((edges) => edges.toSorted((a, b) => a - b)),
    ),
  )
  .map(([before, bucket]): StepSpec[] => [...before, { bucket }])
const categories: fc.Arbitrary<StepSpec[]> = fc
  .record({ max_categories: fc.integer({ min: 1, max: 5 }), min_count: fc.integer({ min: 1, max: 3 }) })
  .chain((options) => fc.constantFrom<StepSpec[]>([{ index: options }], [{ one_hot: options }]))
const PARTS = ['year', 'month', 'day', 'weekday', 'hour', 'minute', 'day_of_year']
const times = fc
  .tuple(fc.subarray(PARTS, { minLength: 1, maxLength: 3 }), numbers)
  .map(([date_parts, rest]): StepSpec[] => [{ date_parts }, ...rest])
const STEPS: Readonly<Record<ColumnType, fc.Arbitrary<readonly StepSpec[]>>> = {
  number: fc.oneof(numbers, buckets),
  integer: fc.oneof(numbers, categories, buckets),
  boolean: fc.oneof(categories, fc.constantFrom<StepSpec[]>([{ impute: 'mode' }], ['standard'])),
  text: fc.oneof(
    categories,
    categories.map((steps): StepSpec[] => [
      { impute: { strategy: 'constant', value: 'none', indicator: true } },
      ...steps,
    ]),
  ),
  timestamp: times,
  date: times,
}

const ROWS = 12
const column = fc
  .constantFrom<ColumnType>('number', 'number', 'integer', 'boolean', 'text', 'timestamp', 'date')
  .chain((type) =>
    fc.record({
      type: fc.constant(type),
      values: fc.array(CELLS[type], { minLength: ROWS, maxLength: ROWS }),
      steps: fc.option(STEPS[type], { nil: undefined }),
    }),
  )
const names = fc.uniqueArray(
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
    .filter((name) => !/[\0]/.test(name) && name.trim() !== ''),
  {
    minLength: 5,
    maxLength: 5,
    selector: (name) => name.toLowerCase(),
  },
)

it('SQL and ONNX agree on random tables and chains', { timeout: 120_000 }, async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(fc.array(column, { minLength: 1, maxLength: 5 }), names, async (drawn, names) => {
      const columns = drawn.map(({ type, values }, i): Column => ({ name: names[i] ?? '', type, values }))
      const specs = drawn.map(({ type, steps }, i): ColumnSpec => ({
        name: names[i] ?? '',
        type,
        ...(steps && { steps }),
      }))
      const train = await tables.table(columns.map((c) => ({ ...c, values: c.values.slice(0, 8) })))
      const all = await tables.table(columns)
      const plan = await fitPlan(tables.engine, train, specs, { maxCategories: 4 }).catch((error: unknown) => {
        // a drawn chain may ask for what its drawn rows do not have
        if (error instanceof MillraceError && /^MR_TRANSFORM_(NO_VALUES|NOT_FINITE)$/.test(error.code)) return undefined
        throw error
      })
      if (plan === undefined || plan.columns.length === 0) return
      expectSame(await tables.bySql(plan, all), await tables.byOnnx(plan, all))
      compared++
    }),
    { numRuns: 25 },
  )
  expect(compared).toBeGreaterThan(10)
})
