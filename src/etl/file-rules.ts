/**
 * The rules of a pipeline file, made into what is checked. A row that breaks several is quarantined under the first, in
 * this order: missing values, ranges, allowed values, patterns, comparisons, repeated keys.
 *
 * A missing value breaks no rule but `non_null_columns`. An integer is a number and a date is a timestamp, also where
 * `types` asks for one.
 */
import type { RuleName, RuleResult } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import type { ColumnType, Schema } from '../core/schema.js'
import { comparisonId, keyId, severityOf, type Comparison, type ValidationRules } from '../core/validation-rules.js'
import { aggregate, call, cast, col, int, num, text, type Expr, type ScalarFunction } from './expr.js'
import {
  absentColumn,
  all,
  isOneOf,
  keyRule,
  knownRule,
  listedValues,
  literalOf,
  not,
  present,
  rowRule,
  type Rule,
  shown,
  surely,
  tableRule,
  timeInWords,
} from './rule.js'
import { columnType } from './types.js'

export interface FileRules {
  /** In the order of the report, those about repeated keys left out. */
  readonly rules: readonly Rule[]
  /** Rules about repeated keys. @param sound true for the rows that are compared */
  keys(sound: Expr): readonly Rule[]
  /** Columns that order repeated rows, those that are not there left out. */
  readonly order: readonly string[]
}

/**
 * @param row name of the column that numbers the rows
 * @param since milliseconds since 1970, so long (`7d`) before the run began
 * Throws MR_PLAN_TYPE with every rule that does not go with its column's type.
 */
export function fileRules(rules: ValidationRules, schema: Schema, row: string, since: Since): FileRules {
  const known = new Set(schema.map(({ name }) => name))
  const faults: MillraceError[] = []
  const make = (rule: RuleName, id: string, columns: readonly string[], build: (head: Head) => Rule): Rule[] => {
    const absent = columns.find((column) => !known.has(column))
    if (absent !== undefined) return [absentColumn(id, rule, absent)]
    const [column = ''] = columns
    try {
      return [build({ id, rule, severity: severityOf(id, rule, rules), ...(columns.length > 1 ? {} : { column }) })]
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'MR_PLAN_TYPE') throw error
      faults.push(error)
      return []
    }
  }
  const each = <T>(
    rule: RuleName,
    given: Readonly<Record<string, T>> | undefined,
    build: (column: string, value: T, head: Head, type: ColumnType) => Rule,
  ): readonly Rule[] =>
    Object.entries(given ?? {}).flatMap(([column, value]) =>
      make(rule, `${rule}.${column}`, [column], (head) => build(column, value, head, columnType(column, schema))),
    )
  const listed = (names: readonly string[] | undefined) =>
    Object.fromEntries((names ?? []).map((name): [string, true] => [name, true]))
  const order = (rules.unique_order?.by ?? []).filter((column) => known.has(column))
  const found = [
    ...each('required_columns', listed(rules.required_columns), (column, _, head) =>
      knownRule({ ...head, expectation: `there is a column ${column}` }, true),
    ),
    ...each('types', rules.types, typeRule),
    ...each('freshness', rules.freshness, (column, age, head, type) => freshnessRule(column, age, head, type, since)),
    ...each('non_null_columns', listed(rules.non_null_columns), (column, _, head) => {
      const at = call('concat', text('row '), cast(call('add', col(row), int(1)), 'text'))
      return rowRule({ ...head, expectation: `${column} is not missing` }, call('is_missing', col(column)), at)
    }),
    ...each('value_ranges', rules.value_ranges, rangeRule),
    ...each('allowed_values', rules.allowed_values, allowedRule),
    ...each('patterns', rules.patterns, patternRule),
    ...(rules.comparisons ?? []).flatMap((comparison) =>
      make('comparisons', comparisonId(comparison), comparedColumns(comparison), (head) =>
        comparisonRule(comparison, head, schema),
      ),
    ),
    ...(rules.unique_order?.by ?? [])
      .filter((column) => !known.has(column))
      .map((column) => absentColumn(`unique_order.${column}`, 'unique_columns', column)),
  ]
  const [first] = faults
  if (first !== undefined)
    throw faults.length === 1
      ? first
      : new MillraceError('MR_PLAN_TYPE', `${faults.length} rules do not go with the types of their columns`, {
          others: faults,
        })
  return {
    rules: found,
    order,
    keys: (sound) =>
      (rules.unique_columns ?? []).flatMap((key) => {
        const columns = [key].flat()
        return make('unique_columns', keyId(key), columns, (head) =>
          keyRule(
            { ...head, expectation: `no value of ${columns.join(', ')} comes twice` },
            { columns, among: all([sound, ...columns.map(present)]) },
          ),
        )
      }),
  }
}

/** The time that lies a duration such as `7d` before the run began, in milliseconds since 1970. */
export type Since = (age: string) => number

type Head = Pick<Rule, 'id' | 'rule' | 'column' | 'severity'>

function wrongType(
  id: string,
  type: ColumnType,
  needs: string,
  mend = 'declare its type under data.schema',
): MillraceError {
  return new MillraceError('MR_PLAN_TYPE', `${id}: the column is ${type}, ${needs}`, {
    hint: `take it out of the rules, or ${mend}`,
  })
}

const isNumeric = (type: ColumnType): boolean => type === 'number' || type === 'integer'
const isTime = (type: ColumnType): boolean => type === 'timestamp' || type === 'date'

function typeRule(column: string, wanted: ColumnType, head: Head, type: ColumnType): Rule {
  const same =
    type === wanted || (wanted === 'number' && type === 'integer') || (wanted === 'timestamp' && type === 'date')
  return knownRule({ ...head, expectation: `${column} is of type ${wanted}` }, same, `it is ${type}`)
}

function freshnessRule(column: string, age: string, head: Head, type: ColumnType, since: Since): Rule {
  if (!isTime(type)) throw wrongType(head.id, type, 'freshness needs times')
  const newest = aggregate('max', [call('epoch_us', col(column))])
  return tableRule(
    { ...head, expectation: `the newest ${column} is no older than ${age} when the run begins` },
    [{ expr: newest, merge: 'max' }],
    // nothing here tells the time of the run: the report of a run that changes nothing stays the same bytes
    ([newest]) =>
      typeof newest === 'bigint'
        ? {
            passed: isFresh(Number(newest), age, since),
            violations: 0,
            observed: `the newest is ${timeInWords(newest)}`,
            value: Number(newest),
          }
        : { passed: false, violations: 0, observed: 'it has no value' },
  )
}

const isFresh = (newest: number, age: string, since: Since): boolean => newest >= since(age) * 1000

/**
 * True if what results say of freshness still holds: a table that was fresh yesterday may not be today, although nothing
 * in it has changed.
 */
export function freshnessHolds(
  results: readonly RuleResult[],
  freshness: ValidationRules['freshness'],
  since: Since,
): boolean {
  const ages = new Map(Object.entries(freshness ?? {}))
  return results.every(({ rule, column = '', value, passed }) => {
    const age = ages.get(column)
    return rule !== 'freshness' || age === undefined || value === undefined || isFresh(value, age, since) === passed
  })
}

function rangeRule(column: string, [low, high]: readonly [number, number], head: Head, type: ColumnType): Rule {
  if (!isNumeric(type)) throw wrongType(head.id, type, 'a range needs numbers')
  const outside = call('or', call('lt', col(column), num(low)), call('gt', col(column), num(high)))
  const broken = call('and', present(column), surely(outside))
  return rowRule({ ...head, expectation: `${low} <= ${column} <= ${high}` }, broken, shown([column]))
}

function allowedRule(
  column: string,
  values: readonly (string | number | boolean)[],
  head: Head,
  type: ColumnType,
): Rule {
  const literals = values.map((value) => {
    const literal = literalOf(value, type)
    if (literal === undefined) throw wrongType(head.id, type, `and ${JSON.stringify(value)} is no value of that type`)
    return literal
  })
  const broken = call('and', present(column), not(surely(isOneOf(column, type, literals))))
  return rowRule({ ...head, expectation: `${column} is one of ${listedValues(values)}` }, broken, shown([column]))
}

function patternRule(column: string, pattern: string, head: Head, type: ColumnType): Rule {
  if (type !== 'text') throw wrongType(head.id, type, 'a pattern needs text', `declare it as text under data.schema`)
  const broken = call('and', present(column), not(surely(call('matches', col(column), text(pattern)))))
  return rowRule({ ...head, expectation: `${column} matches ${pattern}` }, broken, shown([column]))
}

const COMPARED: Readonly<Record<Comparison['is'], ScalarFunction>> = {
  '<': 'lt',
  '<=': 'le',
  '=': 'eq',
  '!=': 'ne',
  '>=': 'ge',
  '>': 'gt',
}

const comparedColumns = ({ left, right }: Comparison): readonly string[] =>
  typeof right === 'number' ? [left] : [left, right]

function comparisonRule(comparison: Comparison, head: Head, schema: Schema): Rule {
  const { left, is, right } = comparison
  const type = columnType(left, schema)
  const other = typeof right === 'number' ? 'number' : columnType(right, schema)
  const comparable =
    (isNumeric(type) && isNumeric(other)) ||
    (isTime(type) && isTime(other)) ||
    (type === 'text' && other === 'text') ||
    (type === 'boolean' && other === 'boolean' && (is === '=' || is === '!='))
  if (!comparable)
    throw new MillraceError('MR_PLAN_TYPE', `${head.id}: ${type} cannot be compared with ${other} by ${is}`, {
      hint: 'numbers go with numbers, times with times, texts with texts; declare types under data.schema',
    })
  const columns = comparedColumns(comparison)
  const holds = call(COMPARED[is], col(left), typeof right === 'number' ? num(right) : col(right))
  const broken = call(
    'and',
    ...columns.map(present),
    not(call('coalesce', holds, { op: 'literal', value: true, type: 'boolean' })),
  )
  return rowRule({ ...head, expectation: `${left} ${is} ${right}` }, broken, shown(columns))
}
