/** Expectations about the table and about a column as a whole: its columns, its rows, means, ranges, distinct values. */
import type { ColumnType } from '../core/schema.js'
import type { ColumnStatistics } from './engine.js'
import { aggregate, bool, call, col, missing, when, type Expr } from './expr.js'
import {
  type Asked,
  boundsGiven,
  type NumberBounds,
  numberBounds,
  given,
  isNumeric,
  isTime,
  listGiven,
  Mismatch,
  numberGiven,
  onlyColumn,
  type Reading,
  textGiven,
  textsGiven,
  Unchecked,
} from './expectation.js'
import {
  all,
  isOneOf,
  knownRule,
  listedValues,
  literalOf,
  microseconds,
  present,
  type Rule,
  surely,
  tableRule,
  timeInWords,
  type Verdict,
} from './rule.js'

const looked = (asked: Asked): Expr => asked.condition ?? bool(true)
const titled = (asked: Asked, expectation: string) => ({ ...asked.head, expectation: `${expectation}${asked.where}` })

const NO_VALUE = 'it has no value'
/** Figures of one column as they are told to people. */
const figure = (value: number): string => String(Number(value.toPrecision(12)))

function measured(value: number | undefined, bounds: NumberBounds): Verdict {
  if (value === undefined || Number.isNaN(value)) return { passed: false, violations: 0, observed: NO_VALUE }
  const finite = Number.isFinite(value) ? { value } : {}
  return { passed: bounds.hold(value), violations: 0, observed: `it is ${figure(value)}`, ...finite }
}

/** A statistic of the column's values, the same bits on every run. */
function statistic(
  name: string,
  wanted: NonNullable<Rule['statistics']> extends infer S ? Omit<S, 'expr'> : never,
  pick: (facts: ColumnStatistics, type: ColumnType) => number | undefined,
): Reading {
  return (asked) => {
    const { column, type } = onlyColumn(asked)
    const bounds = numberBounds(asked)
    const words = bounds.words(`${name} of ${column}`)
    if (!isNumeric(type) && type !== 'boolean') throw new Mismatch(words, `the column is ${type}, which has no ${name}`)
    const expr = asked.condition === undefined ? col(column) : when(asked.condition, col(column), missing(type))
    return {
      ...titled(asked, words),
      counts: [],
      statistics: { expr, ...wanted },
      judge: (_, facts) => measured(facts && pick(facts, type), bounds),
    }
  }
}

/** Smallest or largest value; of times as a time. */
function extreme(fn: 'min' | 'max'): Reading {
  return (asked) => {
    const { column, type } = onlyColumn(asked)
    const words = boundsGiven(asked).words(`${fn} of ${column}`)
    if (type === 'text' || type === 'boolean') throw new Mismatch(words, `the column is ${type}`)
    const bounds = isTime(type) ? numberBounds(asked, (key) => timeGiven(asked, key)) : numberBounds(asked)
    const value = isTime(type) ? call('epoch_us', col(column)) : col(column)
    const expr: Expr = { op: 'aggregate', fn, args: [value], filter: all([looked(asked), present(column)]) }
    return tableRule(titled(asked, words), [{ expr, merge: fn }], ([found]) => {
      const verdict = measured(found === null || found === undefined ? undefined : Number(found), bounds)
      return isTime(type) && typeof found === 'bigint'
        ? { ...verdict, observed: `it is ${timeInWords(found)}` }
        : verdict
    })
  }
}

function timeGiven(asked: Asked, key: string): number | undefined {
  const bound = given(asked, key)
  const time = typeof bound === 'string' ? microseconds(bound) : undefined
  if (bound !== undefined && time === undefined) throw new Unchecked(`${key} is ${JSON.stringify(bound)}, not a time`)
  return time === undefined ? undefined : Number(time)
}

const distinctOf = (asked: Asked, column: string, among: Expr): Expr => ({
  op: 'aggregate',
  fn: 'count_distinct',
  args: [col(column)],
  filter: all([looked(asked), present(column), among]),
})
const rowsWith = (asked: Asked, column: string): Expr => aggregate('count_if', [all([looked(asked), present(column)])])

/** Whether the values that are asked for are there, and no others if `only`. */
function holdsSet(only: boolean): Reading {
  return (asked) => {
    const { column, type } = onlyColumn(asked)
    const values = listGiven(asked, 'value_set')
    const literals = values.map((value) =>
      (isNumeric(type) ? typeof value === 'number' : type === 'boolean' || typeof value === 'string')
        ? literalOf(value, type)
        : undefined,
    )
    const known = [...new Set(literals.filter((value) => value !== undefined))]
    const words = `${column} holds ${only ? 'exactly' : 'all of'} ${listedValues(values)}`
    const isIn = surely(isOneOf(column, type, known))
    const counts = [{ expr: distinctOf(asked, column, isIn) }, { expr: distinctOf(asked, column, bool(true)) }]
    return tableRule(titled(asked, words), counts, ([found, distinct]) => ({
      passed:
        !literals.includes(undefined) && Number(found) === known.length && (!only || Number(distinct) === known.length),
      violations: 0,
      observed: `it holds ${String(found)} of them, and ${Number(distinct) - Number(found)} others`,
    }))
  }
}

function rowCount(asked: Asked, words: string, holds: (rows: number) => boolean): Rule {
  const expr = asked.condition === undefined ? aggregate('count', []) : aggregate('count_if', [asked.condition])
  return tableRule(titled(asked, words), [{ expr, merge: 'sum' }], ([rows]) => ({
    passed: holds(Number(rows)),
    violations: 0,
    observed: `there are ${Number(rows)}`,
    value: Number(rows),
  }))
}

function exactly(asked: Asked): number {
  const value = numberGiven(asked, 'value')
  if (value === undefined) throw new Unchecked('value is not given')
  return value
}

const quantiles: Reading = (asked) => {
  const { column, type } = onlyColumn(asked)
  const ranges = given(asked, 'quantile_ranges')
  const { quantiles: fractions, value_ranges: bounds } = (
    typeof ranges === 'object' && ranges !== null ? ranges : {}
  ) as Readonly<Record<string, unknown>>
  if (!Array.isArray(fractions) || !Array.isArray(bounds) || fractions.length !== bounds.length)
    throw new Unchecked('quantile_ranges does not have a range for each quantile')
  const wanted = fractions.map((fraction: unknown, i) => {
    const [low, high] = (Array.isArray(bounds[i]) ? bounds[i] : []) as readonly unknown[]
    const isBound = (value: unknown): value is number | null | undefined => typeof value === 'number' || value == null
    if (typeof fraction !== 'number' || fraction < 0 || fraction > 1 || !isBound(low) || !isBound(high))
      throw new Unchecked('quantile_ranges holds what is no quantile or no range of numbers')
    return { fraction, low: low ?? -Infinity, high: high ?? Infinity }
  })
  const words = wanted
    .map(({ fraction, low, high }) => `${low} <= quantile ${fraction} of ${column} <= ${high}`)
    .join(', ')
  if (!isNumeric(type)) throw new Mismatch(words, `the column is ${type}, which has no quantiles`)
  const expr = asked.condition === undefined ? col(column) : when(asked.condition, col(column), missing(type))
  return {
    ...titled(asked, words),
    counts: [],
    statistics: { expr, quantiles: wanted.map(({ fraction }) => fraction) },
    judge(_, facts) {
      const found = facts?.quantiles
      if (found === undefined) return { passed: false, violations: 0, observed: NO_VALUE }
      return {
        passed: wanted.every(({ low, high }, i) => (found[i] ?? NaN) >= low && (found[i] ?? NaN) <= high),
        violations: 0,
        observed: `found ${found.map(figure).join(', ')}`,
      }
    },
  }
}

/** Names of types in pandas, Spark and SQL, in small letters without lengths. */
const TYPE_NAMES: Readonly<Record<ColumnType, readonly string[]>> = {
  number:
    'number float float16 float32 float64 double double_precision real decimal numeric floattype doubletype decimaltype np.float64'.split(
      ' ',
    ),
  integer:
    'integer int int8 int16 int32 int64 uint8 uint16 uint32 uint64 tinyint smallint bigint hugeint long integertype longtype shorttype bytetype np.int64'.split(
      ' ',
    ),
  boolean: 'boolean bool bool_ booleantype np.bool_'.split(' '),
  text: 'text str string object varchar char nvarchar stringtype'.split(' '),
  timestamp:
    'timestamp datetime datetime64 datetime64[ns] datetime64[us] timestamptz timestamp_ntz datetime2 timestamptype'.split(
      ' ',
    ),
  date: 'date datetype'.split(' '),
}

/** Types that a name can mean; a whole number is a number and a date a time. */
function typesNamed(name: string): readonly ColumnType[] {
  const plain = name
    .trim()
    .toLowerCase()
    .replace(/\(.*\)$/, '')
    .replaceAll(' ', '_')
  const found = (Object.keys(TYPE_NAMES) as ColumnType[]).filter((type) => TYPE_NAMES[type].includes(plain))
  return found.flatMap((type) =>
    type === 'number' ? ['number', 'integer'] : type === 'timestamp' ? ['timestamp', 'date'] : [type],
  )
}

function ofTypes(key: 'type_' | 'type_list'): Reading {
  return (asked) => {
    const { column, type } = onlyColumn(asked)
    if (given(asked, key) === undefined) throw new Unchecked(`${key} is not given`)
    const names = key === 'type_' ? [textGiven(asked, key)] : textsGiven(asked, key)
    const types = names.flatMap(typesNamed)
    if (types.length === 0) throw new Unchecked(`no type here is called ${names.join(' or ')}`)
    return knownRule(titled(asked, `${column} is of type ${names.join(' or ')}`), types.includes(type), `it is ${type}`)
  }
}

const columnNames = ({ schema }: Asked): readonly string[] => schema.map(({ name }) => name)

/** By name without `expect_`. */
export const TABLE_EXPECTATIONS: Readonly<Record<string, Reading>> = {
  table_row_count_to_be_between: (asked) =>
    rowCount(asked, numberBounds(asked).words('rows'), numberBounds(asked).hold),
  table_row_count_to_equal: (asked) => rowCount(asked, `rows = ${exactly(asked)}`, (rows) => rows === exactly(asked)),
  table_column_count_to_be_between: (asked) => {
    const count = asked.schema.length
    const bounds = numberBounds(asked)
    return knownRule(titled(asked, bounds.words('columns')), bounds.hold(count), `there are ${count}`)
  },
  table_column_count_to_equal: (asked) => {
    const count = asked.schema.length
    return knownRule(titled(asked, `columns = ${exactly(asked)}`), count === exactly(asked), `there are ${count}`)
  },
  table_columns_to_match_ordered_list: (asked) => {
    const wanted = textsGiven(asked, 'column_list')
    const names = columnNames(asked)
    const same = names.length === wanted.length && names.every((name, i) => name === wanted[i])
    return knownRule(titled(asked, `the columns are ${listedValues(wanted)}`), same, `they are ${listedValues(names)}`)
  },
  table_columns_to_match_set: (asked) => {
    const wanted = textsGiven(asked, 'column_set')
    const names = columnNames(asked)
    const isExact = given(asked, 'exact_match') !== false
    const lacking = wanted.filter((name) => !names.includes(name))
    const more = isExact ? names.filter((name) => !wanted.includes(name)) : []
    const found = [
      ...(lacking.length > 0 ? [`missing: ${listedValues(lacking)}`] : []),
      ...(more.length > 0 ? [`not asked for: ${listedValues(more)}`] : []),
    ]
    return knownRule(
      titled(asked, `the columns ${isExact ? 'are' : 'hold'}, in any order, ${listedValues(wanted)}`),
      found.length === 0,
      found.length === 0 ? undefined : found.join('; '),
    )
  },
  column_to_exist: (asked) => {
    const [column] = asked.columns
    if (column === undefined) throw new Unchecked('it names no column')
    const names = columnNames(asked)
    const place = numberGiven(asked, 'column_index')
    const isThere = place === undefined ? names.includes(column) : names[place] === column
    return knownRule(titled(asked, `there is a column ${column}${place === undefined ? '' : ` at ${place}`}`), isThere)
  },
  column_values_to_be_of_type: ofTypes('type_'),
  column_type_to_be: ofTypes('type_'),
  column_values_to_be_in_type_list: ofTypes('type_list'),
  column_mean_to_be_between: statistic('mean', { mean: true }, ({ mean }) => mean),
  column_median_to_be_between: statistic('median', { quantiles: [0.5] }, ({ quantiles: found }) => found?.[0]),
  column_stdev_to_be_between: statistic('standard deviation', { stddev: true }, ({ stddev, rows, missing: none }) =>
    rows - none < 2 ? undefined : stddev,
  ),
  column_sum_to_be_between: statistic('sum', { mean: true }, ({ mean, rows, missing: none }, type) => {
    if (mean === undefined) return 0
    const sum = mean * (rows - none)
    // whole numbers add up to a whole number
    return type === 'number' ? sum : Math.round(sum)
  }),
  column_quantile_values_to_be_between: quantiles,
  column_min_to_be_between: extreme('min'),
  column_max_to_be_between: extreme('max'),
  column_unique_value_count_to_be_between: (asked) => {
    const { column } = onlyColumn(asked)
    const bounds = numberBounds(asked)
    const words = bounds.words(`distinct values of ${column}`)
    return tableRule(titled(asked, words), [{ expr: distinctOf(asked, column, bool(true)) }], ([found]) =>
      measured(Number(found), bounds),
    )
  },
  column_proportion_of_unique_values_to_be_between: (asked) => {
    const { column } = onlyColumn(asked)
    const bounds = numberBounds(asked)
    const words = bounds.words(`share of distinct values of ${column}`)
    const counts = [{ expr: distinctOf(asked, column, bool(true)) }, { expr: rowsWith(asked, column) }]
    return tableRule(titled(asked, words), counts, ([found, of]) =>
      measured(Number(of) === 0 ? 0 : Number(found) / Number(of), bounds),
    )
  },
  column_proportion_of_non_null_values_to_be_between: (asked) => {
    const { column } = onlyColumn(asked)
    const bounds = numberBounds(asked)
    const words = bounds.words(`share of values of ${column} that are there`)
    const counts = [
      { expr: rowsWith(asked, column), merge: 'sum' as const },
      { expr: aggregate('count_if', [looked(asked)]), merge: 'sum' as const },
    ]
    return tableRule(titled(asked, words), counts, ([found, of]) =>
      measured(Number(of) === 0 ? undefined : Number(found) / Number(of), bounds),
    )
  },
  column_distinct_values_to_contain_set: holdsSet(false),
  column_distinct_values_to_equal_set: holdsSet(true),
}
