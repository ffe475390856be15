/** How many rows each split and class has, counted once, and what is wrong or worth saying of the numbers. */
import type { FeaturesDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import type { Memo } from '../core/memo.js'
import type { Field, Task } from '../core/schema.js'
import type { Engine } from '../etl/engine.js'
import { aggregate, call, col, type Expr, type Named } from '../etl/expr.js'
import { mergedRows } from '../etl/merged.js'
import type { Relation } from '../etl/relation.js'
import { SPLITS, type SplitName } from '../etl/split.js'
import { labelText } from './label.js'

/** The split of a row, as a column. */
export const SPLIT = '__split'

export interface SplitCounts {
  /** Without the rows that are dropped. */
  readonly counts: Readonly<Record<SplitName, number>>
  /** Classification: by class index. */
  readonly classCounts: Readonly<Record<SplitName, readonly number[]>>
  /** Absent where no column asks for it. */
  readonly dropped?: NonNullable<FeaturesDocument['split']['dropped']>
}

export function bySplit<T>(value: (split: SplitName) => T): Record<SplitName, T> {
  return { train: value('train'), validation: value('validation'), test: value('test') }
}

/**
 * One pass over the rows.
 * @param rows with their split as `__split`, dropped rows too
 * @param drops by column, whether a row is dropped for its sake
 */
export async function countRows(
  engine: Engine,
  memo: Memo,
  rows: Relation,
  label: Field,
  task: Task,
  drops: readonly Named[],
  signal: AbortSignal,
): Promise<SplitCounts> {
  const count = (name: string, where?: Expr) => {
    const counted = where === undefined ? aggregate('count', []) : aggregate('count_if', [where])
    return { name, expr: counted, merge: 'sum' as const }
  }
  const [first, ...others] = drops.map(({ expr }) => expr)
  const found = await mergedRows(
    engine,
    memo,
    rows,
    [
      { name: 'split', expr: col(SPLIT) },
      ...(task.kind === 'classification' ? [{ name: 'class', expr: labelText(label.name, label.type) }] : []),
    ],
    [
      count('n'),
      ...(first === undefined
        ? []
        : [
            count(
              'dropped',
              others.reduce((either, one) => call('or', either, one), first),
            ),
          ]),
      ...drops.map(({ expr }, i) => count(`dropped${i}`, expr)),
    ],
    signal,
  )
  const classes = task.kind === 'classification' ? task.classes : []
  const classCounts = bySplit(() => classes.map(() => 0))
  const counts = bySplit(() => 0)
  for (const row of found) {
    const split = SPLITS.find((name) => name === row['split']) ?? 'train'
    const n = Number(row['n']) - Number(row['dropped'] ?? 0)
    counts[split] += n
    const k = classes.indexOf(String(row['class']))
    if (k >= 0) classCounts[split][k] = (classCounts[split][k] ?? 0) + n
  }
  if (drops.length === 0) return { counts, classCounts }
  const sum = (name: string): number => found.reduce((total, row) => total + Number(row[name]), 0)
  const columns = Object.fromEntries(drops.map(({ name }, i) => [name, sum(`dropped${i}`)]))
  return { counts, classCounts, dropped: { rows: sum('dropped'), columns } }
}

/** Throws MR_TRANSFORM_NO_ROWS, MR_SPLIT_EMPTY or MR_SPLIT_CLASS where there are too few rows to go on. */
export function checkCounts(task: Task, { counts, classCounts, dropped }: SplitCounts): void {
  if (counts.train === 0 && dropped !== undefined && dropped.rows > 0)
    throw new MillraceError(
      'MR_TRANSFORM_NO_ROWS',
      `features.columns: {impute: drop} leaves none of ${dropped.rows} training rows: ${inWords(dropped)}`,
      { hint: 'give these columns a value instead, e.g. {impute: median}, or leave them out (features.exclude)' },
    )
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
      `split: no training row has the class ${absent.map((name) => `'${name}'`).join(', ')}${
        dropped === undefined ? '' : `, after ${dropped.rows} were dropped: ${inWords(dropped)}`
      }`,
      { hint: 'use split.method: stratified, or remove the class' },
    )
}

/** What the log says of rows that are left out. @param rows of the table */
export function notesOf(
  { counts, dropped }: SplitCounts,
  rows: number,
): readonly (readonly [string, 'info' | 'warn'])[] {
  const unlabelled = rows - counts.train - counts.validation - counts.test - (dropped?.rows ?? 0)
  return [
    ...(unlabelled > 0 ? [[`${unlabelled} rows without a label are left out`, 'warn'] as const] : []),
    ...(dropped === undefined
      ? []
      : [
          [
            `${dropped.rows} training rows are dropped: ${inWords(dropped)}`,
            dropped.rows > 0 ? 'warn' : 'info',
          ] as const,
        ]),
  ]
}

function inWords({ columns }: NonNullable<SplitCounts['dropped']>): string {
  const each = Object.entries(columns).map(([name, count]) => `${count} miss${count === 1 ? 'es' : ''} ${name}`)
  return each.join(', ')
}
