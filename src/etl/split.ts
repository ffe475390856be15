/**
 * Splits of a table into train, validation and test rows. A split is fitted once to literals and is then a row-wise
 * expression: the same rows on every engine, in one ordered pass, whatever the number of threads.
 */
import { MillraceError } from '../core/errors.js'
import type { ColumnType, Schema } from '../core/schema.js'
import type { Engine } from './engine.js'
import { call, cast, col, type Expr, int, num, text, when } from './expr.js'
import { filter, project, type Relation, windowed } from './relation.js'

export type SplitName = 'train' | 'validation' | 'test'
export const SPLITS: readonly SplitName[] = ['train', 'validation', 'test']

export interface SplitSpec {
  readonly method: 'hash' | 'stratified' | 'time' | 'group'
  /** Shares of the rows; they sum to 1. */
  readonly train: number
  readonly validation: number
  /** Column that keys the hash (hash, stratified): the entity, or the row's number. */
  readonly key: string
  /** group: rows with equal values stay together. */
  readonly group?: string
  /** time: the column that orders the rows. */
  readonly timestamp?: string
  /** stratified: the class of a row, as text. */
  readonly stratum?: Expr
  readonly seed: number
}

/** JSON; turned into an expression by `splitExpression`. */
export type FittedSplit =
  /** Hex thresholds on the first eight digits of md5(key|salt). */
  | {
      readonly method: 'hash' | 'group'
      readonly column: string
      readonly salt: string
      readonly train: string
      readonly validation: string
    }
  /** Per stratum: the last md5 of the train rows and of the validation rows ('' if there are none). */
  | {
      readonly method: 'stratified'
      readonly column: string
      readonly salt: string
      readonly strata: readonly { readonly value: string; readonly train: string; readonly validation: string }[]
    }
  /** Values (microseconds for times) below `train` are train rows, below `validation` validation rows. */
  | { readonly method: 'time'; readonly column: string; readonly train: number; readonly validation: number }

/**
 * md5 over the key's text and a salt that only depends on the seed (engines agree on md5, on no other hash).
 * Keys of type `number` and `timestamp` are refused by `fitSplit`: their text differs between engines.
 */
function hashOf(column: string, salt: string): Expr {
  return call('md5', call('concat', call('coalesce', cast(col(column), 'text'), text('<null>')), text('|'), text(salt)))
}

/** First eight hex digits of the share p of 2^32. */
export function hexThreshold(share: number): string {
  if (share >= 1) return 'g' // above every digit
  return Math.floor(share * 2 ** 32)
    .toString(16)
    .padStart(8, '0')
}

/** The value a time split goes by, as a double. */
function timeOf(column: string, type: ColumnType): Expr {
  return cast(type === 'timestamp' || type === 'date' ? call('epoch_us', col(column)) : col(column), 'number')
}

function typeOf(schema: Schema, column: string, use: string): ColumnType {
  const field = schema.find(({ name }) => name === column)
  if (field === undefined)
    throw new MillraceError('MR_SPLIT_COLUMN', `split: there is no column '${column}' to use as ${use}`, {
      hint: `columns: ${schema.map(({ name }) => name).join(', ')}`,
    })
  return field.type
}

/**
 * Finds the literals of a split: none for hash and group, order statistics of the hash per class for stratified
 * (exact shares in every class), two quantiles of the time for time. Rows of equal time are never parted.
 * Throws MR_SPLIT_COLUMN where a column cannot play its part.
 */
export async function fitSplit(
  engine: Engine,
  relation: Relation,
  spec: SplitSpec,
  signal?: AbortSignal,
): Promise<FittedSplit> {
  const salt = `millrace-${spec.seed}`
  const { schema } = relation
  if (spec.method === 'time') {
    const column = spec.timestamp ?? ''
    const type = typeOf(schema, column, 'timestamp')
    if (type === 'text' || type === 'boolean')
      throw new MillraceError('MR_SPLIT_COLUMN', `split: a time split cannot go by '${column}', which is ${type}`, {
        hint: 'give timestamp a column of type timestamp, date, integer or number',
      })
    const statistics = await engine.statistics(
      relation,
      [{ name: 'time', expr: timeOf(column, type), quantiles: [spec.train, spec.train + spec.validation] }],
      signal,
    )
    const [train, validation] = statistics.get('time')?.quantiles ?? []
    if (train === undefined || validation === undefined)
      throw new MillraceError('MR_SPLIT_COLUMN', `split: every row of '${column}' is missing, so time orders nothing`)
    return { method: 'time', column, train, validation }
  }
  const column = spec.method === 'group' ? (spec.group ?? '') : spec.key
  const type = typeOf(schema, column, spec.method === 'group' ? 'group' : 'entity')
  if (type === 'number' || type === 'timestamp')
    throw new MillraceError(
      'MR_SPLIT_COLUMN',
      `split: '${column}' is of type ${type}; keys must be text, integer, date or boolean`,
      { hint: `declare its type: data.schema: {${column}: text}` },
    )
  if (spec.method !== 'stratified')
    return {
      method: spec.method,
      column,
      salt,
      train: hexThreshold(spec.train),
      validation: hexThreshold(spec.train + spec.validation),
    }
  return { method: 'stratified', column, salt, strata: await strataOf(engine, relation, spec, salt, signal) }
}

async function strataOf(engine: Engine, relation: Relation, spec: SplitSpec, salt: string, signal?: AbortSignal) {
  const stratum = spec.stratum as Expr
  const hashed = project(relation, [
    { name: 'stratum', expr: stratum },
    { name: 'hash', expr: hashOf(spec.key, salt) },
  ])
  const order = [{ expr: col('hash') }]
  const ranked = windowed(hashed, [
    { name: 'n', expr: { op: 'window', fn: 'count', args: [], partitionBy: [col('stratum')], orderBy: [] } },
    { name: 'rank', expr: { op: 'window', fn: 'row_number', args: [], partitionBy: [col('stratum')], orderBy: order } },
  ])
  // half up, and at least one row of every class to train on
  const cut = (share: number): Expr =>
    cast(call('floor', call('add', call('mul', cast(col('n'), 'number'), num(share)), num(0.5))), 'integer')
  const trainCut = call('greatest', cut(spec.train), int(1))
  const cuts = filter(
    ranked,
    call('or', call('eq', col('rank'), trainCut), call('eq', col('rank'), cut(spec.train + spec.validation))),
  )
  const rows = await engine.rows(
    project(cuts, [
      { name: 'stratum', expr: col('stratum') },
      { name: 'hash', expr: col('hash') },
      { name: 'train', expr: cast(call('eq', col('rank'), trainCut), 'integer') },
    ]),
    signal,
  )
  const strata = new Map<string, { value: string; train: string; validation: string }>()
  for (const row of rows) {
    const value = String(row['stratum'])
    const entry = strata.get(value) ?? { value, train: '', validation: '' }
    const hash = String(row['hash'])
    if (Number(row['train']) === 1) entry.train = hash
    if (hash > entry.validation) entry.validation = hash
    strata.set(value, entry)
  }
  return [...strata.values()].sort((a, b) => (a.value < b.value ? -1 : 1))
}

/**
 * 'train', 'validation' or 'test' for a row. Rows without a time are train rows: they must not judge a model that is
 * judged by later rows.
 */
export function splitExpression(split: FittedSplit, schema: Schema, stratum?: Expr): Expr {
  const choose = (inTrain: Expr, inValidation: Expr): Expr =>
    when(inTrain, text('train'), when(inValidation, text('validation'), text('test')))
  switch (split.method) {
    case 'hash':
    case 'group': {
      const prefix = call('substr', hashOf(split.column, split.salt), int(1), int(8))
      return choose(call('lt', prefix, text(split.train)), call('lt', prefix, text(split.validation)))
    }
    case 'time': {
      const time = timeOf(split.column, typeOf(schema, split.column, 'timestamp'))
      return choose(
        call('or', call('is_missing', time), call('lt', time, num(split.train))),
        call('lt', time, num(split.validation)),
      )
    }
    case 'stratified': {
      const hash = hashOf(split.column, split.salt)
      return {
        op: 'case',
        branches: split.strata.map(({ value, train, validation }) => ({
          when: call('eq', stratum as Expr, text(value)),
          then: choose(call('le', hash, text(train)), call('le', hash, text(validation))),
        })),
        otherwise: text('train'),
      }
    }
  }
}
