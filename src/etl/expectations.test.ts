/** Suites against what the library itself says of the same table: test/golden/record/gx_expectations.py. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RuleResult } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { openDuckDb } from './duckdb/engine.js'
import type { Engine } from './engine.js'
import { parseSuite, type Suite, suitePatterns, suiteRules } from './expectations.js'
import { refusedPatterns } from './patterns.js'
import { scan, type Relation } from './relation.js'
import { compileRules } from './rules.js'
import { expandSource } from './source.js'

const GOLDEN = fileURLToPath(new URL('../../test/golden/gx/', import.meta.url))
const golden = (name: string): Promise<string> => readFile(join(GOLDEN, name), 'utf8')

let engine: Engine
let folder: string
let table: Relation

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-suites-'))
  engine = await openDuckDb({ threads: 2 })
  table = await read(join(GOLDEN, 'table.csv'))
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function read(path: string): Promise<Relation> {
  const { source, schema } = await engine.inferSchema(await expandSource(path))
  return scan(source, schema, { rowNumber: '__row' })
}

async function check(
  suites: readonly Suite[],
  input = table,
): Promise<{ readonly results: readonly RuleResult[]; readonly unchecked: readonly string[] }> {
  const schema = input.schema.filter(({ name }) => name !== '__row')
  const refused = await refusedPatterns(engine, input, suitePatterns(suites))
  const { rules, unchecked } = suiteRules(suites, schema, '__row', { refused })
  const compiled = compileRules({}, schema, input, '__row', () => 0, rules)
  return { results: await compiled.check(engine), unchecked }
}

/** A suite of these, as version 1 writes it. */
const suite = (...expectations: readonly (readonly [type: string, kwargs?: object])[]): Suite =>
  parseSuite(
    JSON.stringify({
      name: 's',
      expectations: expectations.map(([type, kwargs]) => ({ type: `expect_${type}`, kwargs })),
    }),
    's.json',
  )

/** As recorded. */
interface Verdict {
  readonly type: string
  readonly success: boolean
  readonly unexpected: number | null
  readonly observed: unknown
}

async function against(name: string, file: string) {
  const verdicts = (JSON.parse(await golden('verdicts.json')) as Readonly<Record<string, readonly Verdict[]>>)[name]
  const { results, unchecked } = await check([parseSuite(await golden(file), file)])
  expect(unchecked).toEqual([])
  expect(results.length).toBe(verdicts?.length)
  return results.map((ours, i) => ({
    ours,
    theirs: verdicts?.[i] ?? { type: '', success: false, unexpected: 0, observed: 0 },
  }))
}

describe('the library itself', () => {
  it.each([
    ['transactions', 'suite.json', 8, 2],
    ['wide', 'wide.json', 38, 16],
  ])('says the same of the same table: %s', async (name, file, counted, figures) => {
    const pairs = await against(name, file)
    expect(pairs.map(({ ours: { id, passed } }) => [id, passed])).toEqual(
      pairs.map(({ ours: { id }, theirs }) => [id, theirs.success]),
    )
    // of sets of distinct values it counts values, not rows
    const rows = pairs.filter(
      ({ theirs: { type, unexpected } }) => unexpected !== null && !/distinct_values/.test(type),
    )
    expect(rows.length).toBeGreaterThanOrEqual(counted)
    expect(rows.map(({ ours: { id, violations } }) => [id, violations])).toEqual(
      rows.map(({ ours: { id }, theirs }) => [id, theirs.unexpected]),
    )
    const measured = pairs.filter(({ ours, theirs }) => ours.value !== undefined && typeof theirs.observed === 'number')
    expect(measured.length).toBeGreaterThanOrEqual(figures)
    for (const { ours, theirs } of measured)
      expect(Number(ours.value) / Number(theirs.observed), ours.id).toBeCloseTo(1, 12)
  })

  it('takes a row that lacks one of several values for unexpected; here it is not judged', async () => {
    const pairs = await against('different', 'different.json')
    expect(pairs.map(({ ours: { violations }, theirs: { unexpected } }) => [violations, unexpected])).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
      [2, 3],
    ])
  })
})

describe('a suite', () => {
  it('of 0.18 is read as one of version 1; without severity what it asks for must hold', async () => {
    const now = JSON.parse(await golden('suite.json')) as { readonly expectations: readonly Record<string, unknown>[] }
    const old = JSON.stringify({
      expectation_suite_name: 'transactions',
      data_asset_type: null,
      expectations: now.expectations.map(({ type, kwargs }) => ({ expectation_type: type, kwargs, meta: {} })),
      meta: { great_expectations_version: '0.18.22' },
    })
    const [before, after] = [parseSuite(old, 'old.json'), parseSuite(JSON.stringify(now), 'suite.json')]
    expect(before.name).toBe('transactions')
    expect(before.expectations.map(({ type, kwargs }) => [type, kwargs])).toEqual(
      after.expectations.map(({ type, kwargs }) => [type, kwargs]),
    )
    expect(new Set(before.expectations.map(({ severity }) => severity))).toEqual(new Set(['critical']))
    const schema = table.schema.filter(({ name }) => name !== '__row')
    expect(
      suiteRules([after], schema, '__row')
        .rules.map(({ severity }) => severity)
        .slice(-2),
    ).toEqual(['fail', 'warn'])
    const eased = suiteRules([after], schema, '__row', { severity: 'warn' }).rules
    expect(eased.every(({ severity }) => severity === 'warn')).toBe(true)
  })

  it.each([
    ['nonsense', '{', /not JSON/],
    ['a list', '[]', /not an object/],
    ['a checkpoint', '{"name": "c", "validation_definitions": []}', /no list "expectations"/],
    ['an expectation that is none', '{"expectations": [3]}', /expectations\[0\] is not an object/],
    ['no type', '{"expectations": [{"kwargs": {}}]}', /expectations\[0\] has no "type"/],
    ['kwargs as a list', '{"expectations": [{"type": "expect_x", "kwargs": []}]}', /\(expect_x\): "kwargs"/],
    ['a severity', '{"expectations": [{"type": "expect_x", "severity": "fatal"}]}', /"severity" is "fatal"/],
  ])('that is none is refused: %s', (_, text, why) => {
    try {
      parseSuite(text, 'conf/s.json')
      expect.unreachable()
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      expect(error.code).toBe('MR_SUITE_INVALID')
      expect(error.message).toMatch(why)
      expect(error.message).toMatch(/^conf\/s\.json is no suite/)
    }
  })

  it('asks for what has no counterpart: named, with the reason, and the rest is checked', async () => {
    const { results, unchecked } = await check([
      suite(
        ['column_kl_divergence_to_be_less_than', { column: 'count' }],
        ['column_values_to_match_regex', { column: 'id', regex: '(?=a)b' }],
        ['column_values_to_match_regex', { column: 'id', regex: '(?i)^(jp|us|de|x)\\d+$' }],
        ['column_values_to_be_between', { column: 'count', min_value: { $PARAMETER: 'low' } }],
        ['column_values_to_be_between', { column: 'count' }],
        ['column_mean_to_be_between', { column: 'count', min_value: 'many' }],
        ['column_values_to_be_of_type', { column: 'count', type_: 'GEOGRAPHY' }],
        ['column_values_to_not_be_null', { column: 'id', row_condition: 'amount > fee and label' }],
        ['column_values_to_be_in_set', { column: 'id' }],
        ['column_values_to_be_unique', {}],
        ['column_values_to_not_be_null', { column: 'amount', mostly: 2 }],
      ),
    ])
    expect(results.map(({ id, passed }) => [id, passed])).toEqual([['expect_column_values_to_match_regex.id', true]])
    expect(unchecked).toEqual([
      's: expect_column_kl_divergence_to_be_less_than.count is not checked: there is no rule like it',
      expect.stringMatching(/match_regex\.id is not checked: the engine does not take the pattern \(\?=a\)b: .*\(\?=/),
      expect.stringMatching(/min_value is a parameter of the suite/),
      expect.stringMatching(/neither min_value nor max_value/),
      expect.stringMatching(/min_value is "many", not a number/),
      expect.stringMatching(/no type here is called GEOGRAPHY/),
      expect.stringMatching(/row_condition "amount > fee and label" is not read/),
      expect.stringMatching(/value_set is not a list/),
      expect.stringMatching(/does not name one column/),
      expect.stringMatching(/mostly is 2/),
    ])
  })

  it('fails only below its share, and takes nothing out', async () => {
    const [held, short] = (
      await check([
        suite(
          ['column_values_to_be_in_set', { column: 'country', value_set: ['JP', 'US', 'DE'], mostly: 0.99 }],
          ['column_values_to_be_in_set', { column: 'country', value_set: ['JP', 'US', 'DE'], mostly: 0.995 }],
        ),
      ])
    ).results
    expect(held).toMatchObject({
      ...{ passed: true, violations: 2, mostly: 0.99, observed: '99.16% of 239 rows hold', source: 's' },
      examples: ['XX', 'USA'],
    })
    expect(short).toMatchObject({ passed: false, violations: 2, id: expect.stringMatching(/\(2\)$/) as string })
  })

  it.each([
    [`col("country") == "JP"`, 'country == JP'],
    [`country == 'JP'`, 'country == JP'],
    ['count > 4', 'count > 4'],
    ['col("note").notNull()', 'note is not missing'],
    ['at >= "2024-03-01"', 'at >= 2024-03-01'],
  ])('is about some rows only: %s', async (row_condition, words) => {
    const { results } = await check([
      suite(['table_row_count_to_be_between', { min_value: 1000, row_condition, condition_parser: 'pandas' }]),
    ])
    const rows = (await golden('table.csv'))
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(','))
    const expected = rows.filter(([, , country = '', at = '', , , count, note]) =>
      words.startsWith('country')
        ? country === 'JP'
        : words.startsWith('count ')
          ? Number(count) > 4
          : words.startsWith('note')
            ? note !== ''
            : at >= '2024-03-01',
    ).length
    expect(results).toMatchObject([{ expectation: `1000 <= rows where ${words}`, observed: `there are ${expected}` }])
  })

  it('fails where a column is not there or of a type for which it means nothing, each under its own id', async () => {
    const { results, unchecked } = await check([
      suite(
        ['column_values_to_not_be_null', { column: 'nope' }],
        ['column_pair_values_to_be_equal', { column_A: 'a', column_B: 'nope' }],
        ['column_mean_to_be_between', { column: 'country', min_value: 0 }],
        ['column_value_lengths_to_equal', { column: 'amount', value: 2 }],
        ['column_pair_values_a_to_be_greater_than_b', { column_A: 'a', column_B: 'country' }],
      ),
    ])
    expect(unchecked).toEqual([])
    expect(results.map(({ passed, observed = '' }) => [passed, observed])).toEqual([
      [false, ''],
      [false, ''],
      [false, 'the column is text, which has no mean'],
      [false, 'the column is number, which has no length'],
      [false, 'a is integer and country is text'],
    ])
  })

  it('knows times, LIKE and columns with any name', async () => {
    const name = `it's "q".x; DROP TABLE t; -- 🚆`
    const file = join(folder, 'odd.csv')
    await writeFile(
      file,
      `"${name.replaceAll('"', '""')}",select,at\nabc,1,2024-01-01\na.c,2,2024-02-01\n,2,2024-03-01\n`,
    )
    const odd = await read(file)
    const { results, unchecked } = await check(
      [
        suite(
          ['column_values_to_match_like_pattern', { column: name, like_pattern: 'a._' }],
          ['column_values_to_not_match_like_pattern', { column: name, like_pattern: '%b%' }],
          ['column_values_to_be_unique', { column: 'select' }],
          ['compound_columns_to_be_unique', { column_list: [name, 'select'] }],
          ['column_values_to_be_between', { column: 'at', min_value: '2024-01-15', max_value: '2024-03-01T00:00:00' }],
          ['column_max_to_be_between', { column: 'at', max_value: '2024-02-15' }],
          ['column_values_to_match_regex', { column: name, regex: "'; DROP TABLE t; --" }],
          ['column_values_to_be_in_set', { column: name, value_set: Array.from({ length: 40 }, (_, i) => `v'${i}`) }],
        ),
      ],
      odd,
    )
    expect(unchecked).toEqual([])
    expect(results.map(({ violations, passed, examples }) => [violations, passed, examples])).toEqual([
      [1, false, ['abc']],
      [1, false, ['abc']],
      [2, false, ['2']],
      [0, true, []],
      [1, false, ['2024-01-01']],
      [0, false, []],
      [2, false, ['abc', 'a.c']],
      [2, false, ['abc', 'a.c']],
    ])
    expect(results[5]?.observed).toBe('it is 2024-03-01')
  })

  it('holds for a table without rows where the library says so', async () => {
    const file = join(folder, 'none.csv')
    await writeFile(file, 'a,b\n')
    const none = await read(file)
    const { results } = await check(
      [
        suite(
          ['column_values_to_not_be_null', { column: 'a', mostly: 0.5 }],
          ['column_values_to_be_unique', { column: 'a', mostly: 0.5 }],
          ['table_row_count_to_equal', { value: 0 }],
          ['column_unique_value_count_to_be_between', { column: 'a', max_value: 0 }],
        ),
      ],
      none,
    )
    expect(results.map(({ passed }) => passed)).toEqual([true, true, true, true])
  })
})
