/** Rows that break a rule are left out of a table's own files: the same rows as if the others had been written. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ArtifactStore } from '../core/artifacts.js'
import { openArtifactStore } from '../core/artifact-store.js'
import type { TableDocument } from '../core/documents.js'
import { openMemo } from '../core/memo.js'
import { Rng } from '../core/rng.js'
import type { ValidationRules } from '../core/validation-rules.js'
import { openDuckDb } from '../etl/duckdb/engine.js'
import type { Engine } from '../etl/engine.js'
import { call, col, num } from '../etl/expr.js'
import { filter, scan, select, withColumns } from '../etl/relation.js'
import { compileRules } from '../etl/rules.js'
import { canLeaveOut, leaveOut } from './deleted-rows.js'
import { PARQUET_TYPE, putJson, TABLE_TYPE } from './run-resources.js'
import { isTableThere, ROW, tableRelation, writeTable } from './tables.js'

let folder: string
let store: ArtifactStore
let engine: Engine
let table: TableDocument

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-deleted-'))
  store = await openArtifactStore(join(folder, 'store'))
  const memo = await openMemo(join(folder, 'memo'), { scope: 1 })
  engine = await openDuckDb({ tempFolder: folder, threads: 2, memo })
  // the third is the first again; rows are no whole bytes, nor are the second's
  const files = [...(await filesOf(1, 301)), ...(await filesOf(2, 9_001)), ...(await filesOf(1, 301))]
  const schema = (await inferred('1.csv')).schema
  table = { schema, rows: files.reduce((sum, { rows }) => sum + rows, 0), files }
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const inferred = (name: string) =>
  engine.inferSchema({ format: 'csv', paths: [join(folder, name)], csv: { header: true } })

async function filesOf(seed: number, rows: number): Promise<TableDocument['files']> {
  const rng = new Rng(seed)
  const lines = Array.from({ length: rows }, (_, i) => {
    const x = rng.below(25) === 0 ? '' : rng.normal().toFixed(6)
    return `${seed * 1e6 + (rng.below(30) === 0 ? 0 : i)},${x},${'abc'[rng.below(3)]}${rng.below(40) === 0 ? '!' : ''}`
  })
  await writeFile(join(folder, `${seed}.csv`), `k,x,t\n${lines.join('\n')}\n`)
  const { source, schema } = await inferred(`${seed}.csv`)
  return (await writeTable(engine, store, scan(source, schema))).files
}

const RULES: Readonly<Record<string, ValidationRules>> = {
  'values of a row': {
    value_ranges: { x: [-2, 2.5] },
    non_null_columns: ['x'],
    severity: { non_null_columns: 'drop' },
  },
  'a pattern': { patterns: { t: '^[a-z]$' } },
  'repeated keys': { unique_columns: ['k'], unique_order: { by: ['x'], keep: 'last' }, value_ranges: { x: [-2, 9] } },
  'one row of all': { value_ranges: { k: [1_000_000, 2_008_999] } },
}

async function bothWays(rules: ValidationRules) {
  const relation = await tableRelation(store, table)
  const compiled = compileRules(rules, table.schema, relation, ROW, () => 0)
  await compiled.check(engine)
  const removed = await writeTable(engine, store, compiled.quarantine, { plain: true })
  const written = await writeTable(engine, store, compiled.kept, { plain: true })
  return { removed, written, kept: await leaveOut(engine, store, table, removed) }
}

describe.each(Object.entries(RULES))('%s', (_, rules) => {
  test('rows, their numbers, statistics and tables made of them are those of a table written anew', async () => {
    const { removed, written, kept } = await bothWays(rules)
    expect(removed.rows).toBeGreaterThan(0)
    expect(canLeaveOut(table, removed.rows)).toBe(true)
    expect(kept.rows).toBe(written.rows)
    expect(kept.files.map(({ ref, rows }) => ({ ref, rows }))).toEqual(table.files)
    const [left, anew] = [await tableRelation(store, kept), await tableRelation(store, written)]
    const names = [...table.schema.map(({ name }) => name), ROW]
    const rows = await engine.rows(select(left, names))
    expect(rows).toHaveLength(written.rows)
    expect(rows).toEqual(await engine.rows(select(anew, names)))
    const asked = [
      { name: 'x', expr: col('x'), mean: true, stddev: true, range: true, quantiles: [0.1, 0.5] },
      { name: 't', expr: col('t'), values: 20, distinct: true },
    ]
    const some = (table: typeof left) => filter(table, call('lt', col('x'), num(1)))
    for (const of of [some, (all: typeof left) => all]) {
      const found = await engine.statistics(of(left), asked)
      const wanted = await engine.statistics(of(anew), asked)
      expect(found.get('t')).toEqual(wanted.get('t'))
      // sums are combined by file: the same but for the last bits
      const { mean = NaN, stddev = NaN, ...exact } = wanted.get('x') ?? { rows: NaN, missing: NaN }
      expect(found.get('x')).toMatchObject(exact)
      expect(found.get('x')?.mean).toBeCloseTo(mean, 12)
      expect(found.get('x')?.stddev).toBeCloseTo(stddev, 12)
    }
    const doubled = (of: typeof left) => withColumns(of, [{ name: 'y', expr: call('mul', col('x'), num(2)) }])
    const further = async (of: typeof left) => tableRelation(store, await writeTable(engine, store, doubled(of)))
    expect(await engine.rows(select(await further(left), [...names, 'y']))).toEqual(
      await engine.rows(select(await further(anew), [...names, 'y'])),
    )
  })
})

test('what is remembered of a file is not taken for the same file with other rows left out', async () => {
  const memo = await openMemo(join(folder, 'other-memo'), { scope: 1 })
  const { kept, written } = await bothWays({ patterns: { t: '^[a-z]$' } })
  const sum = async (of: TableDocument) => {
    const relation = select(await tableRelation(store, of), ['t'])
    return (await memo.noted(() => writeTable(engine, store, relation, { memo, what: 'copy' }))).value.rows
  }
  expect([await sum(table), await sum(kept), await sum(table)]).toEqual([table.rows, written.rows, table.rows])
  const { value, notes } = await memo.noted(async () =>
    writeTable(engine, store, select(await tableRelation(store, kept), ['t']), { memo, what: 'copy' }),
  )
  expect([value.rows, notes]).toEqual([written.rows, ['copy: 0 of 3 files made, 3 taken from earlier runs']])
})

test('a table is there with its files and with what is left out of them', async () => {
  const own = await openArtifactStore(join(folder, 'own'))
  const files = await Promise.all(
    table.files.map(async ({ ref, rows }) => ({ ref: await own.putFile(await store.path(ref), PARQUET_TYPE), rows })),
  )
  const { removed } = await bothWays({ value_ranges: { x: [-2, 9] } })
  const few = await writeTable(engine, own, await tableRelation(store, removed), { plain: true })
  const kept = await leaveOut(engine, own, { ...table, files }, few)
  const ref = await putJson(own, kept, TABLE_TYPE)
  expect(await isTableThere(own, ref)).toBe(true)
  const bits = kept.files[1]?.deleted
  const path = bits === undefined ? '' : await own.path(bits)
  await rm(path)
  await expect(tableRelation(own, kept)).rejects.toMatchObject({ code: 'MR_ARTIFACT_MISSING' })
  expect(await isTableThere(own, ref)).toBe(false)
  await writeFile(path, 'bits of something else')
  await expect(tableRelation(own, kept)).rejects.toMatchObject({ code: 'MR_ARTIFACT_CORRUPT' })
  expect(await isTableThere(own, ref)).toBe(false)
})

test('rows are written anew where many go, and where the bits would be many', () => {
  expect(canLeaveOut(table, table.rows / 5)).toBe(true)
  expect(canLeaveOut(table, table.rows / 5 + 1)).toBe(false)
  expect(canLeaveOut({ ...table, files: table.files.map((file) => ({ ...file, rows: 2 ** 24 })) }, 1)).toBe(false)
})
