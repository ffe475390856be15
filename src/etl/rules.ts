/**
 * Validation rules as relations: all counts in one aggregate query, rows that break a dropping rule apart from those that
 * do not. A row is quarantined under the first rule that it breaks.
 *
 * Keys are compared among the rows that break no other dropping rule, each key for itself; the first row in order
 * stays, or what `unique_order` says. Missing keys repeat nothing.
 */
import type { RuleResult } from '../core/documents.js'
import type { Schema } from '../core/schema.js'
import type { Memo } from '../core/memo.js'
import { severityOf, type ValidationRules } from '../core/validation-rules.js'
import type { ColumnStatistics, Engine } from './engine.js'
import { aggregate, call, col, type Named } from './expr.js'
import { fileRules, type Since } from './file-rules.js'
import { mergedRows } from './merged.js'
import { aggregated, filter, limit, project, select, type Relation, withColumns } from './relation.js'
import { freeName, judged, repeatedKeys, rowsOfRepeatedKeys, type Order } from './repeated.js'
import { any, not, type Rule, share, type Verdict } from './rule.js'

export type { ValidationRules } from '../core/validation-rules.js'

export interface CompiledRules {
  /**
   * Counts (file by file where they merge, with a memo only for new files), statistics where a rule asks for some, and
   * small queries for what was broken.
   */
  check(engine: Engine, signal?: AbortSignal, memo?: Memo): Promise<readonly RuleResult[]>
  /** Rows that break no dropping rule, in order. Once `check` has run, rules that hold are left out of the plan. */
  readonly kept: Relation
  /** The other rows, in order, with the id of the first rule that each breaks in `ruleColumn`. */
  readonly quarantine: Relation
  readonly ruleColumn: string
}

const EXAMPLES = 5
/** Rows that are looked at for different examples. */
const LOOKED_AT = 100

/**
 * @param row name of the column that numbers the input's rows, in `input`'s schema
 * @param since as in `fileRules`
 * @param more rules of suites (expectations.ts), judged on all rows; they take none out
 * Throws MR_PLAN_TYPE if a rule does not go with its column's type.
 */
export function compileRules(
  rules: ValidationRules,
  schema: Schema,
  input: Relation,
  row: string,
  since: Since,
  more: readonly Rule[] = [],
): CompiledRules {
  const own = fileRules(rules, schema, row, since)
  const dropping = own.rules.filter(({ severity, rows }) => severity === 'drop' && rows !== undefined)
  const sound = not(any(dropping.flatMap(({ rows }) => (rows === undefined ? [] : [rows.broken]))))
  // told once, in a column: every key asks for it
  const soundColumn = freeName('__sound', input.schema)
  const marked = withColumns(input, [{ name: soundColumn, expr: sound }])
  const keys = own.keys(col(soundColumn))
  const all = [...own.rules, ...keys, ...more]
  const droppingKeys = keys.filter(({ severity, keys: of }) => severity === 'drop' && of !== undefined)
  const order: Order = { by: own.order, keep: rules.unique_order?.keep ?? 'first', row }
  const wanted = rules.min_records ?? 0
  const ruleColumn = freeName('__rule', input.schema)

  const columns = all.map((rule, i) => rule.counts.map((count, j) => ({ ...count, name: `${i}.${j}` })))
  const whole: readonly (Named & { readonly merge: 'sum' })[] = [
    { name: 'rows', expr: aggregate('count', []), merge: 'sum' },
    { name: 'unsound', expr: aggregate('count_if', [not(col(soundColumn))]), merge: 'sum' },
  ]
  const found = (at: Readonly<Record<string, unknown>>, i: number): readonly unknown[] =>
    (columns[i] ?? []).map(({ name }) => at[name])

  /** From the row of counts; examples are still empty. */
  const interpret = (
    at: Readonly<Record<string, unknown>>,
    statistics: ReadonlyMap<string, ColumnStatistics>,
  ): readonly RuleResult[] => {
    const verdicts = all.map((rule, i) => rule.judge(found(at, i), statistics.get(rule.id)))
    const repeated = droppingKeys.reduce((sum, rule) => sum + (verdicts[all.indexOf(rule)]?.violations ?? 0), 0)
    const left = Number(at['rows']) - Number(at['unsound']) - repeated
    const results = all.map((rule, i) => resultOf(rule, verdicts[i] ?? { passed: false, violations: 0 }))
    const last = all.length - more.length
    return [...results.slice(0, last), ...minimum(left, wanted, rules), ...results.slice(last)]
  }
  let broken: ReadonlySet<string> | undefined
  const judge = (): Relation => {
    const active = ({ id }: Rule): boolean => broken?.has(id) ?? true
    return judged(marked, dropping.filter(active), droppingKeys.filter(active), order, ruleColumn)
  }
  const names = input.schema.map(({ name }) => name)
  const kept = (): Relation => select(filter(judge(), call('is_null', col(ruleColumn))), names)

  return {
    ruleColumn,
    async check(engine, signal, memo) {
      const at = (await mergedRows(engine, memo, marked, [], [...whole, ...columns.flat()], signal))[0] ?? {}
      const requests = all.flatMap(({ id, statistics }) => (statistics ? [{ ...statistics, name: id }] : []))
      const statistics = await engine.statistics(input, requests, signal)
      const results = new Map(interpret(at, statistics).map((result) => [result.id, result]))
      broken = new Set([...results.values()].filter(isBroken).map(({ id }) => id))
      for (const [i, rule] of all.entries()) {
        const result = results.get(rule.id)
        if (result === undefined || !isBroken(result)) continue
        const exact = await everyRepeat(rule, found(at, i), marked, engine, signal)
        const examples = await examplesOf(rule, marked, engine, signal)
        results.set(rule.id, { ...result, ...exact, ...(examples === undefined ? {} : { examples }) })
      }
      // a row may repeat several keys: how many rows are left is then counted, not summed
      if (droppingKeys.filter(({ id }) => broken?.has(id) === true).length > 1 && wanted > 0) {
        const left = (
          await engine.rows(aggregated(kept(), [], [{ name: 'n', expr: aggregate('count', []) }]), signal)
        )[0]
        for (const result of minimum(Number(left?.['n']), wanted, rules)) results.set(result.id, result)
      }
      return [...results.values()]
    },
    get kept() {
      return kept()
    },
    get quarantine() {
      return select(filter(judge(), not(call('is_null', col(ruleColumn)))), [...names, ruleColumn])
    },
  }
}

const isBroken = ({ passed, violations }: RuleResult): boolean => !passed || violations > 0

function resultOf(rule: Rule, { passed, violations, observed, value, examples = [] }: Verdict): RuleResult {
  const { id, column, expectation, severity, source, mostly } = rule
  return {
    id,
    rule: rule.rule,
    ...(column === undefined ? {} : { column }),
    expectation,
    severity,
    ...(source === undefined ? {} : { source }),
    ...(mostly === undefined ? {} : { mostly }),
    passed,
    violations,
    ...(observed === undefined ? {} : { observed }),
    ...(value === undefined ? {} : { value }),
    examples,
  }
}

function minimum(left: number, wanted: number, rules: ValidationRules): readonly RuleResult[] {
  if (wanted <= 0) return []
  return [
    {
      id: 'min_records',
      rule: 'min_records',
      expectation: `at least ${wanted} rows are left`,
      severity: severityOf('min_records', 'min_records', rules),
      passed: left >= wanted,
      violations: Math.max(0, wanted - left),
      examples: left >= wanted ? [] : [`${left} rows`],
    },
  ]
}

/** Where every row of a repeated key counts, the counts only told that there are some. */
async function everyRepeat(
  { keys, mostly }: Rule,
  found: readonly unknown[],
  input: Relation,
  engine: Engine,
  signal: AbortSignal | undefined,
): Promise<Partial<Verdict>> {
  if (keys?.all === undefined) return {}
  const row = (await engine.rows(rowsOfRepeatedKeys(keys, input), signal))[0]
  return share(Number(row?.['n'] ?? 0), Number(found[1]), mostly)
}

/** At most five: what broke it, or the keys that are repeated; undefined for rules that are not about rows. */
async function examplesOf(
  rule: Rule,
  input: Relation,
  engine: Engine,
  signal: AbortSignal | undefined,
): Promise<readonly string[] | undefined> {
  const relation =
    rule.rows !== undefined
      ? project(filter(input, rule.rows.broken), [{ name: 'example', expr: rule.rows.example }])
      : rule.keys && repeatedKeys(rule.keys, input)
  if (relation === undefined) return undefined
  const rows = await engine.rows(limit(relation, LOOKED_AT), signal)
  return [...new Set(rows.map(({ example }) => String(example)))].slice(0, EXAMPLES)
}
