/** Random tables under random chains of steps: SQL and ONNX Runtime give the same features. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Column, FeatureTables } from '../../test/conformance/feature-table.js'
import { columnNames, featureColumn } from '../../test/conformance/random-tables.js'
import { expectSame } from '../../test/conformance/transform.js'
import { MillraceError } from '../core/errors.js'
import { fitPlan } from './plan.js'
import type { ColumnSpec } from './steps.js'

let tables: FeatureTables
beforeAll(async () => {
  tables = await FeatureTables.open()
})
afterAll(async () => {
  await tables[Symbol.asyncDispose]()
})

const [TRAIN, LATER] = [8, 4]
const columns = fc.array(featureColumn(TRAIN, LATER), { minLength: 1, maxLength: 5 })

it('SQL and ONNX agree on random tables and chains', { timeout: 120_000 }, async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(columns, columnNames(5), async (drawn, names) => {
      const columns = drawn.map(({ type, values }, i): Column => ({ name: names[i] ?? '', type, values }))
      const specs = drawn.map(({ type, steps }, i): ColumnSpec => ({
        name: names[i] ?? '',
        type,
        ...(steps && { steps }),
      }))
      const train = await tables.table(columns.map((c) => ({ ...c, values: c.values.slice(0, TRAIN) })))
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
