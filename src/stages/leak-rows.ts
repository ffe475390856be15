/** The leak checks of rows: copies of training rows among those that judge, and entities on both sides of the split. */
import type { Schema } from '../core/schema.js'
import type { Engine } from '../etl/engine.js'
import { type AggregateFunction, call, col, type Expr, type Named, text } from '../etl/expr.js'
import { aggregated, filter, project, type Relation } from '../etl/relation.js'
import { areManyCopies, type Copies } from '../evaluate/leaks.js'
import { SPLIT } from './transform.js'

/** Share of different values from which a whole number or text only names its row. */
const NAMES_ROW = 0.995
/** Rows alike but for one column are looked for in the columns with the most values: there they are. */
const FINEST = 8

const isTrain = call('eq', col(SPLIT), text('train'))
const counted = (fn: AggregateFunction, args: readonly Expr[], where?: Expr): Expr => ({
  op: 'aggregate',
  fn,
  args,
  ...(where === undefined ? {} : { filter: where }),
})
const bySide: readonly Named[] = [
  { name: 'train', expr: counted('count', [], isTrain) },
  { name: 'judging', expr: counted('count', [], call('not', isTrain)) },
]
const plural = (name: string, key: Expr): readonly Named[] => [{ name, expr: key }]

/**
 * Copies: rows equal in all of `columns` (label included) but those that name their row.
 * @param rows with their split as `__split`
 */
export async function countCopies(
  engine: Engine,
  rows: Relation,
  columns: Schema,
  signal: AbortSignal,
): Promise<Copies> {
  const names = columns.filter(({ type }) => type === 'integer' || type === 'text')
  const facts = await engine.statistics(
    rows,
    names.map(({ name }) => ({ name, expr: col(name), distinct: true })),
    signal,
  )
  const without = names.flatMap(({ name }) => {
    const { rows: all = 0, missing = 0, distinct = 0 } = facts.get(name) ?? {}
    return distinct > 1 && distinct >= NAMES_ROW * (all - missing) ? [name] : []
  })
  const compared = columns.map(({ name }) => name).filter((name) => !without.includes(name))
  if (compared.length === 0) return { judging: 0, copies: 0, coarse: 0, columns: 0, without }
  const keys = compared.map((name, i): Named => ({ name: `k${i}`, expr: col(name) }))
  const groups = aggregated(rows, keys, bySide)
  const [found] = await engine.rows(
    aggregated(
      groups,
      [],
      [
        { name: 'judging', expr: counted('sum', [col('judging')]) },
        { name: 'copies', expr: counted('sum', [col('judging')], call('gt', col('train'), zero)) },
      ],
    ),
    signal,
  )
  const counts = { judging: Number(found?.['judging'] ?? 0), copies: Number(found?.['copies'] ?? 0) }
  const coarse = areManyCopies(counts) ? await coarseness(engine, rows, columns, keys, compared, signal) : 0
  return { ...counts, coarse, columns: compared.length, without }
}

const zero: Expr = { op: 'literal', value: 0n, type: 'integer' }
const one: Expr = { op: 'literal', value: 1n, type: 'integer' }

/** Of the different rows, the largest share that is equal to another one in all columns but one. */
async function coarseness(
  engine: Engine,
  rows: Relation,
  columns: Schema,
  keys: readonly Named[],
  compared: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  if (keys.length < 2) return 1
  const facts = await engine.statistics(
    rows,
    compared.map((name) => ({ name, expr: col(name), distinct: true })),
    signal,
  )
  const different = aggregated(rows, keys, [{ name: 'n', expr: counted('count', []) }])
  const order = columns.map(({ name }) => name)
  const finest = [...compared]
    .sort(
      (a, b) => (facts.get(b)?.distinct ?? 0) - (facts.get(a)?.distinct ?? 0) || order.indexOf(a) - order.indexOf(b),
    )
    .slice(0, FINEST)
  let most = 0
  for (const name of finest) {
    const rest = keys.filter((_, i) => compared[i] !== name).map((key): Named => ({ ...key, expr: col(key.name) }))
    const alike = aggregated(different, rest, [{ name: 'n', expr: counted('count', []) }])
    const [found] = await engine.rows(
      aggregated(
        alike,
        [],
        [
          { name: 'all', expr: counted('sum', [col('n')]) },
          { name: 'alike', expr: counted('sum', [col('n')], call('gt', col('n'), one)) },
        ],
      ),
      signal,
    )
    most = Math.max(most, Number(found?.['alike'] ?? 0) / Math.max(1, Number(found?.['all'] ?? 0)))
  }
  return most
}

/** Rows that judge whose entity has training rows too. @param key the entity; rows without one are nobody's */
export async function countShared(
  engine: Engine,
  rows: Relation,
  key: string,
  signal: AbortSignal,
): Promise<{ readonly judging: number; readonly shared: number }> {
  const named = project(filter(rows, call('not', call('is_missing', col(key)))), [
    ...plural('key', col(key)),
    { name: SPLIT, expr: col(SPLIT) },
  ])
  const groups = aggregated(named, plural('key', col('key')), bySide)
  const [found] = await engine.rows(
    aggregated(
      groups,
      [],
      [
        { name: 'judging', expr: counted('sum', [col('judging')]) },
        { name: 'shared', expr: counted('sum', [col('judging')], call('gt', col('train'), zero)) },
      ],
    ),
    signal,
  )
  return { judging: Number(found?.['judging'] ?? 0), shared: Number(found?.['shared'] ?? 0) }
}
