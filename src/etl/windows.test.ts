/** Windows against a plain computation that looks at every pair of rows, with ties, missing values and delays. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { WindowDocument } from '../core/documents.js'
import { Rng } from '../core/rng.js'
import type { Schema } from '../core/schema.js'
import { openDuckDb } from './duckdb/engine.js'
import type { Engine } from './engine.js'
import { col } from './expr.js'
import { scan, select, sort, type Relation } from './relation.js'
import { rangeRequests, scaled, withWindows } from './windows.js'

const HOUR = 3_600_000_000
const SCHEMA: Schema = [
  { name: 'who', type: 'text' },
  { name: 'shop', type: 'integer' },
  { name: 'at', type: 'timestamp' },
  { name: 'x', type: 'number' },
  { name: 'flag', type: 'boolean' },
  { name: 'city', type: 'text' },
]
type Row = Readonly<Record<string, string | number | null>>

let folder: string
let engine: Engine
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-windows-'))
  engine = await openDuckDb({ threads: 2, tempFolder: folder })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Few entities, hours as times, so that many rows share both; one value in eight is missing, times are out of order. */
function randomRows(seed: number, count: number): readonly Row[] {
  const rng = new Rng(seed)
  const maybe = <T>(value: T): T | null => (rng.below(8) === 0 ? null : value)
  return Array.from({ length: count }, () => ({
    who: maybe(['ann', 'bob', 'it\'s "x"', 'é'][rng.below(4)] ?? ''),
    shop: maybe(rng.below(3)),
    at: maybe(rng.below(200) * HOUR),
    x: maybe((rng.below(200_001) - 100_000) / 100),
    flag: maybe(rng.below(2)),
    city: maybe(['Oslo', 'Rome'][rng.below(2)] ?? ''),
  }))
}

async function tableOf(name: string, rows: readonly Row[]): Promise<Relation> {
  const cell = (column: string, value: Row[string]): string => {
    if (value === null || value === undefined) return ''
    if (column === 'at') return new Date(Number(value) / 1000).toISOString()
    if (column === 'flag') return value === 1 ? 'true' : 'false'
    return `"${String(value).replaceAll('"', '""')}"`
  }
  const lines = rows.map((row) => SCHEMA.map((field) => cell(field.name, row[field.name] ?? null)).join(','))
  const path = join(folder, name)
  await writeFile(path, [SCHEMA.map((field) => field.name).join(','), ...lines, ''].join('\n'))
  const columns = SCHEMA.map((field) => field.name)
  return scan({ format: 'csv', paths: [path], csv: { columns } }, SCHEMA, { rowNumber: 'row' })
}

function window(name: string, by: string, compute: string, rest: Partial<WindowDocument>): WindowDocument {
  const reads = SCHEMA.filter((field) => [by, 'at', rest.of].includes(field.name))
  return { name, by, compute, timestamp: 'at', reads, inWords: '', ...rest }
}

const WINDOWS: readonly WindowDocument[] = [
  window('count', 'who', 'count', { over: 20 * HOUR }),
  window('count-x', 'who', 'count', { of: 'x', over: 20 * HOUR }),
  window('count-city', 'who', 'count', { of: 'city', over: 50 * HOUR, delay: HOUR }),
  window('sum', 'who', 'sum', { of: 'x', over: 20 * HOUR }),
  window('mean', 'who', 'mean', { of: 'x', over: 20 * HOUR }),
  window('mean-late', 'shop', 'mean', { of: 'flag', over: 24 * HOUR, delay: 24 * HOUR }),
  window('sum-late', 'shop', 'sum', { of: 'shop', over: 10 * HOUR, delay: 5 * HOUR }),
  window('min', 'shop', 'min', { of: 'x', over: 3 * HOUR }),
  window('max', 'who', 'max', { of: 'x', over: 3 * HOUR, delay: 1 }),
  window('max-flag', 'who', 'max', { of: 'flag', rows: 2 }),
  window('count-rows', 'shop', 'count', { rows: 4 }),
  window('mean-rows', 'shop', 'mean', { of: 'x', rows: 4 }),
  window('sum-rows', 'who', 'sum', { of: 'x', rows: 1 }),
  window('lag', 'who', 'lag', { of: 'x', rows: 1 }),
  window('lag-city', 'shop', 'lag', { of: 'city', rows: 3 }),
]

/** What the words say, pair by pair; sums in whole hundredths, which are exact. */
function naive(rows: readonly Row[], { by, of, compute, over, rows: last = 1, delay = 0 }: WindowDocument): unknown[] {
  return rows.map((row, i) => {
    const t = row['at']
    if (row[by] == null || t == null) return null
    const history = rows
      .map((other, place) => ({ other, place, time: other['at'] as number | null }))
      .filter(({ other, place, time }) => {
        if (other[by] !== row[by] || time === null) return false
        if (over !== undefined) return time >= Number(t) - delay - over && time < Number(t) - delay
        return time < Number(t) || (time === Number(t) && place < i)
      })
      .sort((a, b) => Number(a.time) - Number(b.time) || a.place - b.place)
    const seen = over === undefined ? history.slice(-last) : history
    if (compute === 'lag') return history.length < last ? null : (history.at(-last)?.other[of ?? ''] ?? null)
    if (compute === 'count' && of === undefined) return seen.length
    const values = seen.map(({ other }) => other[of ?? ''] ?? null).filter((value) => value !== null)
    if (compute === 'count') return values.length
    const numbers = values.map(Number)
    const sum = numbers.reduce((total, value) => total + Math.round(value * 100), 0) / 100
    if (compute === 'sum') return sum
    if (numbers.length === 0) return null
    if (compute === 'mean') return sum / numbers.length
    return compute === 'min' ? Math.min(...numbers) : Math.max(...numbers)
  })
}

async function computed(from: Relation, windows: readonly WindowDocument[], on = engine) {
  const fitted = scaled(windows, await on.statistics(from, rangeRequests(windows)))
  const place = [{ expr: col('row') }]
  const all = sort(withWindows(from, fitted, place), place, { unique: true })
  return {
    all,
    fitted,
    rows: await on.rows(
      select(
        all,
        windows.map(({ name }) => name),
      ),
    ),
  }
}

describe('windows', () => {
  it.each([1, 2, 3])('are what their words say: rows of seed %i', async (seed) => {
    const rows = randomRows(seed, 300)
    const found = await computed(await tableOf(`random-${seed}.csv`, rows), WINDOWS)
    for (const one of WINDOWS) {
      const expected = naive(rows, one)
      const got = found.rows.map((row) => row[one.name])
      expect(new Set(expected).size).toBeGreaterThan(2)
      if (one.compute === 'mean' || one.compute === 'sum')
        // an exact sum in hundredths, rounded once to a double and divided: at most the last bit differs
        got.forEach((value, i) => {
          if (expected[i] === null || value === null) expect([i, value]).toEqual([i, expected[i]])
          else expect(Math.abs(Number(value) - Number(expected[i]))).toBeLessThanOrEqual(1e-12)
        })
      else expect(got).toEqual(expected)
    }
  })

  it('never change when later rows do', async () => {
    const rows = [...randomRows(4, 200)]
    const cut = 100 * HOUR
    const changed = rows.map((row) =>
      Number(row['at'] ?? cut) < cut ? row : { ...row, x: 1e6, flag: 1, city: 'Later' },
    )
    const isEarlier = (_: unknown, i: number): boolean => Number(rows[i]?.['at'] ?? cut) < cut
    const before = await computed(await tableOf('before.csv', rows), WINDOWS)
    const after = await computed(await tableOf('after.csv', changed), WINDOWS)
    const withScale = await engine.rows(
      select(
        sort(withWindows(await tableOf('after.csv', changed), before.fitted, [{ expr: col('row') }]), [
          { expr: col('row') },
        ]),
        WINDOWS.map(({ name }) => name),
      ),
    )
    expect(withScale.filter(isEarlier)).toEqual(before.rows.filter(isEarlier))
    expect(after.rows).not.toEqual(before.rows)
  })

  it('are the same bytes for any number of threads and little memory', async () => {
    const rows = randomRows(5, 20_000)
    const table = await tableOf('many.csv', rows)
    const sizes = [
      { threads: 2, memoryLimit: '2GB' },
      { threads: 4, memoryLimit: '64MB' },
    ]
    const written = await Promise.all(
      sizes.map(async (options, i) => {
        await using other = await openDuckDb({ ...options, tempFolder: folder })
        const { all } = await computed(table, WINDOWS, other)
        const target = join(folder, `bytes-${i}`)
        const { files } = await other.write(all, { folder: target, format: 'parquet' })
        return Promise.all(files.map(({ path }) => readFile(join(target, path))))
      }),
    )
    expect(written[0]).toEqual(written[1])
  })

  it('keep the scale that they were made with, unless values are far too large for it', () => {
    const [sum] = WINDOWS.filter(({ name }) => name === 'sum')
    const range = (max: number) => new Map([['x', { rows: 1, missing: 0, min: -1, max }]])
    const scale = (window: WindowDocument | undefined, max: number) =>
      scaled(window ? [window] : [], range(max))[0]?.scale
    expect(scale(sum, 1000)).toBe(2 ** 76)
    expect(scale(sum, 0)).toBe(2 ** 85)
    expect(scale(sum && { ...sum, scale: 2 ** 70 }, 1000)).toBe(2 ** 70)
    expect(scale(sum && { ...sum, scale: 2 ** 76 }, 1e9)).toBe(2 ** 76)
    expect(scale(sum && { ...sum, scale: 2 ** 76 }, 1e15)).toBe(2 ** 36)
    expect(() => scale(sum, Infinity)).toThrow(/'x' has infinite values/)
  })

  it('give their column a name that hides none of the table', async () => {
    const table = await tableOf('names.csv', randomRows(6, 20))
    const renamed = scan(
      (table as Relation & { kind: 'scan' }).source,
      table.schema.filter(({ name }) => name !== 'row'),
      { rowNumber: '__window0' },
    )
    const wide = withWindows(renamed, WINDOWS, [{ expr: col('__window0') }])
    expect(wide.schema.map(({ name }) => name)).toEqual([...renamed.schema, ...WINDOWS].map(({ name }) => name))
    expect(await engine.rows(wide)).toHaveLength(20)
  })
})
