/**
 * What every transform must keep: SQL and ONNX give the same value for every row, bit for bit (1e-6 where a library
 * function is involved); a fitted plan survives JSON; fitting twice gives the same; no feature is ever missing.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ColumnType } from '../../src/core/schema.js'
import { type AnyTransform } from '../../src/transforms/catalog.js'
import { fitPlan, planDocument } from '../../src/transforms/plan.js'
import type { FeaturePlan, StepSpec } from '../../src/transforms/transform.js'
import { type Cell, FeatureTables } from './feature-table.js'

export interface TransformCase {
  readonly title: string
  readonly type: ColumnType
  readonly steps: readonly StepSpec[]
  /** Training rows. */
  readonly train: readonly Cell[]
  /** More rows to apply it to: unseen, extreme. */
  readonly probe?: readonly Cell[]
  /** Expected features of the training rows, then of the probe, where they are known: one list a feature. */
  readonly expected?: readonly (readonly number[])[]
}

/** @param tolerance 0: the same bits. `expected` is compared within 1e-6, relative. */
export function transformConformance(
  transform: AnyTransform,
  cases: readonly TransformCase[],
  { tolerance = 0 }: { readonly tolerance?: number } = {},
): void {
  describe(`transform ${transform.name}`, () => {
    let tables: FeatureTables
    beforeAll(async () => {
      tables = await FeatureTables.open()
    })
    afterAll(async () => {
      await tables[Symbol.asyncDispose]()
    })

    it.each(cases.map((given) => [given.title, given] as const))('%s', async (_, given) => {
      const { type, steps, train, probe = [], expected } = given
      const table = await tables.table([{ name: 'x', type, values: train }])
      const all = await tables.table([{ name: 'x', type, values: [...train, ...probe] }])
      const fit = (): Promise<FeaturePlan> =>
        fitPlan(tables.engine, table, [{ name: 'x', type, steps }], { maxCategories: 20 })
      const plan = await fit()
      expect(plan.columns[0]?.steps.map((step) => step.transform)).toContain(transform.name)
      expect(await fit()).toEqual(plan)
      const read = JSON.parse(JSON.stringify(plan)) as FeaturePlan
      expect(read).toEqual(plan)
      expect(planDocument(plan)[0]?.steps).toHaveLength(plan.columns[0]?.steps.length ?? -1)

      const sql = await tables.bySql(read, all)
      expectSame(sql, await tables.byOnnx(read, all), tolerance)
      expectWithin(plan, sql)
      // one row, and none
      const one = await tables.table([{ name: 'x', type, values: train.slice(0, 1) }])
      expectSame(await tables.bySql(plan, one), await tables.byOnnx(plan, one), tolerance)
      const none = await tables.table([{ name: 'x', type, values: [] }])
      expectSame(await tables.bySql(plan, none), await tables.byOnnx(plan, none), tolerance)
      if (expected === undefined) return
      expect(sql).toHaveLength(expected.length)
      expected.forEach((feature, f) =>
        feature.forEach((value, row) => expectNear(sql[f]?.[row], value, `feature ${f} row ${row}`)),
      )
    })
  })
}

/** Equal in every bit, -0 told from 0; or within `tolerance` (relative above 1). */
export function expectSame(
  sql: readonly Float64Array[],
  onnx: readonly Float64Array[],
  tolerance = 0,
  [one, another] = ['SQL', 'ONNX'],
): void {
  expect(onnx.map(({ length }) => length)).toEqual(sql.map(({ length }) => length))
  sql.forEach((feature, f) =>
    feature.forEach((value, row) => {
      const other = onnx[f]?.[row] ?? NaN
      const close = tolerance > 0 && Math.abs(value - other) <= tolerance * Math.max(1, Math.abs(value))
      if (!Object.is(value, other) && !close)
        expect.fail(`feature ${f}, row ${row}: ${one} ${value}, ${another} ${other}`)
    }),
  )
}

function expectWithin(plan: FeaturePlan, features: readonly Float64Array[]): void {
  const sizes = [...plan.numeric.map(() => undefined), ...plan.categories.map(({ size }) => size)]
  expect(features).toHaveLength(sizes.length)
  features.forEach((feature, f) => {
    const size = sizes[f]
    for (const value of feature)
      if (Number.isNaN(value) || (size !== undefined && !(Number.isInteger(value) && value >= 0 && value < size)))
        expect.fail(`feature ${f} of size ${size ?? 'number'} has ${value}`)
  })
}

function expectNear(actual: number | undefined, expected: number, what: string): void {
  const difference = Math.abs((actual ?? NaN) - expected)
  if (!(difference <= 1e-6 * Math.max(1, Math.abs(expected)))) expect.fail(`${what}: ${actual}, expected ${expected}`)
}

/** Training numbers with all that is awkward and finite, and rows that go beyond. */
export const NUMBERS: readonly Cell[] = [1.5, null, -2, 0, -0, 4, 4, NaN, 0.1, 1e6, -7.25, 3, 3, 5e-324, 1 / 3]
export const EXTREMES: readonly Cell[] = [
  null,
  NaN,
  Infinity,
  -Infinity,
  1e300,
  -1e300,
  Number.MAX_VALUE,
  5e-324,
  -0,
  3.4028235e38,
  3.4028236e38,
  2 ** 53 + 2,
  16777217,
  0.1 + 0.2,
]
