import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RuleResult } from '../core/documents.js'
import type { Engine } from './engine.js'
import { openDuckDb } from './duckdb/engine.js'
import { profileTable } from './profile.js'
import { scan, type Relation } from './relation.js'
import { compileRules, type CompiledRules, type ValidationRules } from './rules.js'
import { expandSource } from './source.js'

const ROWS = `id,age,name,when
1,30,Ann,2024-01-01
2,-5,Bob,2024-01-02
3,,Cid,2024-01-03
2,40,Dan,2024-01-04
,50,,2024-01-05
,60,Eve,
1,200,Fay,2024-01-07
7,70,Ann,2024-01-08
1,20,Guy,2024-01-09
`
let engine: Engine
let folder: string
let table: Relation

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-rules-'))
  engine = await openDuckDb({ threads: 2 })
  table = await read('t.csv', ROWS)
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function read(name: string, content: string): Promise<Relation> {
  await writeFile(join(folder, name), content)
  const { source, schema } = await engine.inferSchema(await expandSource(join(folder, name)))
  return scan(source, schema, { rowNumber: '__row' })
}
const START = Date.parse('2024-01-10T00:00:00Z')
const compiled = (rules: ValidationRules, input = table, since = (_age: string) => START): CompiledRules =>
  compileRules(
    rules,
    input.schema.filter(({ name }) => name !== '__row'),
    input,
    '__row',
    since,
  )
const brief = (results: readonly RuleResult[]): unknown[] =>
  results.map(({ id, severity, passed, violations, examples }) => [id, severity, passed, violations, examples])
const rowsOf = async (relation: Relation): Promise<number[]> =>
  (await engine.rows(relation)).map((row) => Number(row['__row']))

describe('validation rules', () => {
  it('are all counted in one query, with examples of what broke them', async () => {
    const rules = compiled({
      required_columns: ['id', 'age'],
      non_null_columns: ['age', 'name'],
      on_null: 'drop',
      value_ranges: { age: [0, 120] },
      unique_columns: ['id'],
      min_records: 4,
    })
    expect(brief(await rules.check(engine))).toEqual([
      ['required_columns.id', 'fail', true, 0, []],
      ['required_columns.age', 'fail', true, 0, []],
      ['non_null_columns.age', 'drop', false, 1, ['row 3']],
      ['non_null_columns.name', 'drop', false, 1, ['row 5']],
      ['value_ranges.age', 'drop', false, 2, ['-5', '200']],
      // 2 comes twice, but its first row is out of range; missing keys repeat nothing
      ['unique_columns.id', 'drop', false, 1, ['1']],
      ['min_records', 'fail', true, 0, []],
    ])
    expect(await rowsOf(rules.kept)).toEqual([0, 3, 5, 7])
    const taken = await engine.rows(rules.quarantine)
    expect(taken.map((row) => [Number(row['__row']), row[rules.ruleColumn]])).toEqual([
      [1, 'value_ranges.age'],
      [2, 'non_null_columns.age'],
      [4, 'non_null_columns.name'],
      [6, 'value_ranges.age'],
      [8, 'unique_columns.id'],
    ])
    expect(rules.kept.schema).toEqual(table.schema)
  })

  it('give the same rows before and after the check', async () => {
    const all: ValidationRules = {
      non_null_columns: ['age'],
      on_null: 'drop',
      value_ranges: { age: [0, 300] },
      unique_columns: ['name'],
    }
    const [before, after] = [compiled(all), compiled(all)]
    await after.check(engine)
    expect(await rowsOf(before.kept)).toEqual(await rowsOf(after.kept))
    expect(await rowsOf(before.quarantine)).toEqual(await rowsOf(after.quarantine))
  })

  it('keep rows whose rule only warns or fails', async () => {
    for (const on_null of ['warn', 'fail'] as const) {
      const rules = compiled({ non_null_columns: ['age'], on_null })
      expect(brief(await rules.check(engine))).toEqual([['non_null_columns.age', on_null, false, 1, ['row 3']]])
      expect(await rowsOf(rules.kept)).toHaveLength(9)
      expect(await rowsOf(rules.quarantine)).toEqual([])
    }
  })

  it('count rows that repeat several keys once', async () => {
    const twice = await read('twice.csv', 'a,b\n1,x\n1,x\n2,y\n')
    const results = await compiled({ unique_columns: ['a', 'b'], min_records: 3 }, twice).check(engine)
    expect(brief(results)).toEqual([
      ['unique_columns.a', 'drop', false, 1, ['1']],
      ['unique_columns.b', 'drop', false, 1, ['x']],
      ['min_records', 'fail', false, 1, ['2 rows']],
    ])
  })

  it('name every column that is not there', async () => {
    const results = await compiled({ required_columns: ['x', 'id', 'y'], value_ranges: { z: [0, 1] } }).check(engine)
    expect(results.filter(({ passed }) => !passed).map(({ id, severity }) => [id, severity])).toEqual([
      ['required_columns.x', 'fail'],
      ['required_columns.y', 'fail'],
      ['value_ranges.z', 'fail'],
    ])
  })

  it('refuse a range of what is no number', () => {
    expect(() => compiled({ value_ranges: { name: [0, 1] } })).toThrow(/value_ranges\.name: the column is text/)
  })

  it('hold for an empty table and ask for nothing by themselves', async () => {
    const none = await read('none.csv', 'a,b\n')
    expect(await compiled({ unique_columns: ['a'], min_records: 1 }, none).check(engine)).toMatchObject([
      { id: 'unique_columns.a', passed: true },
      { id: 'min_records', passed: false, violations: 1 },
    ])
    const rules = compiled({})
    expect(await rules.check(engine)).toEqual([])
    expect(await rowsOf(rules.kept)).toHaveLength(9)
  })

  it('find a free name for the rule', async () => {
    const named = await read('named.csv', '__rule,b\nx,1\n')
    const rules = compiled({ value_ranges: { b: [2, 3] } }, named)
    expect(rules.ruleColumn).toBe('__rule_')
    expect(await engine.rows(rules.quarantine)).toMatchObject([{ __rule: 'x', __rule_: 'value_ranges.b' }])
  })
})

describe('a profile', () => {
  it('describes every column', async () => {
    const schema = table.schema.filter(({ name }) => name !== '__row')
    const [id, age, name, when] = await profileTable(engine, table, schema)
    expect(id).toMatchObject({ name: 'id', type: 'integer', missing: 2, distinct: 4, min: 1, max: 7 })
    expect(age).toMatchObject({ missing: 1, distinct: 8, min: -5, max: 200, mean: 58.125 })
    const bins = new Array<number>(27).fill(0)
    for (const value of [30, -5, 40, 50, 60, 200, 70, 20]) {
      const bin = Math.floor((value + 8) / 8)
      bins[bin] = (bins[bin] ?? 0) + 1
    }
    expect(age).toMatchObject({ histogram: bins, bins: { low: -8, width: 8 } })
    expect(name).toEqual({
      name: 'name',
      type: 'text',
      missing: 1,
      distinct: 7,
      top: ['Ann', 'Bob', 'Cid', 'Dan', 'Eve', 'Fay', 'Guy'].map((value) => ({
        value,
        count: value === 'Ann' ? 2 : 1,
      })),
    })
    expect(when).toMatchObject({ type: 'date', missing: 1, min: 1704067200000000, max: 1704758400000000 })
    expect(when?.histogram?.reduce((sum, n) => sum + n)).toBe(8)
  })
  it('of constant, missing and no values', async () => {
    const odd = await read('odd.csv', 'c,m\n5,\n5,\n')
    const profile = await profileTable(engine, odd, odd.schema.slice(0, 2))
    expect(profile).toEqual([
      {
        name: 'c',
        type: 'integer',
        missing: 0,
        distinct: 1,
        min: 5,
        max: 5,
        mean: 5,
        stddev: 0,
        histogram: [2],
        bins: { low: 5, width: 1 },
      },
      { name: 'm', type: 'text', missing: 2, distinct: 0, top: [] },
    ])
    const none = await read('none.csv', 'a,b\n')
    expect(await profileTable(engine, none, none.schema.slice(0, 1))).toEqual([
      { name: 'a', type: 'text', missing: 0, distinct: 0, top: [] },
    ])
  })
})
