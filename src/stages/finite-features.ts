/** What `transform` wrote must be finite in every row: a network learns nothing from infinity, and answers NaN. */
import type { ArtifactStore } from '../core/artifacts.js'
import { MillraceError } from '../core/errors.js'
import type { Engine } from '../etl/engine.js'
import { aggregate, call, col, type Expr, int, num } from '../etl/expr.js'
import { aggregated, filter, limit, project, sort } from '../etl/relation.js'
import type { FeaturePlan } from '../transforms/transform.js'
import { featuresRelation, type FeaturesTable } from './features-table.js'
import { SPLIT } from './split-counts.js'
import { ROW } from './tables.js'

/** The largest float32; NaN is above it too. */
const LARGEST = 3.4028234663852886e38

/**
 * Infinite training values are found as the steps are fitted; those of validation and test rows only here, before anything
 * is published. Throws MR_TRANSFORM_NOT_FINITE with column, row and split.
 * @param perhaps the columns in which the files' own statistics leave room for one: only these are read
 */
export async function checkFinite(
  engine: Engine,
  store: ArtifactStore,
  table: FeaturesTable,
  plan: FeaturePlan,
  perhaps: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  const suspects = plan.numeric.filter((name) => perhaps.has(name))
  if (suspects.length === 0) return
  const isWild = (name: string): Expr => call('gt', call('abs', col(name)), num(LARGEST))
  const counts = suspects.map((name, i) => ({ name: `n${i}`, expr: aggregate('count_if', [isWild(name)]) }))
  const features = await featuresRelation(store, table)
  const found = (await engine.rows(aggregated(features, [], counts), signal))[0] ?? {}
  const at = suspects.findIndex((_, i) => Number(found[`n${i}`]) > 0)
  const name = suspects[at]
  if (name === undefined) return
  const column = plan.columns.find(({ numeric }) => numeric.includes(name))?.name ?? name
  const rows = project(sort(filter(features, isWild(name)), [{ expr: col(ROW) }]), [
    { name: 'row', expr: call('add', col(ROW), int(1)) },
    { name: 'split', expr: col(SPLIT) },
  ])
  const first = (await engine.rows(limit(rows, 1), signal))[0]
  throw new MillraceError(
    'MR_TRANSFORM_NOT_FINITE',
    `column ${JSON.stringify(column)}: its feature is infinite in ${Number(found[`n${at}`])} rows, the first of them row ${String(first?.['row'])} (${String(first?.['split'])})`,
    {
      hint: 'put {clip: [low, high]} before its other steps, or take such values out: data.validation_rules.value_ranges',
    },
  )
}
