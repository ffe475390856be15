import { describe, expect, it } from 'vitest'
import { MillraceError } from '../core/errors.js'
import { fromYaml } from './load.js'

const file = (rules: string): string => `pipeline_name: p
version: 1.0
data:
  source_path: t.csv
  output_path: out
  validation_rules:
${rules.replace(/^/gm, '    ')}
training: {model_type: neural_network}
`

/** `line:column message | hint` of every fault. */
function faults(rules: string): readonly string[] {
  try {
    fromYaml(file(rules), 'p.yaml')
    return []
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    return error.others.map(
      ({ at, message, hint }) => `${at?.line}:${at?.column} ${message}${hint ? ` | ${hint}` : ''}`,
    )
  }
}

describe('severity', () => {
  it('is given by rule and by one rule, also where a name holds dots or is a comparison', () => {
    expect(
      faults(`patterns: {email: '@', a.b: '^x'}
value_ranges: {'constructor': [0, 1]}
comparisons: [{left: start, is: <=, right: end}]
unique_columns: [id, [a, b]]
freshness: {at: 7d}
expectations: [suite.json]
severity:
  patterns: warn
  patterns.a.b: drop
  value_ranges.constructor: fail
  comparisons.start <= end: fail
  unique_columns.a, b: warn
  freshness: warn
  min_records: warn
  expectations: warn`),
    ).toEqual([])
  })

  it('names only what is in use, and suggests the nearest', () => {
    expect(
      faults(`patterns: {email: '@'}
severity:
  patern: warn
  patterns.mail: drop
  value_ranges: fail
  nonsense: warn
  types.x: warn`),
    ).toEqual([
      '9:15 data.validation_rules.severity names "patern", which is no rule of the file: did you mean "patterns"? | rules: patterns; min_records; patterns.email',
      '10:22 data.validation_rules.severity names "patterns.mail", which is no rule of the file: did you mean "patterns.email"? | rules: patterns; min_records; patterns.email',
      '11:21 data.validation_rules.severity names value_ranges, but the file has no such rule | rules: patterns; min_records; patterns.email',
      '12:17 data.validation_rules.severity names "nonsense", which is no rule of the file | rules: patterns; min_records; patterns.email',
      '13:16 data.validation_rules.severity names "types.x", which is no rule of the file | rules: patterns; min_records; patterns.email',
    ])
  })

  it('cannot be drop for what is about the whole table', () => {
    const found = faults(`required_columns: [a]
types: {a: number}
freshness: {at: 1d}
expectations: [s.json]
severity: {required_columns: drop, types.a: drop, freshness: drop, min_records: drop, expectations: drop}`)
    expect(found).toHaveLength(5)
    expect(found[0]).toBe(
      '11:34 data.validation_rules.severity says drop for required_columns, which is about the whole table: there is no row to take out | warn or fail',
    )
  })

  it('says nothing of a rule that is faulty itself', () => {
    const found = faults(`patterns: {email: '('}\nseverity: {patterns.email: warn}`)
    expect(found).toEqual([expect.stringContaining('it must be a regular expression')])
  })
})

describe('patterns', () => {
  it.each([['a(?=b)'], ['(?!a)b'], ['(?<=a)b'], ['(?<!a)b'], ['(a)\\1'], ['(?<n>a)\\k<n>']])('refuse %s', (pattern) => {
    expect(faults(`patterns: {"say \\"hi\\"": '${pattern}'}`)).toEqual([
      expect.stringMatching(/^7:30 the pattern of "say .*hi.*" is .*(look-ahead|back-references)/),
    ])
  })
  it.each([['(?i)^[a-z]+$'], ['\\(?=x'], ['[(?=]'], ['\\\\1'], ["'; DROP TABLE t"]])('take %s', (pattern) => {
    expect(faults(`patterns: {a: '${pattern.replaceAll("'", "''")}'}`)).toEqual([])
  })
})

it.each([
  ['a comparison twice', 'comparisons: [{left: a, is: <, right: b}, {left: a, is: <, right: b}]', /twice/],
  ['a column with itself', 'comparisons: [{left: a, is: <, right: a}]', /with itself/],
  ['a key with a column twice', 'unique_columns: [[a, a]]', /"a" twice in one key/],
  ['a key twice', 'unique_columns: [[a, b], [a, b]]', /twice/],
  ['an order of nothing', 'unique_order: {by: [at]}', /unique_columns names none/],
  ['a range upside down', 'value_ranges: {a.b: [2, 1]}', /minimum must not be above/],
])('%s is a fault with a place', (_, rules, message) => {
  const found = faults(rules)
  expect(found).toHaveLength(1)
  expect(found[0]).toMatch(message)
  expect(found[0]).toMatch(/^7:/)
})
