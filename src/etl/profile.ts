/** What a table holds, column by column, for the run page: made of the engine's statistics. */
import type { ColumnProfile } from '../core/documents.js'
import type { Field, Schema } from '../core/schema.js'
import type { ColumnStatistics, Engine, StatisticsRequest } from './engine.js'
import { col } from './expr.js'
import type { Histogram } from './histogram.js'
import type { Relation } from './relation.js'

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
    ...(isContinuous(field) ? {} : { distinct: isNumber(field) ? 'few' : true }),
    ...(isNumber(field) ? { mean: true, stddev: true, range: true, histogram: true } : { values: MOST_FREQUENT }),
  }))
  const facts = await engine.statistics(relation, requests, signal)
  return schema.map((field) => profileOf(field, facts.get(field.name)))
}

function profileOf(field: Field, facts: ColumnStatistics | undefined): ColumnProfile {
  return {
    name: field.name,
    type: field.type,
    missing: facts?.missing ?? 0,
    ...(facts?.distinct === undefined ? {} : { distinct: facts.distinct }),
    ...finite('min', facts?.min),
    ...finite('max', facts?.max),
    ...finite('mean', facts?.mean),
    ...(Number.isFinite(facts?.mean) ? finite('stddev', facts?.stddev) : {}),
    ...binned(facts?.histogram),
    ...(facts?.values === undefined ? {} : { top: facts.values }),
  }
}

const binned = (found: Histogram | undefined): Pick<ColumnProfile, 'histogram' | 'bins'> =>
  found === undefined ? {} : { histogram: found.counts, bins: { low: found.low, width: found.width } }

/** JSON holds no infinities: a column that has them lacks the figures that they spoil. */
function finite<Key extends string>(key: Key, value: number | undefined): Partial<Record<Key, number>> {
  return value === undefined || !Number.isFinite(value) ? {} : ({ [key]: value } as Record<Key, number>)
}
