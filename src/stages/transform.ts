/** Transform: split the rows, fit every column on the training rows, write each split's features in one ordered pass. */
import type { PipelineConfig } from '../config/config.js'
import type { FeaturesDocument, TableDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import type { Memo } from '../core/memo.js'
import type { Field, Schema, Task } from '../core/schema.js'
import type { Engine } from '../etl/engine.js'
import { call, cast, col, type Expr, text } from '../etl/expr.js'
import { filter, project, type Relation, withColumns } from '../etl/relation.js'
import { settled } from '../etl/statistics.js'
import { type FittedSplit, fitSplit, splitExpression, SPLITS, type SplitName } from '../etl/split.js'
import type { StageContext, StageKind } from '../pipeline/stage.js'
import { checkInputNames } from '../transforms/emit.js'
import { fitPlan, planDocument } from '../transforms/plan.js'
import type { FeaturePlan } from '../transforms/transform.js'
import { candidateColumns, chooseColumns } from './feature-columns.js'
import { featureColumns, type FeaturesTable, namesForPeople } from './features-table.js'
import { checkFinite } from './finite-features.js'
import { findTask, labelField, labelMissing, labelText } from './label.js'
import { getJson, putJson, type RunResources, TABLE_TYPE } from './run-resources.js'
import { movedColumns } from './moved-columns.js'
import { bySplit, checkCounts, countRows, notesOf, SPLIT } from './split-counts.js'
import { isTableThere, ROW, rowProgress, tableRelation, writeTable } from './tables.js'

export { SPLIT }

/** All that later stages must know of the features: how they are made, of what, and for which rows. */
export interface PlanDocument {
  readonly task: Task
  readonly label: Field
  readonly inputs: Schema
  readonly plan: FeaturePlan
  readonly split: FittedSplit
  /** Columns whose missing values cost a training row; absent for none. */
  readonly dropMissing?: readonly string[]
  readonly counts: Readonly<Record<SplitName, number>>
  /** Classification: rows by split and class index. */
  readonly classCounts: Readonly<Record<SplitName, readonly number[]>>
  /**
   * Regression: mean of the training rows' targets. Shards hold the difference to it, since a float32 of a target that is
   * large beside its spread (a time, an amount in cents) would lose the spread.
   */
  readonly targetMean?: number
}

type RowsOf = Pick<PlanDocument, 'label' | 'split' | 'dropMissing'>

/**
 * Rows that have a label, with the split as `__split`, without the training rows that `dropMissing` costs. The same rows
 * in the same order in every stage.
 */
export function labelledRows(table: Relation, { label, split, dropMissing = [] }: RowsOf): Relation {
  const labelled = filter(table, call('not', labelMissing(label.name)))
  const expr = splitExpression(split, table.schema, labelText(label.name, label.type))
  const rows = withColumns(labelled, [{ name: SPLIT, expr }])
  return dropMissing.length === 0 ? rows : filter(rows, call('not', isDropped(dropMissing)))
}

/** Of a row of `labelledRows`: a training row that misses one of the columns. */
function isDropped(columns: readonly string[]): Expr {
  const missing = columns.map((name) => call('is_missing', col(name)))
  return call(
    'and',
    call('eq', col(SPLIT), text('train')),
    missing.reduce((either, one) => call('or', either, one)),
  )
}

export const inSplit = (rows: Relation, split: SplitName): Relation => filter(rows, call('eq', col(SPLIT), text(split)))

export function transform(resources: RunResources): StageKind<PipelineConfig> {
  return {
    name: 'transform',
    version: 5,
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
      const candidates = candidateColumns(columns, config, label.name)
      const { dropMissing } = candidates
      const drops = dropMissing.map((name) => ({ name, expr: isDropped([name]) }))
      const counted = await countRows(
        engine,
        memo,
        labelledRows(relation, { label, split }),
        label,
        task,
        drops,
        signal,
      )
      checkCounts(task, counted)
      for (const [message, level] of notesOf(counted, table.rows)) context.log(message, level)
      const { counts, classCounts, dropped } = counted
      const rows = labelledRows(relation, { label, split, dropMissing })
      const train = inSplit(rows, 'train')
      const chosen = await chooseColumns(engine, train, candidates, config.features.include, signal)
      // before the features are written and published, not when the model file is
      checkInputNames(chosen.features.map(({ name }) => name))
      const plan = await fitPlan(
        engine,
        train,
        chosen.features,
        { maxCategories: config.features.max_categories },
        signal,
      )
      const features = await writeFeatures(context, engine, memo, rows, { label, task, plan })
      const moved = await movedColumns(memo, label.name, plan)
      if (moved.length > 0)
        memo.note(
          `the plan of ${moved.length} columns moved (${inWords(moved)}): every row's features are written anew`,
        )
      const inputFields = plan.columns.map(({ name, type }): Field => ({ name, type }))
      const document: PlanDocument = {
        task,
        label,
        inputs: inputFields,
        plan,
        split,
        ...(dropMissing.length === 0 ? {} : { dropMissing }),
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
          ...(dropped === undefined ? {} : { dropped }),
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

/** Writes and checks them, as they are published where that is as Parquet and by split. */
async function writeFeatures(
  context: StageContext<PipelineConfig>,
  engine: Engine,
  memo: Memo,
  rows: Relation,
  document: Pick<PlanDocument, 'label' | 'task' | 'plan'>,
): Promise<FeaturesTable> {
  const { config, store, signal } = context
  const { entity, data } = config
  const columns = featureColumns(entity, document)
  const names = namesForPeople(
    columns.map(({ name }) => name),
    { label: document.label.name, ...(entity === undefined ? {} : { entity }) },
  )
  const named = columns.map(({ name, expr }) => ({ name: names.get(name) ?? name, expr }))
  const by = names.get(SPLIT) ?? SPLIT
  const table = await writeTable(engine, store, project(rows, named), {
    progress: rowProgress(context),
    ...{ signal, memo, what: 'features', plain: true },
    make: {
      compression: data.file_format === 'parquet' ? data.compression : 'zstd',
      ...{ partitionBy: [by], partitionValues: SPLITS.map((split) => [split]), tellInfinite: true },
    },
  })
  const features: FeaturesTable = {
    ...table,
    schema: table.schema.filter(({ name }) => name !== by),
    files: SPLITS.flatMap((split) =>
      table.files.flatMap(({ ref, rows, partition }) => (partition?.[0] === split ? [{ ref, rows, split }] : [])),
    ),
    names: Object.fromEntries([...names].filter(([name, theirs]) => name !== theirs)),
  }
  const perhapsInfinite = new Set(table.files.flatMap((file) => file.perhapsInfinite ?? []))
  await checkFinite(engine, store, features, document.plan, perhapsInfinite, signal)
  return features
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

/** Of a target over these rows, as exact as what the columns are fitted to. */
export async function meanOf(engine: Engine, rows: Relation, label: string, signal: AbortSignal): Promise<number> {
  const request = { name: label, expr: cast(col(label), 'number'), mean: true, stddev: true }
  const { mean = 0, stddev = 0 } = (await engine.statistics(rows, [request], signal)).get(label) ?? {}
  return settled(mean, stddev)
}
