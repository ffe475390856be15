/** What a table holds, column by column, for the run page: made of the engine's statistics, in two passes. */
import type { ColumnProfile } from '../core/documents.js'
import type { Memo } from '../core/memo.js'
import type { Field, Schema } from '../core/schema.js'
import type { ColumnStatistics, Engine, StatisticsRequest } from './engine.js'
import { aggregate, call, cast, col, int, num, type Expr, type Named } from './expr.js'
import { mergedRows } from './merged.js'
import { project, type Relation } from './relation.js'

const BINS = 20
const MOST_FREQUENT = 20
/** Columns whose bins are counted in one query: twenty counts each. */
const TOGETHER = 32

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
  memo?: Memo,
): Promise<readonly ColumnProfile[]> {
  const requests = schema.map((field): StatisticsRequest => ({
    name: field.name,
    expr: col(field.name),
    ...(isContinuous(field) ? {} : { distinct: true }),
    ...(isNumber(field) ? { mean: true, stddev: true, range: true } : { values: MOST_FREQUENT }),
  }))
  const facts = await engine.statistics(relation, requests, signal)
  const bins = await histograms(engine, memo, relation, schema, facts, signal)
  return schema.map((field) => profileOf(field, facts.get(field.name), bins.get(field.name)))
}

/**
 * How many values lie in each of the bins between the smallest and the largest value, of every column that has a range.
 * Counted by comparing, not by groups: one pass, and no table in memory for each column.
 */
async function histograms(
  engine: Engine,
  memo: Memo | undefined,
  relation: Relation,
  schema: Schema,
  facts: ReadonlyMap<string, ColumnStatistics>,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const ranged = schema.flatMap((field) => {
    const bin = binOf(field, facts.get(field.name))
    return bin === undefined ? [] : [{ name: field.name, bin }]
  })
  const found = new Map<string, readonly number[]>()
  for (let start = 0; start < ranged.length; start += TOGETHER) {
    const some = ranged.slice(start, start + TOGETHER)
    const columns = some.map(({ bin }, i): Named => ({ name: `x${i}`, expr: bin }))
    const counts = some
      .flatMap((_, i): Named[] => [
        ...Array.from({ length: BINS - 1 }, (__, bin) => ({
          name: `${i}.${bin}`,
          expr: aggregate('count_if', [call('le', col(`x${i}`), int(bin))]),
        })),
        { name: `${i}.${BINS - 1}`, expr: aggregate('count', [col(`x${i}`)]) },
      ])
      .map((count) => ({ ...count, merge: 'sum' as const }))
    const row = (await mergedRows(engine, memo, project(relation, columns), [], counts, signal))[0] ?? {}
    for (const [i, { name }] of some.entries()) {
      const upTo = Array.from({ length: BINS }, (_, bin) => Number(row[`${i}.${bin}`]))
      found.set(
        name,
        upTo.map((count, bin) => count - (upTo[bin - 1] ?? 0)),
      )
    }
  }
  return found
}

/** The number of a value's bin in its column's range, and for the largest the next one's. Undefined without a range. */
function binOf({ name, type }: Field, facts: ColumnStatistics | undefined): Expr | undefined {
  if (facts?.min === undefined || facts.max === undefined || !Number.isFinite(facts.max - facts.min)) return undefined
  const value = type === 'timestamp' || type === 'date' ? call('epoch_us', col(name)) : col(name)
  // a constant: all in the first bin
  const share = call('div', call('sub', cast(value, 'number'), num(facts.min)), num(facts.max - facts.min || 1))
  // whole numbers compare several times as fast as doubles
  return cast(call('mul', share, num(BINS)), 'int32')
}

function profileOf(
  field: Field,
  facts: ColumnStatistics | undefined,
  histogram: readonly number[] | undefined,
): ColumnProfile {
  return {
    name: field.name,
    type: field.type,
    missing: facts?.missing ?? 0,
    ...(isContinuous(field) ? {} : { distinct: facts?.distinct ?? 0 }),
    ...finite('min', facts?.min),
    ...finite('max', facts?.max),
    ...finite('mean', facts?.mean),
    ...(Number.isFinite(facts?.mean) ? finite('stddev', facts?.stddev) : {}),
    ...(histogram === undefined ? {} : { histogram }),
    ...(facts?.values === undefined ? {} : { top: facts.values }),
  }
}

/** JSON holds no infinities: a column that has them lacks the figures that they spoil. */
function finite<Key extends string>(key: Key, value: number | undefined): Partial<Record<Key, number>> {
  return value === undefined || !Number.isFinite(value) ? {} : ({ [key]: value } as Record<Key, number>)
}
