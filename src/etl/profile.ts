/** What a table holds, column by column, for the run page: made of the engine's statistics, in two passes. */
import type { ColumnProfile } from '../core/documents.js'
import type { Field, Schema } from '../core/schema.js'
import type { ColumnStatistics, Engine, StatisticsRequest } from './engine.js'
import { call, cast, col, num, type Expr } from './expr.js'
import type { Relation } from './relation.js'

const BINS = 20
const MOST_FREQUENT = 20

const isNumber = ({ type }: Field): boolean => type !== 'text' && type !== 'boolean'

/**
 * Nearly every value of such a column is its own: to count them costs more than all the rest of a profile, and does not
 * merge over files.
 */
const isContinuous = ({ type }: Field): boolean => type === 'number' || type === 'timestamp'

/** Profiles of the columns of `schema`, in its order; times in microseconds. */
export async function profileTable(
  engine: Engine,
  relation: Relation,
  schema: Schema,
  signal?: AbortSignal,
): Promise<readonly ColumnProfile[]> {
  const requests = schema.map((field): StatisticsRequest => ({
    name: field.name,
    expr: col(field.name),
    ...(isContinuous(field) ? {} : { distinct: true }),
    ...(isNumber(field) ? { mean: true, stddev: true, range: true } : { values: MOST_FREQUENT }),
  }))
  const facts = await engine.statistics(relation, requests, signal)
  const bins = schema.flatMap((field): StatisticsRequest[] => {
    const expr = binOf(field, facts.get(field.name))
    return expr === undefined ? [] : [{ name: field.name, expr, values: BINS }]
  })
  const counts = await engine.statistics(relation, bins, signal)
  return schema.map((field) => profileOf(field, facts.get(field.name), counts.get(field.name)))
}

/** Number of the bin between the smallest and the largest value, if they make a range. */
function binOf({ name, type }: Field, facts: ColumnStatistics | undefined): Expr | undefined {
  if (facts?.min === undefined || facts.max === undefined || !Number.isFinite(facts.max - facts.min)) return undefined
  const value = type === 'timestamp' || type === 'date' ? call('epoch_us', col(name)) : col(name)
  // a constant: all in the first bin
  const share = call('div', call('sub', cast(value, 'number'), num(facts.min)), num(facts.max - facts.min || 1))
  return cast(call('least', call('floor', call('mul', share, num(BINS))), num(BINS - 1)), 'integer')
}

function profileOf(field: Field, facts: ColumnStatistics | undefined, bins?: ColumnStatistics): ColumnProfile {
  const histogram = new Array<number>(BINS).fill(0)
  for (const { value, count } of bins?.values ?? []) histogram[Number(value)] = count
  return {
    name: field.name,
    type: field.type,
    missing: facts?.missing ?? 0,
    ...(isContinuous(field) ? {} : { distinct: facts?.distinct ?? 0 }),
    ...finite('min', facts?.min),
    ...finite('max', facts?.max),
    ...finite('mean', facts?.mean),
    ...(Number.isFinite(facts?.mean) ? finite('stddev', facts?.stddev) : {}),
    ...(bins === undefined ? {} : { histogram }),
    ...(facts?.values === undefined ? {} : { top: facts.values }),
  }
}

/** JSON holds no infinities: a column that has them lacks the figures that they spoil. */
function finite<Key extends string>(key: Key, value: number | undefined): Partial<Record<Key, number>> {
  return value === undefined || !Number.isFinite(value) ? {} : ({ [key]: value } as Record<Key, number>)
}
