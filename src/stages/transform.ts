/** Transform: split the rows, fit every column on the training rows, write features in one ordered pass. */
import type { PipelineConfig } from '../config/config.js'
import type { FeaturesDocument, TableDocument } from '../core/documents.js'
import { MillraceError, nearest } from '../core/errors.js'
import type { Memo } from '../core/memo.js'
import type { Field, Schema, Task } from '../core/schema.js'
import type { Engine } from '../etl/engine.js'
import { aggregate, call, cast, col, type Expr, type Named, text } from '../etl/expr.js'
import { mergedRows } from '../etl/merged.js'
import { filter, project, type Relation, withColumns } from '../etl/relation.js'
import { type FittedSplit, fitSplit, splitExpression, SPLITS, type SplitName } from '../etl/split.js'
import type { StageKind } from '../pipeline/stage.js'
import { checkInputNames } from '../transforms/emit.js'
import { fitPlan, planDocument, planExpressions } from '../transforms/plan.js'
import type { FeaturePlan, StepSpec } from '../transforms/transform.js'
import { findTask, labelField, labelMissing, labelText, labelValue } from './label.js'
import { getJson, putJson, type RunResources, TABLE_TYPE } from './run-resources.js'
import { movedColumns } from './moved-columns.js'
import { isTableThere, logReuse, ROW, rowProgress, tableRelation, writeTable } from './tables.js'

export const SPLIT = '__split'
export const LABEL = '__label'
/** The entity of a row, for those who join the published features to their own tables. */
export const ENTITY = '__entity'

/** All that later stages must know of the features: how they are made, of what, and for which rows. */
export interface PlanDocument {
  readonly task: Task
  readonly label: Field
  readonly inputs: Schema
  readonly plan: FeaturePlan
  readonly split: FittedSplit
  readonly counts: Readonly<Record<SplitName, number>>
  /** Classification: rows by split and class index. */
  readonly classCounts: Readonly<Record<SplitName, readonly number[]>>
  /**
   * Regression: mean of the training rows' targets. Shards hold the difference to it, since a float32 of a target that is
   * large beside its spread (a time, an amount in cents) would lose the spread.
   */
  readonly targetMean?: number
}

/** Rows that have a label, with the split as `__split`. The same rows in the same order in every stage. */
export function labelledRows(table: Relation, document: Pick<PlanDocument, 'label' | 'split'>): Relation {
  const { name, type } = document.label
  const labelled = filter(table, call('not', labelMissing(name)))
  return withColumns(labelled, [
    { name: SPLIT, expr: splitExpression(document.split, table.schema, labelText(name, type)) },
  ])
}

export const inSplit = (rows: Relation, split: SplitName): Relation => filter(rows, call('eq', col(SPLIT), text(split)))

export function transform(resources: RunResources): StageKind<PipelineConfig> {
  return {
    name: 'transform',
    version: 2,
    after: ['features'],
    stillThere: (outputs, _, store) => isTableThere(store, outputs['features']),
    async run(context) {
      const { config, inputs, store, signal } = context
      const { memo } = resources
      const table = await getJson<TableDocument>(store, inputs['features']?.['table'])
      const engine = await resources.engine()
      const relation = await tableRelation(store, table)
      // a table that validate wrote anew carries the rows' numbers as a column; they are nobody's data
      const columns = table.schema.filter(({ name }) => name !== ROW)
      const label = labelField(config, columns)
      const labelled = filter(relation, call('not', labelMissing(label.name)))
      const task = await findTask(engine, labelled, config, signal)
      const split = await fitSplit(
        engine,
        labelled,
        {
          method: config.split.method,
          train: config.split.train,
          validation: config.split.validation,
          key: config.entity ?? ROW,
          seed: config.seed,
          ...(config.split.group === undefined ? {} : { group: config.split.group }),
          ...(config.timestamp === undefined ? {} : { timestamp: config.timestamp }),
          ...(config.split.method === 'stratified' ? { stratum: stratumOf(label, task) } : {}),
        },
        signal,
      )
      const rows = labelledRows(relation, { label, split })
      const { counts, classCounts } = await countRows(engine, memo, rows, label, task, signal)
      checkCounts(task, counts, classCounts)
      if (counts.train + counts.validation + counts.test < table.rows)
        context.log(
          `${table.rows - counts.train - counts.validation - counts.test} rows without a label are left out`,
          'warn',
        )
      const train = inSplit(rows, 'train')
      const chosen = await chooseColumns(engine, train, columns, config, label.name, signal)
      // before the features are written and published, not when the model file is
      checkInputNames(chosen.features.map(({ name }) => name))
      const plan = await fitPlan(
        engine,
        train,
        chosen.features,
        { maxCategories: config.features.max_categories },
        signal,
      )
      const features = await writeTable(
        engine,
        store,
        project(rows, featureColumns(config.entity, label, task, plan)),
        { progress: rowProgress(context), signal, memo, what: 'features' },
      )
      const moved = await movedColumns(memo, label.name, plan)
      if (moved.length > 0)
        memo.note(
          `the plan of ${moved.length} columns moved (${inWords(moved)}): every row's features are written anew`,
        )
      logReuse(context, memo)
      const inputFields = plan.columns.map(({ name, type }): Field => ({ name, type }))
      const document: PlanDocument = {
        task,
        label,
        inputs: inputFields,
        plan,
        split,
        counts,
        classCounts,
        ...(task.kind === 'regression' ? { targetMean: await meanOf(engine, train, label.name, signal) } : {}),
      }
      const report: FeaturesDocument = {
        label: label.name,
        task,
        split: {
          method: config.split.method,
          counts,
          ...(task.kind === 'classification'
            ? {
                classes: Object.fromEntries(
                  task.classes.map((name, k) => [name, bySplit((s) => classCounts[s][k] ?? 0)]),
                ),
              }
            : {}),
        },
        columns: planDocument(
          plan,
          chosen.excluded.map(({ field, reason }) => ({ ...field, reason })),
        ),
        numeric: plan.numeric.length,
        categories: plan.categories.length,
      }
      return {
        features: await putJson(store, features, TABLE_TYPE),
        plan: await putJson(store, document),
        report: await putJson(store, report),
      }
    },
  }
}

/** What the features table holds of `labelledRows`, in its order. */
export function featureColumns(
  entity: string | undefined,
  label: Field,
  task: Task,
  plan: FeaturePlan,
): readonly Named[] {
  const { numeric, categories } = planExpressions(plan)
  return [
    { name: ROW, expr: col(ROW) },
    ...(entity === undefined ? [] : [{ name: ENTITY, expr: col(entity) }]),
    { name: SPLIT, expr: col(SPLIT) },
    { name: LABEL, expr: labelValue(label.name, label.type, task) },
    ...numeric,
    ...categories,
  ]
}

const SHOWN = 8
const inWords = (names: readonly string[]): string =>
  names.length <= SHOWN ? names.join(', ') : `${names.slice(0, SHOWN).join(', ')}, …`

function stratumOf(label: Field, task: Task): Expr {
  if (task.kind === 'regression')
    throw new MillraceError('MR_SPLIT_COLUMN', `split: a stratified split needs classes, '${label.name}' is a number`, {
      hint: 'use split.method: hash, time or group',
    })
  return labelText(label.name, label.type)
}

async function meanOf(engine: Engine, rows: Relation, label: string, signal: AbortSignal): Promise<number> {
  const found = await engine.statistics(rows, [{ name: label, expr: cast(col(label), 'number'), mean: true }], signal)
  return found.get(label)?.mean ?? 0
}

function bySplit<T>(value: (split: SplitName) => T): Record<SplitName, T> {
  return { train: value('train'), validation: value('validation'), test: value('test') }
}

async function countRows(engine: Engine, memo: Memo, rows: Relation, label: Field, task: Task, signal: AbortSignal) {
  const isClassification = task.kind === 'classification'
  const counted = await mergedRows(
    engine,
    memo,
    rows,
    [
      { name: 'split', expr: col(SPLIT) },
      ...(isClassification ? [{ name: 'class', expr: labelText(label.name, label.type) }] : []),
    ],
    [{ name: 'n', expr: aggregate('count', []), merge: 'sum' }],
    signal,
  )
  const classes = isClassification ? task.classes : []
  const classCounts = bySplit(() => classes.map(() => 0))
  const counts = bySplit(() => 0)
  for (const row of counted) {
    const split = SPLITS.find((name) => name === row['split']) ?? 'train'
    const n = Number(row['n'])
    counts[split] += n
    const k = classes.indexOf(String(row['class']))
    if (k >= 0) classCounts[split][k] = (classCounts[split][k] ?? 0) + n
  }
  return { counts, classCounts }
}

function checkCounts(
  task: Task,
  counts: Readonly<Record<SplitName, number>>,
  classCounts: Readonly<Record<SplitName, readonly number[]>>,
): void {
  for (const split of SPLITS)
    if (counts[split] === 0)
      throw new MillraceError(
        'MR_SPLIT_EMPTY',
        `split: no row falls into ${split} (train ${counts.train}, validation ${counts.validation}, test ${counts.test})`,
        { hint: 'the table is too small for these shares, or the key has too few values: change split' },
      )
  if (task.kind !== 'classification') return
  const absent = task.classes.filter((_, k) => classCounts.train[k] === 0)
  if (absent.length > 0)
    throw new MillraceError(
      'MR_SPLIT_CLASS',
      `split: no training row has the class ${absent.map((name) => `'${name}'`).join(', ')}`,
      { hint: 'use split.method: stratified, or remove the class' },
    )
}

interface Chosen {
  readonly features: { readonly name: string; readonly type: Field['type']; readonly steps?: readonly StepSpec[] }[]
  readonly excluded: { readonly field: Field; readonly reason: string }[]
}

/** Share of different values from which a text column is taken for an identifier. */
const IDENTIFIER_SHARE = 0.9

async function chooseColumns(
  engine: Engine,
  train: Relation,
  schema: Schema,
  config: PipelineConfig,
  label: string,
  signal: AbortSignal,
): Promise<Chosen> {
  const { include, exclude, columns: steps } = config.features
  const names = schema.map(({ name }) => name)
  for (const name of [...(include ?? []), ...exclude, ...Object.keys(steps)])
    if (!names.includes(name)) {
      const near = nearest(name, names)
      throw new MillraceError(
        'MR_FEATURE_COLUMN',
        `features: there is no column '${name}' in the data${near === undefined ? '' : `; did you mean '${near}'?`}`,
        { hint: `columns: ${names.join(', ')}` },
      )
    }
  const excluded: { field: Field; reason: string }[] = []
  const candidates: Field[] = []
  for (const field of schema) {
    const reason = reasonToExclude(field.name)
    if (reason === undefined) candidates.push(field)
    else excluded.push({ field, reason })
  }
  const unsure = candidates.filter(
    ({ name, type }) => type === 'text' && !Object.hasOwn(steps, name) && include === undefined,
  )
  const found =
    unsure.length === 0
      ? new Map<string, never>()
      : await engine.statistics(
          train,
          unsure.map(({ name }) => ({ name, expr: col(name), distinct: true })),
          signal,
        )
  const features: Chosen['features'] = []
  for (const field of candidates) {
    const statistics = found.get(field.name)
    const present = statistics === undefined ? 0 : statistics.rows - statistics.missing
    if (statistics !== undefined && present > 20 && (statistics.distinct ?? 0) > IDENTIFIER_SHARE * present)
      excluded.push({ field, reason: `an identifier: ${statistics.distinct} different values in ${present} rows` })
    else {
      const own = Object.hasOwn(steps, field.name) ? steps[field.name] : undefined
      features.push({ ...field, ...(own === undefined ? {} : { steps: own }) })
    }
  }
  if (features.length === 0)
    throw new MillraceError('MR_FEATURE_NONE', 'features: no column is left to learn from', {
      hint: `left out: ${excluded.map(({ field, reason }) => `${field.name} (${reason})`).join('; ')}`,
    })
  return { features, excluded }

  function reasonToExclude(name: string): string | undefined {
    if (name === label) return 'the label'
    if (name === config.entity) return 'the entity'
    if (name === config.timestamp && !include?.includes(name) && !Object.hasOwn(steps, name)) return 'the timestamp'
    if (exclude.includes(name)) return 'excluded by the file'
    if (include !== undefined && !include.includes(name) && !Object.hasOwn(steps, name))
      return 'not in features.include'
    return undefined
  }
}
