/**
 * Great Expectations suites, read as they are: the form of version 1 (`type`, `severity`) and that of 0.18
 * (`expectation_type`). What an expectation asks for is checked in the same pass as the file's own rules, on all rows;
 * it takes no row out. critical stops the run, warning and info are warnings.
 */
import type { Severity } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import type { Schema } from '../core/schema.js'
import { columnsAsked, type Asked, Mismatch, type Reading, Unchecked } from './expectation.js'
import { conditionOf } from './expectation-condition.js'
import { ROW_EXPECTATIONS } from './expectations-rows.js'
import { TABLE_EXPECTATIONS } from './expectations-table.js'
import { absentColumn, knownRule, type Rule } from './rule.js'

export interface Expectation {
  readonly type: string
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly severity: 'critical' | 'warning' | 'info'
}

export interface Suite {
  readonly name: string
  readonly expectations: readonly Expectation[]
}

const READINGS: ReadonlyMap<string, Reading> = new Map(
  Object.entries({ ...ROW_EXPECTATIONS, ...TABLE_EXPECTATIONS }).map(([name, reading]) => [`expect_${name}`, reading]),
)

/** A suite from its file's text. Throws MR_SUITE_INVALID saying what is wrong with `file`. */
export function parseSuite(text: string, file: string): Suite {
  const invalid = (why: string): MillraceError =>
    new MillraceError('MR_SUITE_INVALID', `${file} is no suite of Great Expectations: ${why}`, {
      hint: 'a suite is JSON with "expectations", a list of {"type": "expect_…", "kwargs": {…}}',
    })
  let json: unknown
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw invalid(`it is not JSON (${error instanceof Error ? error.message : String(error)})`)
  }
  if (!isObject(json)) throw invalid('it is not an object')
  const { expectations } = json
  if (!Array.isArray(expectations)) throw invalid('it has no list "expectations"')
  const name = [json['name'], json['expectation_suite_name']].find((given) => typeof given === 'string')
  return {
    name: name ?? file.replace(/^.*[\\/]/, ''),
    expectations: expectations.map((given: unknown, i): Expectation => {
      if (!isObject(given)) throw invalid(`expectations[${i}] is not an object`)
      const type = given['type'] ?? given['expectation_type']
      if (typeof type !== 'string' || type === '') throw invalid(`expectations[${i}] has no "type"`)
      const kwargs = given['kwargs'] ?? {}
      if (!isObject(kwargs)) throw invalid(`expectations[${i}] (${type}): "kwargs" is not an object`)
      const severity = given['severity'] ?? 'critical'
      if (severity !== 'critical' && severity !== 'warning' && severity !== 'info')
        throw invalid(
          `expectations[${i}] (${type}): "severity" is ${JSON.stringify(severity)}, not critical, warning or info`,
        )
      return { type, kwargs, severity }
    }),
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** All regular expressions of suites: an engine may refuse some. */
export function suitePatterns(suites: readonly Suite[]): readonly string[] {
  const strings = (value: unknown): string[] =>
    typeof value === 'string' ? [value] : Array.isArray(value) ? value.flatMap(strings) : []
  return suites.flatMap(({ expectations }) =>
    expectations.flatMap(({ kwargs }) => [...strings(kwargs['regex']), ...strings(kwargs['regex_list'])]),
  )
}

/**
 * Rules for what can be checked, and a sentence for each expectation that cannot.
 * @param row name of the column that numbers the rows
 * @param options.refused patterns that the engine does not take, with its reason
 * @param options.severity instead of what the suites say
 */
export function suiteRules(
  suites: readonly Suite[],
  schema: Schema,
  row: string,
  options: { readonly refused?: ReadonlyMap<string, string>; readonly severity?: Severity | undefined } = {},
): { readonly rules: readonly Rule[]; readonly unchecked: readonly string[] } {
  const rules: Rule[] = []
  const unchecked: string[] = []
  const taken = new Map<string, number>()
  for (const suite of suites)
    for (const { type, kwargs, severity } of suite.expectations) {
      // a list of the table's columns is what it asks for, not what it is about
      const columns = type.startsWith('expect_table_') ? [] : columnsAsked(kwargs)
      const wanted = [type, ...(columns.length === 0 ? [] : [columns.join(', ')])].join('.')
      const times = (taken.get(wanted) ?? 0) + 1
      const id = times === 1 ? wanted : `${wanted} (${times})`
      const head = {
        id,
        rule: 'expectations' as const,
        severity: options.severity ?? (severity === 'critical' ? ('fail' as const) : ('warn' as const)),
        source: suite.name,
        ...(columns.length === 1 ? { column: columns[0] ?? '' } : {}),
      }
      try {
        rules.push(read({ type, kwargs, schema, row, columns, head, refused: options.refused ?? new Map() }))
        taken.set(wanted, times)
      } catch (error) {
        if (!(error instanceof Unchecked)) throw error
        unchecked.push(`${suite.name}: ${wanted} is not checked: ${error.message}`)
      }
    }
  return { rules, unchecked }
}

function read(given: Omit<Asked, 'condition' | 'where'> & { readonly type: string }): Rule {
  const reading = READINGS.get(given.type)
  if (reading === undefined) throw new Unchecked('there is no rule like it')
  const { head, schema, columns, type } = given
  const absent = columns.find((column) => !schema.some(({ name }) => name === column))
  if (absent !== undefined && type !== 'expect_column_to_exist')
    return { ...absentColumn(head.id, head.rule, absent, head.severity), source: head.source ?? '' }
  try {
    const condition = conditionOf(given.kwargs['row_condition'], schema)
    return reading({ ...given, ...condition })
  } catch (error) {
    // as there: what cannot be computed on these values is not met
    if (!(error instanceof Mismatch)) throw error
    return knownRule({ ...head, expectation: error.expectation }, false, error.message)
  }
}
