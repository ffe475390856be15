/** The comparison of two engines' tables says what differs: else a report of parity would hold nothing. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Compared, compareRows, comparer, together } from '../../bench/parity/tables.js'
import { distance, leaves } from '../engines/same.js'

let folder: string
let files = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-parity-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const ROWS = `SELECT i AS id, i / 7.0::DOUBLE AS x, (i / 7.0)::FLOAT AS y, 'name ' || i AS name FROM range(10) r(i) ORDER BY i`

/** What is found between the rows of two queries. */
async function found(a: string, b: string, by?: string): Promise<Compared> {
  using sql = await comparer()
  const written = async (query: string): Promise<string> => {
    const path = join(folder, `${files++}.parquet`)
    await sql.connection.run(`COPY (${query}) TO '${path}' (FORMAT parquet)`)
    return path
  }
  const rows = async (query: string) => ({ paths: [await written(query)], ...(by === undefined ? {} : { by }) })
  return await compareRows(sql.connection, 'rows', await rows(a), await rows(b))
}
const changed = (column: string, value: string): string => `SELECT * REPLACE (${value} AS ${column}) FROM (${ROWS})`

test('equal tables are equal', async () => {
  expect(await found(ROWS, ROWS)).toEqual({
    ...{ what: 'rows', rows: 10, values: 40, unequal: 0, largest: 0, allowed: 1e-9, beyond: 0, faults: [] },
  })
})

test.each([
  ['another text', changed('name', `CASE WHEN id = 3 THEN 'other' ELSE name END`), 1, /row 4, name: name 3 and other/],
  ['a whole number', changed('id', 'CASE WHEN id = 9 THEN 10 ELSE id END'), 1, /row 10, id: 9 and 10/],
  ['nothing instead of a number', changed('x', 'CASE WHEN id = 2 THEN NULL ELSE x END'), 1, /row 3, x: .* and null/],
  ['NaN', changed('y', `CASE WHEN id = 2 THEN 'NaN'::FLOAT ELSE y END`), 1, /and nan/],
  ['an infinity', changed('x', `CASE WHEN id = 2 THEN 'inf'::DOUBLE ELSE x END`), 1, /and inf/],
  ['a number too far away', changed('x', 'CASE WHEN id = 2 THEN x * (1 + 2e-9) ELSE x END'), 1, /row 3, x/],
  ['another order', `${ROWS} DESC`, 40, /row 1, id: 0 and 9/],
  ['another type', changed('id', 'id::INTEGER'), 40, /id BIGINT; .* id INTEGER/],
  ['fewer rows', `${ROWS} LIMIT 9`, 40, /10 and 9 rows/],
])('%s is a difference', async (_, other, beyond, fault) => {
  const { faults, ...rest } = await found(ROWS, other)
  expect(rest).toMatchObject({ beyond, unequal: beyond })
  expect(faults.join('\n')).toMatch(fault)
})

test('what rounding leaves is counted and allowed', async () => {
  const near = await found(ROWS, changed('x', 'CASE WHEN id = 2 THEN x * (1 + 5e-10) ELSE x END'))
  expect(near).toMatchObject({ unequal: 1, beyond: 0, at: 'x' })
  expect(near.largest).toBeCloseTo(5e-10, 12)
  const tiny = await found(changed('x', '0::DOUBLE'), changed('x', '1e-13'))
  expect(tiny).toMatchObject({ unequal: 10, beyond: 0 })
})

test('rows are held against each other by a column where their order may differ', async () => {
  expect(await found(ROWS, `${ROWS} DESC`, 'id')).toMatchObject({ unequal: 0, beyond: 0 })
})

test('parts of a table are one, with the worst of each', async () => {
  const [one, other] = [
    await found(ROWS, ROWS),
    await found(ROWS, changed('x', 'CASE WHEN id = 2 THEN x * 2 ELSE x END')),
  ]
  expect(together('all', [one, other])).toMatchObject({
    ...{ what: 'all', rows: 20, values: 80, unequal: 1, beyond: 1, largest: 0.5, at: 'x' },
    faults: [expect.stringMatching(/^rows: row 3, x/)],
  })
})

test('documents are compared value by value', () => {
  expect([...leaves({ a: [1, 2], b: { c: 'x' } }, { a: [1, 3], b: { d: 'x' } })]).toEqual([
    { path: '.a[0]', a: 1, b: 1 },
    { path: '.a[1]', a: 2, b: 3 },
    { path: '.b.c', a: 'x', b: undefined },
    { path: '.b.d', a: undefined, b: 'x' },
  ])
  expect([...leaves([1], [1, 2])]).toEqual([{ path: '.length', a: 1, b: 2 }])
  expect([distance(1, 1), distance(1, 2), distance(0, 1e-13) < 1e-9]).toEqual([0, 0.5, true])
  expect(distance(Infinity, 5) <= 1).toBe(false)
})
