/** Expectations that each row meets or does not: of one column, of pairs, of several columns. */
import type { ColumnType } from '../core/schema.js'
import { call, cast, col, int, num, text, type Expr } from './expr.js'
import {
  type Asked,
  boundsGiven,
  flagGiven,
  given,
  isNumeric,
  isTime,
  listGiven,
  literalExpr,
  Mismatch,
  mostlyGiven,
  numberGiven,
  onlyColumn,
  outside,
  type Reading,
  textGiven,
  textsGiven,
  Unchecked,
} from './expectation.js'
import {
  all,
  any,
  isOneOf,
  keyRule,
  listedValues,
  literalOf,
  not,
  present,
  rowRule,
  type Rule,
  shown,
  surely,
} from './rule.js'
import { columnType } from './types.js'

/** A rule that a row breaks where `wrong` is true; rows without one of the columns are not looked at. */
function each(asked: Asked, expectation: string, wrong: Expr, columns: readonly string[] = asked.columns): Rule {
  const judged = all([...(asked.condition ? [asked.condition] : []), ...columns.map(present)])
  const head = { ...asked.head, expectation: `${expectation}${asked.where}`, ...mostlyGiven(asked) }
  return rowRule(head, all([judged, surely(wrong)]), shown(columns), judged)
}

function unique(asked: Asked, columns: readonly string[], among: Expr): Rule {
  const head = {
    ...asked.head,
    expectation: `no value of ${columns.join(', ')} comes twice${asked.where}`,
    ...mostlyGiven(asked),
  }
  return keyRule(head, { columns, among: all([...(asked.condition ? [asked.condition] : []), among]), all: true })
}

/** Values that a column of this type can hold; texts and numbers are never the same, as there. */
function valuesGiven(asked: Asked, type: ColumnType): { readonly expr: Expr; readonly words: string } {
  const values = listGiven(asked, 'value_set')
  const { column } = onlyColumn(asked)
  const literals = values.flatMap((value) => {
    const fits = isNumeric(type) ? typeof value === 'number' : type === 'boolean' || typeof value === 'string'
    const literal = fits ? literalOf(value, type) : undefined
    return literal === undefined ? [] : [literal]
  })
  return { expr: isOneOf(column, type, literals), words: listedValues(values) }
}

const inSet: Reading = (asked) => {
  const { column, type } = onlyColumn(asked)
  const { expr, words } = valuesGiven(asked, type)
  return each(asked, `${column} is one of ${words}`, not(surely(expr)))
}

function pattern(asked: Asked, regex: string): Expr {
  const why = asked.refused.get(regex)
  if (why !== undefined) throw new Unchecked(`the engine does not take the pattern ${regex}: ${why}`)
  const { column, type } = onlyColumn(asked)
  return call('matches', type === 'text' ? col(column) : cast(col(column), 'text'), text(regex))
}

/** LIKE as a regular expression: % is any text, _ any character. */
function likePattern(like: string): string {
  const parts = Array.from(like, (c) => (c === '%' ? '.*' : c === '_' ? '.' : c.replace(/[\\^$.*+?()[\]{}|]/, '\\$&')))
  return `(?s)^${parts.join('')}$`
}

/** Patterns of a list: any of them, or all. */
function patterns(kind: 'regex' | 'like', wanted: boolean): Reading {
  return (asked) => {
    const { column } = onlyColumn(asked)
    const list = textsGiven(asked, kind === 'regex' ? 'regex_list' : 'like_pattern_list')
    const found = list.map((one) => surely(pattern(asked, kind === 'regex' ? one : likePattern(one))))
    const isAll = given(asked, 'match_on') === 'all'
    const words = `${isAll ? 'all' : 'one'} of ${list.join(', ')}`
    if (!wanted) return each(asked, `${column} matches none of ${list.join(', ')}`, any(found))
    return each(asked, `${column} matches ${words}`, not(isAll ? all(found) : any(found)))
  }
}

function onePattern(kind: 'regex' | 'like', wanted: boolean): Reading {
  return (asked) => {
    const { column } = onlyColumn(asked)
    const one = textGiven(asked, kind === 'regex' ? 'regex' : 'like_pattern')
    const found = pattern(asked, kind === 'regex' ? one : likePattern(one))
    const words = kind === 'regex' ? `match${wanted ? 'es' : ''} ${one}` : `${wanted ? 'is' : 'be'} like ${one}`
    return each(asked, `${column} ${wanted ? '' : 'does not '}${words}`, wanted ? not(surely(found)) : found)
  }
}

/** Lengths in characters, told by whether there is one at a place. */
function lengths(low: number | undefined, high: number | undefined, words: (column: string) => string): Reading {
  return (asked) => {
    const { column, type } = onlyColumn(asked)
    if (type !== 'text') throw new Mismatch(words(column), `the column is ${type}, which has no length`)
    const beyond = (place: number): Expr => call('ne', call('substr', col(column), int(place), int(1)), text(''))
    const short = low === undefined || low <= 0 ? [] : [not(beyond(Math.ceil(low)))]
    const long = high === undefined ? [] : [high < 0 ? present(column) : beyond(Math.floor(high) + 1)]
    return each(asked, words(column), any([...short, ...long]))
  }
}

function pair(asked: Asked): readonly [string, string] {
  const [a, b] = [textGiven(asked, 'column_A'), textGiven(asked, 'column_B')]
  return [a, b]
}

/** Two columns whose values can stand to each other. */
function comparable(asked: Asked, a: string, b: string, words: string): void {
  const [x, y] = [columnType(a, asked.schema), columnType(b, asked.schema)]
  if (x !== y && !(isNumeric(x) && isNumeric(y)) && !(isTime(x) && isTime(y)))
    throw new Mismatch(words, `${a} is ${x} and ${b} is ${y}`)
}

const greater: Reading = (asked) => {
  const [a, b] = pair(asked)
  const orEqual = flagGiven(asked, 'or_equal')
  const words = `${a} ${orEqual ? '>=' : '>'} ${b}`
  comparable(asked, a, b, words)
  return each(asked, words, call(orEqual ? 'lt' : 'le', col(a), col(b)))
}

const equal: Reading = (asked) => {
  const [a, b] = pair(asked)
  comparable(asked, a, b, `${a} = ${b}`)
  return each(asked, `${a} = ${b}`, call('ne', col(a), col(b)))
}

const pairInSet: Reading = (asked) => {
  const columns = pair(asked)
  const pairs = listGiven(asked, 'value_pairs_set')
  const found = pairs.flatMap((values) => {
    const parts = columns.map((column, i) => {
      const literal = literalExpr(Array.isArray(values) ? values[i] : undefined, columnType(column, asked.schema))
      return literal && call('eq', col(column), literal)
    })
    return parts.every((part) => part !== undefined) ? [all(parts)] : []
  })
  return each(asked, `${columns.join(', ')} are one of ${listedValues(pairs)}`, not(any(found)))
}

/** At least two columns, compared two by two. */
function twoByTwo(asked: Asked): readonly Expr[] {
  const { columns } = asked
  if (columns.length < 2) throw new Unchecked('column_list does not name two columns')
  return columns.flatMap((a, i) =>
    columns.slice(i + 1).flatMap((b) => {
      const [x, y] = [columnType(a, asked.schema), columnType(b, asked.schema)]
      const same = x === y || (isNumeric(x) && isNumeric(y)) || (isTime(x) && isTime(y))
      return same ? [surely(call('eq', col(a), col(b)))] : []
    }),
  )
}

const withinRecord: Reading = (asked) =>
  each(asked, `${asked.columns.join(', ')} differ in each row`, any(twoByTwo(asked)))

const allEqual: Reading = (asked) => {
  const { columns } = asked
  const same = twoByTwo(asked)
  const words = `${columns.join(', ')} are equal in each row`
  if (same.length < (columns.length * (columns.length - 1)) / 2) throw new Mismatch(words, 'their types differ')
  return each(asked, words, not(all(same)))
}

const sumOfColumns: Reading = (asked) => {
  const total = numberGiven(asked, 'sum_total')
  if (total === undefined) throw new Unchecked('sum_total is not given')
  const words = `${asked.columns.join(' + ')} = ${total}`
  const wrong = asked.columns.find((column) => !isNumeric(columnType(column, asked.schema)))
  if (wrong !== undefined) throw new Mismatch(words, `${wrong} is ${columnType(wrong, asked.schema)}`)
  const [first, ...rest] = asked.columns
  if (first === undefined) throw new Unchecked('column_list names no column')
  const sum = rest.reduce<Expr>(
    (left, column) => call('add', left, cast(col(column), 'number')),
    cast(col(first), 'number'),
  )
  return each(asked, words, call('ne', sum, num(total)))
}

const compound: Reading = (asked) => {
  const { columns } = asked
  if (columns.length === 0) throw new Unchecked('column_list names no column')
  const ignored = given(asked, 'ignore_row_if') ?? 'all_values_are_missing'
  if (ignored === 'any_value_is_missing') return unique(asked, columns, all(columns.map(present)))
  return unique(asked, columns, ignored === 'never' ? all([]) : any(columns.map(present)))
}

/** By name without `expect_`. */
export const ROW_EXPECTATIONS: Readonly<Record<string, Reading>> = {
  column_values_to_not_be_null: (asked) => {
    const { column } = onlyColumn(asked)
    const judged = all(asked.condition ? [asked.condition] : [])
    const head = { ...asked.head, expectation: `${column} is not missing${asked.where}`, ...mostlyGiven(asked) }
    const at = call('concat', text('row '), cast(call('add', col(asked.row), int(1)), 'text'))
    return rowRule(head, all([judged, not(present(column))]), at, judged)
  },
  column_values_to_be_null: (asked) => {
    const { column } = onlyColumn(asked)
    const judged = all(asked.condition ? [asked.condition] : [])
    const head = { ...asked.head, expectation: `${column} is missing${asked.where}`, ...mostlyGiven(asked) }
    return rowRule(head, all([judged, present(column)]), shown([column]), judged)
  },
  column_values_to_be_unique: (asked) => {
    const { column } = onlyColumn(asked)
    return unique(asked, [column], present(column))
  },
  column_values_to_be_between: (asked) => {
    const { column, type } = onlyColumn(asked)
    const bounds = boundsGiven(asked)
    return each(asked, bounds.words(column), outside(column, type, bounds))
  },
  column_values_to_be_in_set: inSet,
  column_distinct_values_to_be_in_set: inSet,
  column_values_to_not_be_in_set: (asked) => {
    const { column, type } = onlyColumn(asked)
    const { expr, words } = valuesGiven(asked, type)
    return each(asked, `${column} is none of ${words}`, expr)
  },
  column_values_to_match_regex: onePattern('regex', true),
  column_values_to_not_match_regex: onePattern('regex', false),
  column_values_to_match_regex_list: patterns('regex', true),
  column_values_to_not_match_regex_list: patterns('regex', false),
  column_values_to_match_like_pattern: onePattern('like', true),
  column_values_to_not_match_like_pattern: onePattern('like', false),
  column_values_to_match_like_pattern_list: patterns('like', true),
  column_values_to_not_match_like_pattern_list: patterns('like', false),
  column_value_lengths_to_be_between: (asked) => {
    const bounds = boundsGiven(asked)
    // lengths are whole numbers: what lies strictly above 2 is at least 3
    const low = numberGiven(asked, 'min_value')
    const high = numberGiven(asked, 'max_value')
    const least = low === undefined ? undefined : bounds.isStrictLow ? Math.floor(low) + 1 : low
    const most = high === undefined ? undefined : bounds.isStrictHigh ? Math.ceil(high) - 1 : high
    return lengths(least, most, (column) => bounds.words(`length of ${column}`))(asked)
  },
  column_value_lengths_to_equal: (asked) => {
    const value = numberGiven(asked, 'value')
    if (value === undefined) throw new Unchecked('value is not given')
    return lengths(value, value, (column) => `length of ${column} = ${value}`)(asked)
  },
  column_pair_values_a_to_be_greater_than_b: greater,
  column_pair_values_A_to_be_greater_than_B: greater,
  column_pair_values_to_be_equal: equal,
  column_pair_values_to_be_in_set: pairInSet,
  compound_columns_to_be_unique: compound,
  select_column_values_to_be_unique_within_record: withinRecord,
  multicolumn_values_to_be_unique: withinRecord,
  multicolumn_values_to_be_equal: allEqual,
  multicolumn_sum_to_equal: sumOfColumns,
}
