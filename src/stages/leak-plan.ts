/** The leak check of what was fitted: everything in the plan computed again from the training rows alone. */
import { canonicalJson } from '../core/json.js'
import type { PipelineConfig } from '../config/config.js'
import type { Engine } from '../etl/engine.js'
import { aggregate, cast, col } from '../etl/expr.js'
import { aggregated, type Relation } from '../etl/relation.js'
import { SPLITS } from '../etl/split.js'
import type { Misfit } from '../evaluate/leaks.js'
import { fitPlan, planDocument } from '../transforms/plan.js'
import type { FeaturePlan } from '../transforms/transform.js'
import { LABEL } from './features-table.js'
import { labelValue } from './label.js'
import { ROW } from './tables.js'
import { inSplit, meanOf, type PlanDocument, SPLIT } from './transform.js'

/** A mean of doubles; the plan's own is made by the same sums, so that it has the same bits. */
type Sides = Readonly<Record<string, string>>

/**
 * Fits every column again on the training rows, and counts the rows of each split again, and compares with the plan and
 * with the features that it was written to.
 * @param rows with their split by the plan's literals; @param features as `transform` wrote them
 */
export async function misfitsOf(
  engine: Engine,
  config: Pick<PipelineConfig, 'features'>,
  rows: Relation,
  features: Relation,
  plan: PlanDocument,
  signal: AbortSignal,
): Promise<{ readonly misfits: readonly Misfit[]; readonly compared: number }> {
  const misfits: Misfit[] = []
  let compared = 0
  const compare = (what: string, held: string, fitted: string): void => {
    compared++
    if (held !== fitted) misfits.push({ what, held, fitted })
  }
  const train = inSplit(rows, 'train')
  const { columns: steps, max_categories: maxCategories } = config.features
  const specs = [...plan.plan.columns, ...(plan.plan.excluded ?? [])].map(({ name, type }) => {
    const own = Object.hasOwn(steps, name) ? steps[name] : undefined
    return { name, type, ...(own === undefined ? {} : { steps: own }) }
  })
  const again = await fitPlan(engine, train, specs, { maxCategories }, signal)
  const [held, fitted] = [wordsOf(plan.plan), wordsOf(again)]
  for (const { name } of specs) {
    const [one, other] = [held.get(name), fitted.get(name)]
    // the words are rounded: equal ones of different statistics say so
    if (one?.exact !== other?.exact && one?.words === other?.words)
      compare(`the steps of ${name}`, `${one?.words ?? ''}`, `${other?.words ?? ''}, differing in later digits`)
    else compare(`the steps of ${name}`, one?.words ?? 'left out', other?.words ?? 'left out')
  }
  if (plan.targetMean !== undefined) {
    const mean = await meanOf(engine, train, plan.label.name, signal)
    compare(`the mean of ${plan.label.name}`, String(plan.targetMean), String(mean))
  }
  const [inRows, inFeatures] = [
    await sidesOf(engine, rows, plan, false, signal),
    await sidesOf(engine, features, plan, true, signal),
  ]
  for (const split of SPLITS)
    compare(`the ${split} rows of the features`, inFeatures[split] ?? 'no rows', inRows[split] ?? 'no rows')
  const classes = plan.task.kind === 'classification' ? plan.task.classes : []
  for (const [k, name] of classes.entries()) {
    const found = (sides: Sides): string => sides[`train ${k}`] ?? '0'
    compare(`the training rows of class ${name}`, String(plan.classCounts.train[k] ?? 0), found(inRows))
    compare(`the training rows of class ${name} in the features`, found(inFeatures), found(inRows))
  }
  return { misfits, compared }
}

function wordsOf(plan: FeaturePlan): ReadonlyMap<string, { readonly words: string; readonly exact: string }> {
  const exact = new Map(plan.columns.map(({ name, steps }) => [name, canonicalJson(steps)]))
  return new Map(
    planDocument(plan).map(({ name, steps, reason }) => [
      name,
      { words: reason ?? steps.join(', '), exact: exact.get(name) ?? '' },
    ]),
  )
}

/** Rows of each split, by their numbers, and training rows of each class: exact, in words that can be compared. */
async function sidesOf(
  engine: Engine,
  rows: Relation,
  { task, label }: PlanDocument,
  areFeatures: boolean,
  signal: AbortSignal,
): Promise<Sides> {
  const target = areFeatures ? col(LABEL) : labelValue(label.name, label.type, task)
  const isClassification = task.kind === 'classification'
  const found = await engine.rows(
    aggregated(
      rows,
      [
        { name: 'split', expr: col(SPLIT) },
        ...(isClassification ? [{ name: 'class', expr: cast(target, 'integer') }] : []),
      ],
      [
        { name: 'n', expr: aggregate('count', []) },
        { name: 'sum', expr: aggregate('sum', [col(ROW)]) },
        { name: 'last', expr: aggregate('max', [col(ROW)]) },
      ],
    ),
    signal,
  )
  const sides: Record<string, string> = {}
  for (const split of SPLITS) {
    const own = found.filter((row) => row['split'] === split)
    const [n, sum] = ['n', 'sum'].map((name) => own.reduce((total, row) => total + BigInt(String(row[name])), 0n))
    const last = own.reduce((most, row) => Math.max(most, Number(row['last'])), -1)
    sides[split] = `${n} rows, the last of them row ${last}, their numbers adding up to ${sum}`
    for (const row of own) sides[`${split} ${Number(row['class'])}`] = String(row['n'])
  }
  return sides
}
