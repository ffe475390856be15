/** Aggregates of a table of files, asked by file and of many files at once: what one query over all rows says. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Memo, openMemo } from '../core/memo.js'
import { openDuckDb } from './duckdb/engine.js'
import type { Engine } from './engine.js'
import { aggregate, call, col, int, type Named } from './expr.js'
import { type Merge, mergedRows } from './merged.js'
import { aggregated, filter, type Relation, scan, type Source, withColumns } from './relation.js'

/** Rows of each file: two without any, one of them the first. */
const FILES = [0, 5, 3, 0, 40, 1, 7]
const TOTAL = FILES.reduce((sum, rows) => sum + rows, 0)
const BEFORE = FILES.map((_, i) => FILES.slice(0, i).reduce((sum, rows) => sum + rows, 0))

const AGGREGATES: readonly (Named & { readonly merge?: Merge })[] = [
  { name: 'n', expr: aggregate('count', []), merge: 'sum' },
  { name: 'sum', expr: aggregate('sum', [col('x')]), merge: 'sum' },
  { name: 'odd', expr: aggregate('count_if', [call('eq', call('int_mod', col('id'), int(2)), int(1))]), merge: 'sum' },
  { name: 'first', expr: aggregate('min', [col('id')]), merge: 'min' },
  { name: 'last', expr: aggregate('max', [col('t')]), merge: 'max' },
]

let folder: string
let engine: Engine
let schema: Relation['schema']
const paths: string[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-merged-rows-'))
  engine = await openDuckDb({ threads: 2, tempFolder: folder })
  const lines = Array.from({ length: TOTAL }, (_, i) => `${i},${i % 4 === 0 ? '' : i / 8},t${i},g${i % 3}`)
  await writeFile(join(folder, 'all.csv'), `id,x,t,#file\n${lines.join('\n')}\n`)
  const source: Source = { format: 'csv', paths: [join(folder, 'all.csv')] }
  const found = await engine.inferSchema(source)
  schema = found.schema
  for (const [i, rows] of FILES.entries()) {
    const [from, to] = [BEFORE[i] ?? 0, (BEFORE[i] ?? 0) + rows]
    const some = filter(
      scan(found.source, schema),
      call('and', call('ge', col('id'), int(from)), call('lt', col('id'), int(to))),
    )
    const { files } = await engine.write(some, { folder: join(folder, `file-${i}`), format: 'parquet' })
    paths.push(join(folder, `file-${i}`, files[0]?.path ?? ''))
  }
}, 60_000)
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

function table(indices: readonly number[], isCounted = true): Relation {
  const some = indices.map((i) => paths[i] ?? '')
  const digests = Object.fromEntries(indices.map((i) => [paths[i] ?? '', `digest ${i}`]))
  let rows = 0
  const rowsBefore = indices.map((i) => (rows += FILES[i] ?? 0) - (FILES[i] ?? 0))
  return scan({ format: 'parquet', paths: some, digests }, schema, isCounted ? { rowsBefore } : {})
}
const ALL = FILES.map((_, i) => i)

/** The same engine, told to ask of so many files at once; and the files of each query. */
function asking(filesAtOnce: number): { readonly engine: Engine; readonly asked: number[] } {
  const asked: number[] = []
  const filesOf = (relation: Relation): number =>
    relation.kind === 'scan' ? relation.source.paths.length : 'input' in relation ? filesOf(relation.input) : 0
  const rows: Engine['rows'] = (relation, signal) => {
    asked.push(filesOf(relation))
    return engine.rows(relation, signal)
  }
  return { engine: { ...engine, filesAtOnce, rows }, asked }
}

const freshMemo = async (): Promise<Memo> => openMemo(await mkdtemp(join(folder, 'memo-')), { scope: 'test' })
const inOrder = (rows: readonly Readonly<Record<string, unknown>>[]): readonly string[] =>
  rows.map((row) => Object.entries(row).map(String).join(' ')).sort()

const SHAPES: Readonly<Record<string, readonly Named[]>> = {
  'without groups': [],
  'by a column that is called as the file would be': [{ name: '#file', expr: col('#file') }],
  'by values with missing ones': [{ name: '#FILE_', expr: call('nullif', call('int_mod', col('id'), int(4)), int(2)) }],
}

it.each(Object.keys(SHAPES).flatMap((shape) => [1, 2, 64].map((files) => [shape, files] as const)))(
  '%s, %i files at once: as over all rows',
  async (shape, files) => {
    const by = SHAPES[shape] ?? []
    const numbered = withColumns(table(ALL), [{ name: '#position', expr: col('t') }])
    const most = filter(numbered, call('ne', call('int_mod', col('id'), int(5)), int(1)))
    for (const rows of [table(ALL), most, filter(most, call('lt', col('id'), int(0)))]) {
      const asks = asking(files)
      const memo = await freshMemo()
      const whole = inOrder(await engine.rows(aggregated(rows, by, AGGREGATES)))
      expect(inOrder(await mergedRows(asks.engine, memo, rows, by, AGGREGATES))).toEqual(whole)
      // what was kept says the same
      expect(inOrder(await mergedRows(asks.engine, memo, rows, by, AGGREGATES))).toEqual(whole)
    }
  },
)

it('reads only files that were not there before, so many at once, and keeps each file by itself', async () => {
  const memo = await freshMemo()
  const few = asking(3)
  await mergedRows(few.engine, memo, table([1, 4]), [], AGGREGATES)
  expect(few.asked).toEqual([2])
  const { value, notes } = await memo.noted(() => mergedRows(few.engine, memo, table(ALL), [], AGGREGATES))
  expect(few.asked).toEqual([2, 3, 2])
  expect(notes).toEqual(['counts: 5 of 7 files read, 2 taken from earlier runs'])
  expect(inOrder(value)).toEqual(inOrder(await engine.rows(aggregated(table(ALL), [], AGGREGATES))))
  // one by one takes what was made of many
  const one = asking(1)
  await mergedRows(one.engine, memo, table([6, 5, 4, 3, 2, 1, 0]), [], AGGREGATES)
  expect(one.asked).toEqual([])
})

it('asks file by file where nobody counted the rows before each', async () => {
  const many = asking(64)
  const found = await mergedRows(many.engine, undefined, table(ALL, false), [], AGGREGATES)
  expect(many.asked).toEqual(FILES.map(() => 1))
  expect(inOrder(found)).toEqual(inOrder(await engine.rows(aggregated(table(ALL), [], AGGREGATES))))
})

it('counts distinct values over all rows, beside what merges', async () => {
  const both = [...AGGREGATES, { name: 'values', expr: aggregate('count_distinct', [col('#file')]) }]
  const many = asking(64)
  const found = await mergedRows(many.engine, undefined, table(ALL), [], both)
  expect(many.asked).toEqual([7, 7])
  expect(inOrder(found)).toEqual(inOrder(await engine.rows(aggregated(table(ALL), [], both))))
})

it('tells files apart whose rows are in part left out', async () => {
  const memo = await freshMemo()
  const gone = { [paths[2] ?? '']: { digest: 'gone', bits: Uint8Array.of(0b1010_0000) } }
  const lacking = (indices: readonly number[]): Relation => {
    const { source, ...rest } = table(indices) as Relation & { readonly kind: 'scan' }
    return { ...rest, source: { ...source, deleted: gone } }
  }
  const [before, after] = [asking(64), asking(64)]
  await mergedRows(before.engine, memo, lacking(ALL), [], AGGREGATES)
  expect(before.asked).toEqual([7])
  const found = await mergedRows(after.engine, memo, lacking([1, 2]), [], AGGREGATES)
  expect(after.asked).toEqual([])
  expect(inOrder(found)).toEqual(inOrder(await engine.rows(aggregated(lacking([1, 2]), [], AGGREGATES))))
  expect(found[0]?.['n']).toBe(6n)
})
