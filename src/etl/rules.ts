/**
 * Validation rules as relations: all counts in one aggregate query, rows that break a rule apart from those that do
 * not. A row is quarantined under the first rule that it breaks: missing values, then ranges, then repeated keys.
 *
 * Keys are compared among the rows that break no missing-value or range rule, each unique column for itself; the first
 * row in order stays. Missing keys repeat nothing. Missing values are in no range and out of none.
 */
import type { RuleResult, Severity } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import type { Schema } from '../core/schema.js'
import type { Engine } from './engine.js'
import { aggregate, bool, call, cast, col, int, missing, num, text, type Expr, type Named } from './expr.js'
import { aggregated, filter, limit, project, select, sort, windowed, withColumns, type Relation } from './relation.js'
import { columnType } from './types.js'

/** As `data.validation_rules` of a pipeline file; what is left out asks for nothing. */
export interface ValidationRules {
  readonly required_columns?: readonly string[]
  readonly non_null_columns?: readonly string[]
  /** What happens to rows with a missing value in `non_null_columns`; default `warn`. */
  readonly on_null?: Severity
  /** Lowest and highest value allowed; rows outside are taken out. */
  readonly value_ranges?: Readonly<Record<string, readonly [number, number]>>
  /** A column, or columns that are unique together. */
  readonly unique_columns?: readonly (string | readonly string[])[]
  /** Rows that must be left. */
  readonly min_records?: number
}

export interface CompiledRules {
  /** One row: `rows` and for each rule the rows that break it, by its id. */
  readonly counts: Relation
  /** Results from that row; examples are still empty. */
  interpret(row: Readonly<Record<string, unknown>>): readonly RuleResult[]
  /** Runs `counts` and, for rules that were broken, small queries for examples. */
  check(engine: Engine, signal?: AbortSignal): Promise<readonly RuleResult[]>
  /** Rows that break no dropping rule, in order. Once `check` has run, rules that hold are left out of the plan. */
  readonly kept: Relation
  /** The other rows, in order, with the id of the first rule that each breaks in `ruleColumn`. */
  readonly quarantine: Relation
  readonly ruleColumn: string
}

/** A rule about rows. */
interface RowRule {
  readonly id: string
  readonly rule: RuleResult['rule']
  readonly column: string
  readonly expectation: string
  readonly severity: Severity
  /** True (never NULL) for rows that break it; for unique columns: that have a key at all. */
  readonly broken: Expr
}

const EXAMPLES = 5

/**
 * @param row name of the column that numbers the input's rows, in `input`'s schema
 * Throws MR_PLAN_TYPE if a range is given for a column that is not numeric.
 */
export function compileRules(rules: ValidationRules, schema: Schema, input: Relation, row: string): CompiledRules {
  const columns = [
    rules.non_null_columns ?? [],
    Object.keys(rules.value_ranges ?? {}),
    (rules.unique_columns ?? []).flat(),
  ]
  const known = new Set(schema.map(({ name }) => name))
  const absent = absentColumns(rules, known)
  const [nonNull = [], ranged = [], unique = []] = columns.map((names) => names.filter((name) => known.has(name)))
  const rowRules: readonly RowRule[] = [
    ...nonNull.map((column) => nonNullRule(column, rules.on_null ?? 'warn')),
    ...ranged.map((column) => rangeRule(column, rules.value_ranges?.[column] ?? [-Infinity, Infinity], schema)),
  ]
  const keyRules = unique.map(uniqueRule)
  const all = [...rowRules, ...keyRules]
  const dropping = rowRules.filter(({ severity }) => severity === 'drop')
  const sound = not(any(dropping.map(({ broken }) => broken)))
  const counts = aggregated(input, [], countsOf(rowRules, keyRules, sound))
  let broken: ReadonlySet<string> | undefined

  const interpret = (found: Readonly<Record<string, unknown>>): readonly RuleResult[] => {
    const rows = Number(found['rows'])
    const results = all.map((rule): RuleResult => {
      const violations = Number(found[rule.id])
      const { id, column, expectation, severity } = rule
      return { id, rule: rule.rule, column, expectation, severity, passed: violations === 0, violations, examples: [] }
    })
    const repeated = keyRules.reduce((sum, { id }) => sum + Number(found[id]), 0)
    const left = rows - Number(found['unsound']) - repeated
    return [...absent, ...results, ...minimum(rules.min_records ?? 0, left)]
  }
  const ruleColumn = freeName('__rule', input.schema)
  const judged = (): Relation => {
    const active = (rule: RowRule): boolean => broken?.has(rule.id) ?? true
    return judge(input, dropping.filter(active), keyRules.filter(active), row, ruleColumn)
  }
  return {
    counts,
    interpret,
    ruleColumn,
    async check(engine, signal) {
      const found = (await engine.rows(counts, signal))[0] ?? {}
      const results = interpret(found)
      broken = new Set(results.filter(({ passed }) => !passed).map(({ id }) => id))
      const examples = new Map<string, readonly string[]>()
      for (const rule of all) {
        if (!broken.has(rule.id)) continue
        const values = await engine.rows(examplesOf(rule, input, sound, row), signal)
        examples.set(
          rule.id,
          values.map(({ example }) => String(example)),
        )
      }
      // a row may repeat several keys: how many rows are left is then counted, not summed
      const several = keyRules.filter(({ id }) => broken?.has(id) === true).length > 1 && (rules.min_records ?? 0) > 0
      const left = several
        ? Number((await engine.rows(aggregated(kept(), [], [{ name: 'n', expr: aggregate('count', []) }])))[0]?.['n'])
        : undefined
      return results
        .filter(({ rule }) => left === undefined || rule !== 'min_records')
        .map((result) => ({ ...result, examples: examples.get(result.id) ?? [] }))
        .concat(left === undefined ? [] : minimum(rules.min_records ?? 0, left))
    },
    get kept() {
      return kept()
    },
    get quarantine() {
      return filter(judged(), not(call('is_null', col(ruleColumn))))
    },
  }

  function kept(): Relation {
    const names = input.schema.map(({ name }) => name)
    return select(filter(judged(), call('is_null', col(ruleColumn))), names)
  }
}

const not = (expr: Expr): Expr => call('not', expr)
const any = (exprs: readonly Expr[]): Expr => (exprs.length === 0 ? bool(false) : call('or', ...exprs))

/** Rules about columns that are not there: each fails under its own id. */
function absentColumns(rules: ValidationRules, known: ReadonlySet<string>): readonly RuleResult[] {
  const given: readonly (readonly [RuleResult['rule'], readonly string[]])[] = [
    ['required_columns', rules.required_columns ?? []],
    ['non_null_columns', rules.non_null_columns ?? []],
    ['value_ranges', Object.keys(rules.value_ranges ?? {})],
    ['unique_columns', (rules.unique_columns ?? []).flat()],
  ]
  return given.flatMap(([rule, names]) =>
    names
      .filter((column) => rule === 'required_columns' || !known.has(column))
      .map((column): RuleResult => ({
        id: `${rule}.${column}`,
        rule,
        column,
        expectation: `there is a column ${column}`,
        severity: 'fail',
        passed: known.has(column),
        violations: 0,
        examples: [],
      })),
  )
}

function nonNullRule(column: string, severity: Severity): RowRule {
  const broken = call('is_missing', col(column))
  const expectation = `${column} is not missing`
  return { id: `non_null_columns.${column}`, rule: 'non_null_columns', column, expectation, severity, broken }
}

function rangeRule(column: string, [low, high]: readonly [number, number], schema: Schema): RowRule {
  const type = columnType(column, schema)
  if (type !== 'number' && type !== 'integer')
    throw new MillraceError('MR_PLAN_TYPE', `value_ranges.${column}: the column is ${type}, a range needs numbers`, {
      hint: `take it out of value_ranges, or declare its type under data.schema`,
    })
  const outside = call('or', call('lt', col(column), num(low)), call('gt', col(column), num(high)))
  const broken = call('and', not(call('is_missing', col(column))), call('coalesce', outside, bool(false)))
  const expectation = `${low} <= ${column} <= ${high}`
  return { id: `value_ranges.${column}`, rule: 'value_ranges', column, expectation, severity: 'drop', broken }
}

function uniqueRule(column: string): RowRule {
  const broken = not(call('is_missing', col(column)))
  const expectation = `no value of ${column} comes twice`
  return { id: `unique_columns.${column}`, rule: 'unique_columns', column, expectation, severity: 'drop', broken }
}

function minimum(wanted: number, left: number): readonly RuleResult[] {
  if (wanted <= 0) return []
  return [
    {
      id: 'min_records',
      rule: 'min_records',
      expectation: `at least ${wanted} rows are left`,
      severity: 'fail',
      passed: left >= wanted,
      violations: Math.max(0, wanted - left),
      examples: left >= wanted ? [] : [`${left} rows`],
    },
  ]
}

/** All counts of one pass; `unsound` are the rows that a row rule takes out. */
function countsOf(rowRules: readonly RowRule[], keyRules: readonly RowRule[], sound: Expr): readonly Named[] {
  const repeats = keyRules.map(({ id, column, broken: hasKey }): Named => {
    const among = call('and', sound, hasKey)
    const distinct: Expr = { op: 'aggregate', fn: 'count_distinct', args: [col(column)], filter: among }
    return { name: id, expr: call('sub', aggregate('count_if', [among]), distinct) }
  })
  return [
    { name: 'rows', expr: aggregate('count', []) },
    { name: 'unsound', expr: aggregate('count_if', [not(sound)]) },
    ...rowRules.map(({ id, broken }): Named => ({ name: id, expr: aggregate('count_if', [broken]) })),
    ...repeats,
  ]
}

/** The input with the id of the first broken rule in `ruleColumn`, NULL if there is none; in order. */
function judge(
  input: Relation,
  rowRules: readonly RowRule[],
  keyRules: readonly RowRule[],
  row: string,
  ruleColumn: string,
): Relation {
  const branches = rowRules.map(({ id, broken }) => ({ when: broken, then: text(id) }))
  const first: Expr = branches.length === 0 ? missing('text') : { op: 'case', branches, otherwise: missing('text') }
  const judged = withColumns(input, [{ name: ruleColumn, expr: first }])
  if (keyRules.length === 0) return judged
  const names = keyRules.map((_, i) => freeName(`${ruleColumn}_${i}`, input.schema))
  const numbered = windowed(
    judged,
    keyRules.map(({ column }, i): Named => ({
      name: names[i] ?? '',
      expr: {
        op: 'window',
        fn: 'row_number',
        args: [],
        partitionBy: [col(column), call('is_null', col(ruleColumn))],
        orderBy: [{ expr: col(row) }],
      },
    })),
  )
  const repeated: Expr = {
    op: 'case',
    branches: keyRules.map(({ id, broken: hasKey }, i) => ({
      when: call('and', hasKey, call('gt', col(names[i] ?? ''), int(1))),
      then: text(id),
    })),
    otherwise: missing('text'),
  }
  const whole = withColumns(numbered, [{ name: ruleColumn, expr: call('coalesce', col(ruleColumn), repeated) }])
  return sort(select(whole, [...input.schema.map(({ name }) => name), ruleColumn]), [{ expr: col(row) }])
}

/** At most five: values out of range or repeated, or the numbers (from 1) of rows with a missing value. */
function examplesOf(rule: RowRule, input: Relation, sound: Expr, row: string): Relation {
  const value = cast(col(rule.column), 'text')
  switch (rule.rule) {
    case 'unique_columns': {
      const groups = aggregated(
        filter(input, call('and', sound, rule.broken)),
        [{ name: 'example', expr: value }],
        [{ name: 'n', expr: aggregate('count', []) }],
      )
      const by = [{ expr: col('n'), descending: true }, { expr: col('example') }]
      return limit(sort(filter(groups, call('gt', col('n'), int(1))), by), EXAMPLES)
    }
    case 'non_null_columns': {
      const at = call('concat', text('row '), cast(call('add', col(row), int(1)), 'text'))
      return limit(project(filter(input, rule.broken), [{ name: 'example', expr: at }]), EXAMPLES)
    }
    default:
      return limit(project(filter(input, rule.broken), [{ name: 'example', expr: value }]), EXAMPLES)
  }
}

function freeName(wanted: string, schema: Schema): string {
  const taken = new Set(schema.map(({ name }) => name.toLowerCase()))
  let name = wanted
  while (taken.has(name.toLowerCase())) name += '_'
  return name
}
