/**
 * Validation rules as `data.validation_rules` of a pipeline file has them, and their names. Here because the file's
 * checks and the engine's room both name rules, and may not know each other.
 */
import type { RuleName, Severity } from './documents.js'
import type { ColumnType } from './schema.js'

/** What is left out asks for nothing. */
export interface ValidationRules {
  readonly required_columns?: readonly string[]
  readonly non_null_columns?: readonly string[]
  /** What happens to rows with a missing value in `non_null_columns`; default `warn`. */
  readonly on_null?: Severity
  /** Lowest and highest value allowed. */
  readonly value_ranges?: Readonly<Record<string, readonly [number, number]>>
  readonly allowed_values?: Readonly<Record<string, readonly (string | number | boolean)[]>>
  /** Regular expressions, found anywhere in the value. */
  readonly patterns?: Readonly<Record<string, string>>
  readonly comparisons?: readonly Comparison[]
  /** A column, or columns that are unique together. */
  readonly unique_columns?: readonly (string | readonly string[])[]
  /** Which of repeated rows stays; absent: the first in the source. */
  readonly unique_order?: { readonly by: readonly string[]; readonly keep: 'first' | 'last' }
  readonly types?: Readonly<Record<string, ColumnType>>
  /** The longest that the newest value may lie back, such as `7d`, by time column. */
  readonly freshness?: Readonly<Record<string, string>>
  /** Rows that must be left. */
  readonly min_records?: number
  /** By rule (`patterns`) or by one rule (`patterns.email`); the more exact wins. */
  readonly severity?: Readonly<Record<string, Severity>>
}

export interface Comparison {
  readonly left: string
  readonly is: '<' | '<=' | '=' | '!=' | '>=' | '>'
  /** A column, or a number. */
  readonly right: string | number
}

/** Rules about the table as a whole: no row breaks them, so none can be dropped. */
export const TABLE_RULES: ReadonlySet<RuleName> = new Set([
  'required_columns',
  'types',
  'freshness',
  'min_records',
  'expectations',
])

/** What happens where a rule is broken and the file does not say. */
const USUAL: Readonly<Record<RuleName, Severity>> = {
  required_columns: 'fail',
  non_null_columns: 'warn',
  value_ranges: 'drop',
  allowed_values: 'drop',
  patterns: 'drop',
  comparisons: 'drop',
  unique_columns: 'drop',
  types: 'fail',
  freshness: 'fail',
  min_records: 'fail',
  expectations: 'fail',
}

export const RULE_NAMES = Object.keys(USUAL) as readonly RuleName[]

export const keyId = (key: string | readonly string[]): string => `unique_columns.${[key].flat().join(', ')}`
export const comparisonId = ({ left, is, right }: Comparison): string => `comparisons.${left} ${is} ${right}`

/** The id of each rule that is asked for, in the order of the report, with its kind. */
export function rulesInUse(rules: ValidationRules): readonly { readonly id: string; readonly rule: RuleName }[] {
  const of = (rule: RuleName, names: readonly string[]) => names.map((name) => ({ id: `${rule}.${name}`, rule }))
  return [
    ...of('required_columns', rules.required_columns ?? []),
    ...of('types', Object.keys(rules.types ?? {})),
    ...of('freshness', Object.keys(rules.freshness ?? {})),
    ...of('non_null_columns', rules.non_null_columns ?? []),
    ...of('value_ranges', Object.keys(rules.value_ranges ?? {})),
    ...of('allowed_values', Object.keys(rules.allowed_values ?? {})),
    ...of('patterns', Object.keys(rules.patterns ?? {})),
    ...(rules.comparisons ?? []).map((comparison) => ({ id: comparisonId(comparison), rule: 'comparisons' as const })),
    ...(rules.unique_columns ?? []).map((key) => ({ id: keyId(key), rule: 'unique_columns' as const })),
    ...((rules.min_records ?? 0) > 0 ? [{ id: 'min_records', rule: 'min_records' as const }] : []),
  ]
}

/** What happens where the rule is broken. */
export function severityOf(id: string, rule: RuleName, rules: ValidationRules): Severity {
  const given = new Map(Object.entries(rules.severity ?? {}))
  const usual = rule === 'non_null_columns' ? (rules.on_null ?? USUAL[rule]) : USUAL[rule]
  return given.get(id) ?? given.get(rule) ?? usual
}
