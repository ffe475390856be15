/** What validation rules must be by themselves and to each other, as far as that can be told without the data. */
import { nearest } from '../core/errors.js'
import { comparisonId, RULE_NAMES, rulesInUse, TABLE_RULES } from '../core/validation-rules.js'
import type { PipelineConfig } from './config.js'
import type { CrossFault } from './cross-checks.js'

const ROOT = 'data.validation_rules'
type Rules = PipelineConfig['data']['validation_rules']

/** Faults of `data.validation_rules`, each with its place. */
export function* ruleChecks({ data: { validation_rules: rules } }: PipelineConfig): Iterable<CrossFault> {
  yield* severityChecks(rules)
  for (const [column, [low, high]] of Object.entries(rules.value_ranges))
    if (low > high)
      yield {
        ...at('value_ranges', column),
        message: `the range of ${JSON.stringify(column)} is [${low}, ${high}], the minimum must not be above the maximum`,
      }
  for (const [column, pattern] of Object.entries(rules.patterns)) {
    const refused = refusedConstruct(pattern)
    if (refused !== undefined)
      yield {
        ...at('patterns', column),
        message: `the pattern of ${JSON.stringify(column)} is ${JSON.stringify(pattern)}: ${refused}`,
        hint: 'patterns are of the kind of RE2: say what the value looks like, without looking around or back',
      }
  }
  const comparisons = rules.comparisons.map(comparisonId)
  for (const [i, comparison] of rules.comparisons.entries()) {
    if (comparisons.indexOf(comparisonId(comparison)) < i)
      yield {
        ...at('comparisons', i),
        message: `${ROOT}.comparisons names "${comparison.left} ${comparison.is} ${comparison.right}" twice`,
      }
    if (comparison.left === comparison.right)
      yield { ...at('comparisons', i), message: `${ROOT}.comparisons compares "${comparison.left}" with itself` }
  }
  for (const [i, key] of rules.unique_columns.entries()) {
    const twice = typeof key === 'string' ? undefined : key.find((name, j) => key.indexOf(name) < j)
    if (twice !== undefined)
      yield { ...at('unique_columns', i), message: `${ROOT}.unique_columns names "${twice}" twice in one key` }
  }
  if (rules.unique_order !== undefined && rules.unique_columns.length === 0)
    yield {
      ...at('unique_order'),
      message: `${ROOT}.unique_order says which of repeated rows stays, but unique_columns names none`,
    }
}

function* severityChecks(rules: Rules): Iterable<CrossFault> {
  const known = rulesInUse(rules)
  const names = new Set<string>([
    ...known.map(({ rule }) => rule),
    ...(rules.expectations.length > 0 ? ['expectations'] : []),
  ])
  const all = [...new Set([...names, ...known.map(({ id }) => id)])]
  for (const [key, severity] of Object.entries(rules.severity)) {
    const rule = RULE_NAMES.find((name) => name === key || key.startsWith(`${name}.`))
    // no word of a rule that is faulty itself
    const place = {
      ...at('severity', key),
      paths: [`${ROOT}.severity`, ...(rule === undefined ? [] : [`${ROOT}.${rule}`])],
    }
    const close = nearest(key, all) ?? all.find((id) => id.startsWith(key) && id !== key)
    if (!all.includes(key))
      yield {
        ...place,
        message:
          rule === key
            ? `${ROOT}.severity names ${key}, but the file has no such rule`
            : `${ROOT}.severity names ${JSON.stringify(key)}, which is no rule of the file${close === undefined ? '' : `: did you mean ${JSON.stringify(close)}?`}`,
        hint:
          all.length === 0
            ? 'the file has no rules'
            : `rules: ${all.slice(0, 12).join('; ')}${all.length > 12 ? '; …' : ''}`,
      }
    else if (severity === 'drop' && rule !== undefined && TABLE_RULES.has(rule))
      yield {
        ...place,
        message: `${ROOT}.severity says drop for ${key}, ${rule === 'expectations' ? 'but expectations never take rows out' : 'which is about the whole table: there is no row to take out'}`,
        hint: 'warn or fail',
      }
  }
}

/** What RE2 does not have, in words. */
function refusedConstruct(pattern: string): string | undefined {
  // escaped characters and classes stand for themselves
  const bare = pattern.replace(/\\[^1-9k]|\[(?:\\.|[^\]\\])*\]/gs, '_')
  if (/\(\?<?[=!]/.test(bare)) return 'look-ahead and look-behind are not supported'
  if (/\\[1-9]|\\k</.test(bare)) return 'back-references are not supported'
  return undefined
}

function at(...steps: readonly (string | number)[]): Pick<CrossFault, 'paths' | 'exact'> {
  return { paths: [`${ROOT}.${steps[0]}`], exact: [...ROOT.split('.'), ...steps] }
}
