/** Rows that repeat a key, and the first broken rule of every row. */
import type { Schema } from '../core/schema.js'
import type { OrderKey } from './expr.js'
import { aggregate, bool, call, col, int, missing, text, type Expr, type Named } from './expr.js'
import { aggregated, filter, project, select, sort, windowed, withColumns, type Relation } from './relation.js'
import { type Keys, type Rule, shown } from './rule.js'

/** Which of repeated rows stays. Rows without a value in `by` come last, whichever end is kept; ties go by `row`. */
export interface Order {
  readonly by: readonly string[]
  readonly keep: 'first' | 'last'
  /** Name of the column that numbers the rows. */
  readonly row: string
}

/** The input with the id of the first broken rule in `ruleColumn`, NULL if there is none; in order. */
export function judged(
  input: Relation,
  rowRules: readonly Rule[],
  keyRules: readonly Rule[],
  order: Order,
  ruleColumn: string,
): Relation {
  const branches = rowRules.flatMap(({ id, rows }) =>
    rows === undefined ? [] : [{ when: rows.broken, then: text(id) }],
  )
  const marked = withColumns(input, [{ name: ruleColumn, expr: firstOf(branches) }])
  if (keyRules.length === 0) return marked
  const sound = call('is_null', col(ruleColumn))
  const names = keyRules.map((_, i) => freeName(`${ruleColumn}_${i}`, input.schema))
  const numbered = windowed(
    marked,
    keyRules.map(({ keys }, i): Named => ({
      name: names[i] ?? '',
      expr: {
        op: 'window',
        fn: 'row_number',
        args: [],
        partitionBy: [...(keys?.columns ?? []).map(col), sound],
        orderBy: orderKeys(order),
      },
    })),
  )
  const repeated = keyRules.map(({ id, keys }, i) => ({
    when: call('and', sound, keys?.among ?? bool(false), call('gt', col(names[i] ?? ''), int(1))),
    then: text(id),
  }))
  const first = call('coalesce', col(ruleColumn), firstOf(repeated))
  const whole = withColumns(numbered, [{ name: ruleColumn, expr: first }])
  return sort(select(whole, [...input.schema.map(({ name }) => name), ruleColumn]), [{ expr: col(order.row) }])
}

function firstOf(branches: readonly { readonly when: Expr; readonly then: Expr }[]): Expr {
  return branches.length === 0 ? missing('text') : { op: 'case', branches, otherwise: missing('text') }
}

function orderKeys({ by, keep, row }: Order): readonly OrderKey[] {
  const descending = keep === 'last'
  return [
    ...by.map((column): OrderKey => ({ expr: col(column), descending, nulls: 'last' })),
    { expr: col(row), descending },
  ]
}

/** The keys that come more than once, the most frequent first, as one text each in `example`. */
export function repeatedKeys(keys: Keys, input: Relation): Relation {
  const groups = groupsOf(keys, input)
  const columns = keys.columns.map((_, i) => `k${i}`)
  const texts = project(groups, [
    { name: 'example', expr: call('substr', shown(columns), int(1), int(200)) },
    { name: 'n', expr: col('n') },
  ])
  return sort(texts, [{ expr: col('n'), descending: true }, { expr: col('example') }])
}

/** One row, `n`: the rows whose key comes more than once. */
export function rowsOfRepeatedKeys(keys: Keys, input: Relation): Relation {
  return aggregated(groupsOf(keys, input), [], [{ name: 'n', expr: aggregate('sum', [col('n')]) }])
}

function groupsOf({ columns, among }: Keys, input: Relation): Relation {
  const groups = aggregated(
    filter(input, among),
    columns.map((column, i) => ({ name: `k${i}`, expr: col(column) })),
    [{ name: 'n', expr: aggregate('count', []) }],
  )
  return filter(groups, call('gt', col('n'), int(1)))
}

/** A name that no column has, case ignored. */
export function freeName(wanted: string, schema: Schema): string {
  const taken = new Set(schema.map(({ name }) => name.toLowerCase()))
  let name = wanted
  while (taken.has(name.toLowerCase())) name += '_'
  return name
}
