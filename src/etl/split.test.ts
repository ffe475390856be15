import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDuckDb } from './duckdb/engine.js'
import type { Engine } from './engine.js'
import { col } from './expr.js'
import { project, type Relation, scan } from './relation.js'
import { expandSource } from './source.js'
import { type FittedSplit, fitSplit, hexThreshold, splitExpression, type SplitSpec } from './split.js'

const ROWS = 10_000
let folder: string
let engine: Engine
let table: Relation

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-split-'))
  const lines = Array.from({ length: ROWS }, (_, i) => {
    const label = i % 10 === 0 ? 'rare' : i % 10 < 4 ? 'some' : 'most'
    return `${i},g${i % 97},${label},${i % 50 === 0 ? '' : (i * 7919) % ROWS},${i / 4}`
  })
  await writeFile(join(folder, 'rows.csv'), `id,group,label,when,x\n${lines.join('\n')}\n`)
  engine = await openDuckDb({ tempFolder: folder })
  const { source, schema } = await engine.inferSchema(await expandSource(join(folder, 'rows.csv')))
  table = scan(source, schema)
})

afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const base: SplitSpec = { method: 'hash', train: 0.7, validation: 0.15, key: 'id', seed: 1 }

async function rowsOf(spec: SplitSpec) {
  const fitted = await fitSplit(engine, table, spec)
  // what a run keeps is JSON
  const split = JSON.parse(JSON.stringify(fitted)) as FittedSplit
  const rows = await engine.rows(
    project(table, [
      ...['id', 'group', 'label', 'when'].map((name) => ({ name, expr: col(name) })),
      { name: 'split', expr: splitExpression(split, table.schema, spec.stratum) },
    ]),
  )
  const count = (name: string): number => rows.filter((row) => row['split'] === name).length
  return { rows, train: count('train'), validation: count('validation'), test: count('test') }
}

describe('hash', () => {
  test('is md5 of key|salt, so any engine gives the same rows', async () => {
    const { rows, train, validation, test: rest } = await rowsOf(base)
    expect(train + validation + rest).toBe(ROWS)
    for (const row of rows) {
      const digest = createHash('md5')
        .update(`${String(row['id'])}|millrace-1`)
        .digest('hex')
        .slice(0, 8)
      const expected = digest < 'b3333333' ? 'train' : digest < 'd9999999' ? 'validation' : 'test'
      expect(row['split']).toBe(expected)
    }
    expect(Math.abs(train / ROWS - 0.7)).toBeLessThan(0.015)
    expect(createHash('md5').update('0|millrace-1').digest('hex')).toMatch(/^32e6c116/)
  })

  test('another seed gives other rows', async () => {
    const [one, two] = [await rowsOf(base), await rowsOf({ ...base, seed: 2 })]
    expect(one.rows.some((row, i) => row['split'] !== two.rows[i]?.['split'])).toBe(true)
  })

  test('thresholds', () => {
    expect(hexThreshold(0.7)).toBe('b3333333')
    expect(hexThreshold(0)).toBe('00000000')
    expect(hexThreshold(1) > 'ffffffff').toBe(true)
  })
})

test('group: rows of one group are never parted', async () => {
  const { rows } = await rowsOf({ ...base, method: 'group', group: 'group' })
  const splits = new Map<unknown, Set<unknown>>()
  for (const row of rows) splits.set(row['group'], (splits.get(row['group']) ?? new Set()).add(row['split']))
  expect(splits.size).toBe(97)
  expect([...splits.values()].every((found) => found.size === 1)).toBe(true)
})

test('stratified: the exact share of every class', async () => {
  const { rows } = await rowsOf({ ...base, method: 'stratified', stratum: col('label') })
  for (const [label, n] of [
    ['rare', 1000],
    ['some', 3000],
    ['most', 6000],
  ] as const) {
    const count = (split: string): number =>
      rows.filter((row) => row['label'] === label && row['split'] === split).length
    expect([count('train'), count('validation'), count('test')]).toEqual([n * 0.7, n * 0.15, n * 0.15])
  }
})

test('time: later rows are later splits; rows without a time are train rows', async () => {
  const { rows, train, validation } = await rowsOf({ ...base, method: 'time', timestamp: 'when' })
  const bounds = (split: string): [number, number] => {
    const times = rows.flatMap((row) => (row['split'] === split && row['when'] !== null ? [Number(row['when'])] : []))
    return [Math.min(...times), Math.max(...times)]
  }
  expect(bounds('train')[1]).toBeLessThan(bounds('validation')[0])
  expect(bounds('validation')[1]).toBeLessThan(bounds('test')[0])
  expect(rows.filter((row) => row['when'] === null).every((row) => row['split'] === 'train')).toBe(true)
  expect(Math.abs(validation / (ROWS - ROWS / 50) - 0.15)).toBeLessThan(0.001)
  expect(train).toBeGreaterThan(0.7 * (ROWS - ROWS / 50))
})

test.each([
  [{ ...base, key: 'x' }, "'x' is of type number"],
  [{ ...base, key: 'nothing' }, "no column 'nothing'"],
  [{ ...base, method: 'time' as const, timestamp: 'label' }, 'which is text'],
])('refuses what cannot split: %#', async (spec, words) => {
  await expect(fitSplit(engine, table, spec)).rejects.toMatchObject({ code: 'MR_SPLIT_COLUMN' })
  await expect(fitSplit(engine, table, spec)).rejects.toThrow(words)
})
