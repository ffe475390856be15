/** Each kind of rule on small tables: what breaks it, what is shown, what is taken out, what is refused. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MillraceError } from '../core/errors.js'
import { openMemo } from '../core/memo.js'
import type { Field } from '../core/schema.js'
import { openDuckDb } from './duckdb/engine.js'
import type { Engine } from './engine.js'
import { refusedPatterns, requirePatterns } from './patterns.js'
import { scan, select, type Relation } from './relation.js'
import { share } from './rule.js'
import { compileRules, type CompiledRules, type ValidationRules } from './rules.js'
import { expandSource } from './source.js'

let engine: Engine
let folder: string
let files = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-file-rules-'))
  engine = await openDuckDb({ threads: 2 })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function read(content: string, types: ReadonlyMap<string, Field['type']> = new Map()): Promise<Relation> {
  const path = join(folder, `${files++}.csv`)
  await writeFile(path, content)
  const { source, schema } = await engine.inferSchema({ ...(await expandSource(path)), csv: { header: true } })
  return scan(
    source,
    schema.map((field) => ({ ...field, type: types.get(field.name) ?? field.type })),
    { rowNumber: '__row' },
  )
}

const NOW = Date.parse('2024-01-10T00:00:00Z')
const HOURS: Readonly<Record<string, number>> = { '1h': 1, '1d': 24, '7d': 168 }
function compiled(rules: ValidationRules, input: Relation, now = NOW): CompiledRules {
  const schema = input.schema.filter(({ name }) => name !== '__row')
  return compileRules(rules, schema, input, '__row', (age) => now - (HOURS[age] ?? NaN) * 3_600_000)
}
/** id: [severity, passed, violations, examples or what was observed] of each result. */
async function found(rules: ValidationRules, input: Relation): Promise<Readonly<Record<string, unknown>>> {
  const results = await compiled(rules, input).check(engine)
  return Object.fromEntries(
    results.map(({ id, severity, passed, violations, examples, observed }) => [
      id,
      [severity, passed, violations, ...(observed === undefined ? examples : [observed])],
    ]),
  )
}
async function rowsOf(relation: Relation, column?: string): Promise<readonly unknown[]> {
  const rows = await engine.rows(relation)
  return rows.map((row) => (column === undefined ? Number(row['__row']) : [Number(row['__row']), row[column]]))
}

describe('types', () => {
  it('an integer is a number and a date is a timestamp, not the other way', async () => {
    const table = await read('i,n,d,t,s,b\n1,1.5,2024-01-01,2024-01-01 10:00:00,x,true\n')
    expect(
      await found({ types: { i: 'number', n: 'integer', d: 'timestamp', t: 'date', s: 'text', b: 'boolean' } }, table),
    ).toEqual({
      'types.i': ['fail', true, 0, 'it is integer'],
      'types.n': ['fail', false, 0, 'it is number'],
      'types.d': ['fail', true, 0, 'it is date'],
      'types.t': ['fail', false, 0, 'it is timestamp'],
      'types.s': ['fail', true, 0, 'it is text'],
      'types.b': ['fail', true, 0, 'it is boolean'],
    })
  })
})

describe('allowed values', () => {
  it('are compared as what the column is', async () => {
    const table = await read(
      's,i,n,b,d\n1,1,1.5,true,2024-01-01\nx,2,2.5,false,2024-01-02\n,,,,\ny,3,1.50,true,2024-01-01\n',
    )
    expect(
      await found(
        {
          allowed_values: { s: [1, 'x'], i: [1, '3', 2.5], n: [1.5], b: [true], d: ['2024-01-01', '2024-05-05 10:00'] },
        },
        table,
      ),
    ).toEqual({
      'allowed_values.s': ['drop', false, 1, 'y'],
      'allowed_values.i': ['drop', false, 1, '2'],
      'allowed_values.n': ['drop', false, 1, '2.5'],
      'allowed_values.b': ['drop', false, 1, 'false'],
      'allowed_values.d': ['drop', false, 1, '2024-01-02'],
    })
  })

  it('of times are compared to the microsecond, and a day that is none is a fault', async () => {
    const table = await read('t\n2024-01-01 00:00:00.000500\n2024-01-01 00:00:00.000501\n')
    expect(await found({ allowed_values: { t: ['2024-01-01 00:00:00.000500'] } }, table)).toMatchObject({
      'allowed_values.t': ['drop', false, 1, '2024-01-01 00:00:00.000501'],
    })
    expect(() => compiled({ allowed_values: { t: ['2024-02-30'] } }, table)).toThrow(
      'allowed_values.t: the column is timestamp, and "2024-02-30" is no value of that type',
    )
  })

  it('may be many, in an ordered write too', async () => {
    const table = await read(`s,i\n${Array.from({ length: 500 }, (_, i) => `v${i},${i}`).join('\n')}\n`)
    const all = Array.from({ length: 400 }, (_, i) => i)
    const rules = compiled({ allowed_values: { s: all.map((i) => `v${i}`), i: all } }, table)
    expect(await rules.check(engine)).toMatchObject([{ violations: 100 }, { violations: 100 }])
    const { sql } = engine.dialect.compile(rules.kept)
    expect(sql).not.toMatch(/\bIN \(/)
    expect(await rowsOf(rules.kept)).toEqual(all)
  })

  it('beyond any number are no fault, what is no value of the type is', async () => {
    const table = await read('i,b,t\n1,true,2024-01-01\n')
    expect(await found({ allowed_values: { i: [1, 1e300, -1e25] } }, table)).toMatchObject({
      'allowed_values.i': ['drop', true, 0],
    })
    const fault = (rules: ValidationRules) => {
      try {
        compiled(rules, table)
        return undefined
      } catch (error) {
        return error instanceof MillraceError
          ? [error.code, error.message, ...error.others.map((o) => o.message)]
          : error
      }
    }
    expect(fault({ allowed_values: { i: ['one'] } })).toEqual([
      'MR_PLAN_TYPE',
      'allowed_values.i: the column is integer, and "one" is no value of that type',
    ])
    expect(
      fault({
        allowed_values: { b: [2], t: ['soon'] },
        patterns: { i: '1' },
        freshness: { i: '1d' },
        comparisons: [
          { left: 'i', is: '<', right: 't' },
          { left: 'b', is: '<', right: 'b' },
        ],
      }),
    ).toEqual([
      'MR_PLAN_TYPE',
      '6 rules do not go with the types of their columns',
      'freshness.i: the column is integer, freshness needs times',
      'allowed_values.b: the column is boolean, and 2 is no value of that type',
      'allowed_values.t: the column is date, and "soon" is no value of that type',
      'patterns.i: the column is integer, a pattern needs text',
      'comparisons.i < t: integer cannot be compared with date by <',
      'comparisons.b < b: boolean cannot be compared with boolean by <',
    ])
  })
})

describe('patterns', () => {
  it('are found anywhere, by the rules of RE2, and a missing value breaks none', async () => {
    const table = await read(`e,q\na@b.de,x'; DROP TABLE t\nab,y\n,z\nA@B,"two\nlines"\n`)
    expect(await found({ patterns: { e: '(?i)^[a-z]+@', q: "'; DROP|^two\\slines$" } }, table)).toEqual({
      'patterns.e': ['drop', false, 1, 'ab'],
      'patterns.q': ['drop', false, 2, 'y', 'z'],
    })
  })

  it('that the engine refuses are named with their columns', async () => {
    const table = await read('a,b\nx,y\n')
    const patterns = { a: 'x{1001}', b: '^y$', c: '(?<n>a)' }
    const refused = await refusedPatterns(engine, table, Object.values(patterns))
    expect([...refused.keys()]).toEqual(['x{1001}', '(?<n>a)'])
    expect(() => requirePatterns(patterns, refused)).toThrow(/"a" is "x\{1001\}": .*; the pattern of "c" is/)
    expect((await refusedPatterns(engine, await read('a,b\n'), ['(?=x)'])).size).toBe(1)
  })
})

describe('comparisons', () => {
  it('judge rows that have both values', async () => {
    const table = await read(
      'a,b,s,e,x,y\n1,1.5,2024-01-01,2024-01-01 00:00:00,b,a\n2,1.5,2024-02-01,2024-01-01 00:00:00,a,b\n,0,,2024-01-01 00:00:00,a,a\n-3,,2024-01-01,,,\n',
    )
    expect(
      await found(
        {
          comparisons: [
            { left: 'a', is: '<=', right: 'b' },
            { left: 's', is: '<=', right: 'e' },
            { left: 'x', is: '<', right: 'y' },
            { left: 'x', is: '!=', right: 'y' },
            { left: 'a', is: '>=', right: 0 },
            { left: 'a', is: '=', right: 2 },
          ],
        },
        table,
      ),
    ).toEqual({
      'comparisons.a <= b': ['drop', false, 1, '(2, 1.5)'],
      'comparisons.s <= e': ['drop', false, 1, '(2024-02-01, 2024-01-01 00:00:00)'],
      'comparisons.x < y': ['drop', false, 2, '(b, a)', '(a, a)'],
      'comparisons.x != y': ['drop', false, 1, '(a, a)'],
      'comparisons.a >= 0': ['drop', false, 1, '-3'],
      'comparisons.a = 2': ['drop', false, 2, '1', '-3'],
    })
  })
})

describe('freshness', () => {
  it('goes by the newest value and the beginning of the run', async () => {
    const table = await read('t,d,n\n2024-01-09 23:30:00,2024-01-01,\n2023-01-01 00:00:00,2024-01-02,\n')
    const results = async (now: number) =>
      (await compiled({ freshness: { t: '1h', d: '7d' } }, table, now).check(engine)).map(
        ({ passed, observed, value }) => [passed, observed, value],
      )
    const newest = ['the newest is 2024-01-09 23:30:00 UTC', 1704843000000000]
    expect(await results(NOW)).toEqual([
      [true, ...newest],
      [false, 'the newest is 2024-01-02', 1704153600000000],
    ])
    expect((await results(NOW + 1_800_000))[0]).toEqual([true, ...newest])
    expect((await results(NOW + 1_800_001))[0]).toEqual([false, ...newest])
    const none = await read('t\n', new Map([['t', 'timestamp']]))
    expect(await found({ freshness: { t: '1h' } }, none)).toEqual({
      'freshness.t': ['fail', false, 0, 'it has no value'],
    })
  })
})

describe('keys', () => {
  const ROWS =
    'a,b,at,n\n1,x,2024-01-01,0\n1,x,2024-01-03,1\n1,y,2024-01-01,2\n1,x,,3\n,x,2024-01-01,4\n,x,2024-01-01,5\n1,x,2024-01-03,6\n'

  it('of several columns are compared as a whole, and one that is not whole repeats nothing', async () => {
    const table = await read(ROWS)
    expect(await found({ unique_columns: [['a', 'b']] }, table)).toEqual({
      'unique_columns.a, b': ['drop', false, 3, '(1, x)'],
    })
  })

  it.each([
    [undefined, [0, 2, 4, 5]],
    [{ by: ['at'], keep: 'first' }, [0, 2, 4, 5]],
    // ties by place: of rows 1 and 6, the first or the last
    [{ by: ['at'], keep: 'last' }, [2, 4, 5, 6]],
    [{ by: [], keep: 'last' }, [2, 4, 5, 6]],
    [{ by: ['n'], keep: 'last' }, [2, 4, 5, 6]],
    [{ by: ['at', 'n'], keep: 'last' }, [2, 4, 5, 6]],
  ] as const)('keep what the order %j says', async (unique_order, kept) => {
    const table = await read(ROWS)
    const rules = compiled({ unique_columns: [['a', 'b']], ...(unique_order ? { unique_order } : {}) }, table)
    await rules.check(engine)
    expect(await rowsOf(rules.kept)).toEqual(kept)
  })

  it('keep a row with an order over one without, at either end', async () => {
    const table = await read('k,at\n1,\n1,2024-01-02\n1,2024-01-01\n')
    for (const [keep, row] of [
      ['first', 2],
      ['last', 1],
    ] as const) {
      const rules = compiled({ unique_columns: ['k'], unique_order: { by: ['at'], keep } }, table)
      await rules.check(engine)
      expect(await rowsOf(rules.kept)).toEqual([row])
    }
  })
})

describe('severity', () => {
  const ROWS = 'a,e,k\n5,x@y,1\n50,bad,1\n500,bad,2\n'

  it('of a rule, of one rule of a column; what only warns takes nothing out', async () => {
    const table = await read(ROWS)
    const rules = compiled(
      {
        value_ranges: { a: [0, 10] },
        patterns: { e: '@' },
        unique_columns: ['k'],
        min_records: 9,
        severity: {
          value_ranges: 'warn',
          patterns: 'warn',
          'patterns.e': 'drop',
          unique_columns: 'warn',
          min_records: 'warn',
        },
      },
      table,
    )
    const results = await rules.check(engine)
    expect(results.map(({ id, severity, violations }) => [id, severity, violations])).toEqual([
      ['value_ranges.a', 'warn', 2],
      ['patterns.e', 'drop', 2],
      // row 1 is out already
      ['unique_columns.k', 'warn', 0],
      ['min_records', 'warn', 8],
    ])
    expect(await rowsOf(rules.kept)).toEqual([0])
    expect(await rowsOf(rules.quarantine, rules.ruleColumn)).toEqual([
      [1, 'patterns.e'],
      [2, 'patterns.e'],
    ])
  })

  it('of repeated rows that only warn: they stay, and are no rows less', async () => {
    const table = await read(ROWS)
    const rules = compiled({ unique_columns: ['k'], min_records: 3, severity: { unique_columns: 'warn' } }, table)
    expect((await rules.check(engine)).map(({ passed }) => passed)).toEqual([false, true])
    expect(await rowsOf(rules.kept)).toEqual([0, 1, 2])
  })
})

it('the first rule that a row breaks is the one it is quarantined under', async () => {
  const table = await read('a,e,c,k\n,bad,9,1\n99,bad,9,1\n1,bad,9,1\n1,x@,9,1\n1,x@,1,1\n1,x@,1,1\n')
  const rules = compiled(
    {
      non_null_columns: ['a'],
      on_null: 'drop',
      value_ranges: { a: [0, 10] },
      allowed_values: { e: ['x@'] },
      patterns: { e: '@' },
      comparisons: [{ left: 'c', is: '<=', right: 'a' }],
      unique_columns: ['k'],
    },
    table,
  )
  await rules.check(engine)
  expect(await rowsOf(rules.quarantine, rules.ruleColumn)).toEqual([
    [0, 'non_null_columns.a'],
    [1, 'value_ranges.a'],
    [2, 'allowed_values.e'],
    [3, 'comparisons.c <= a'],
    [5, 'unique_columns.k'],
  ])
})

describe('columns', () => {
  const NAMES = [
    `it's "q".x`,
    'select',
    'a.b',
    '🚆',
    'constructor',
    "'; DROP TABLE t; --",
    '1',
    '__rule',
    'rows',
    '0.0',
  ]

  it.each(NAMES)('may be called %s in every rule', async (name) => {
    const quoted = `"${name.replaceAll('"', '""')}"`
    const table = await read(`${quoted},n,t\nu,1,2024-01-01\nv,2,2024-01-02\nv,2,2024-01-02\n`)
    const results = await found(
      {
        required_columns: [name],
        types: { [name]: 'text' },
        non_null_columns: [name],
        allowed_values: { [name]: ['u', 'v'] },
        patterns: { [name]: '^[uv]$' },
        comparisons: [{ left: name, is: '=', right: name }],
        unique_columns: [name, [name, 'n']],
        unique_order: { by: [name], keep: 'last' },
      },
      table,
    )
    expect(Object.entries(results).filter(([, result]) => (result as unknown[])[1] === false)).toEqual([
      [`unique_columns.${name}`, ['drop', false, 1, 'v']],
      [`unique_columns.${name}, n`, ['drop', false, 1, '(v, 2)']],
    ])
    const numbers = await read(`${quoted}\n1\n2\n`)
    expect(await found({ value_ranges: { [name]: [0, 1] } }, numbers)).toEqual({
      [`value_ranges.${name}`]: ['drop', false, 1, '2'],
    })
    const times = await read(`${quoted}\n2024-01-10\n`)
    expect(await found({ freshness: { [name]: '1d' } }, times)).toEqual({
      [`freshness.${name}`]: ['fail', true, 0, 'the newest is 2024-01-10'],
    })
  })

  it('that are not there fail, each under the id of its rule, whatever the severity', async () => {
    const table = await read('a\n1\n')
    const results = await found(
      {
        required_columns: ['x'],
        types: { x: 'text' },
        freshness: { x: '1d' },
        non_null_columns: ['x'],
        value_ranges: { x: [0, 1] },
        allowed_values: { x: [1] },
        patterns: { x: '.' },
        comparisons: [{ left: 'a', is: '<', right: 'x' }],
        unique_columns: [['a', 'x']],
        unique_order: { by: ['y'], keep: 'first' },
        severity: { patterns: 'warn' },
      },
      table,
    )
    expect(Object.entries(results).map(([id, result]) => [id, (result as unknown[]).slice(0, 2)])).toEqual(
      [
        'required_columns.x',
        'types.x',
        'freshness.x',
        'non_null_columns.x',
        'value_ranges.x',
        'allowed_values.x',
        'patterns.x',
        'comparisons.a < x',
        'unique_order.y',
        'unique_columns.a, x',
      ].map((id) => [id, ['fail', false]]),
    )
  })
})

it('a table of several files gives what the same rows in one give; files that were there before are not counted again', async () => {
  const lines = Array.from({ length: 41 }, (_, i) => {
    const email = i % 3 === 0 ? 'x' : 'a@b'
    return `${i % 7},${i},${email},2024-01-0${1 + (i % 9)}`
  })
  const csv = (from: number, to: number): string => `k,a,e,t\n${lines.slice(from, to).join('\n')}\n`
  const rules: ValidationRules = {
    value_ranges: { a: [3, 30] },
    patterns: { e: '@' },
    freshness: { t: '1d' },
    unique_columns: ['k'],
    required_columns: ['k'],
    severity: { value_ranges: 'warn', patterns: 'warn' },
  }
  const whole = await read(csv(0, 41))
  const schema = whole.schema.filter(({ name }) => name !== '__row')
  const ends = [0, 20, 30, 41]
  const paths: string[] = []
  for (const [i, end] of ends.slice(1).entries()) {
    const part = select(
      await read(csv(ends[i] ?? 0, end)),
      schema.map(({ name }) => name),
    )
    const parquet = join(folder, `parts-${i}`)
    const { files: written } = await engine.write(part, { folder: parquet, format: 'parquet' })
    paths.push(...written.map(({ path }) => join(parquet, path)))
  }
  expect(paths).toHaveLength(3)
  const memo = await openMemo(join(folder, 'memo'), { scope: 1 })
  const parts = (count: number): Relation => {
    const some = paths.slice(0, count)
    const digests = Object.fromEntries(some.map((path) => [path, path]))
    const source = { format: 'parquet', paths: some, digests } as const
    return scan(source, schema, { rowNumber: '__row', rowsBefore: ends.slice(0, count) })
  }
  const check = (table: Relation) => memo.noted(() => compiled(rules, table).check(engine, undefined, memo))
  await check(parts(2))
  const { value, notes } = await check(parts(3))
  expect(notes).toContain('counts: 1 of 3 files read, 2 taken from earlier runs')
  expect(value).toEqual(await compiled(rules, whole).check(engine))
  expect(value.map(({ id, violations }) => [id, violations])).toEqual([
    ['required_columns.k', 0],
    ['freshness.t', 0],
    ['value_ranges.a', 13],
    ['patterns.e', 14],
    ['unique_columns.k', 34],
  ])
})

it('a share of rows is told in percent, rounded down, exactly', () => {
  const told = (violations: number, of: number) => share(violations, of, 0.5).observed
  expect(told(43, 100)).toBe('57% of 100 rows hold')
  expect(told(71, 100)).toBe('29% of 100 rows hold')
  expect(told(1, 3)).toBe('66.66% of 3 rows hold')
  expect(told(1, 1_000_000)).toBe('99.99% of 1000000 rows hold')
  for (let held = 0; held < 10_000; held++)
    expect(told(10_000 - held, 10_000)).toBe(`${Number((held / 100).toFixed(2))}% of 10000 rows hold`)
})
