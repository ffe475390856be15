/** The bounded way against DuckDB's own, bit by bit. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Rng } from '../../core/rng.js'
import { col } from '../expr.js'
import { scan } from '../relation.js'
import { numberLiteral } from '../sql/duckdb.js'
import { quantiles } from './quantiles.js'
import { openSession, type Session } from './session.js'

const ROWS = 20_000
const FRACTIONS = [0, 1e-6, 0.001, 0.1, 0.25, 1 / 3, 0.5, 0.77, 0.999, 1]
const SHAPES: Readonly<Record<string, (rng: Rng, row: number) => number | undefined>> = {
  uniform: (rng) => rng.uniform(),
  'heavy tails': (rng) => (rng.uniform() - 0.5) ** 3 * 10 ** (600 * (rng.uniform() - 0.5)),
  ascending: (_, row) => row / 7,
  'two values': (rng) => (rng.uniform() < 0.3 ? -1.5 : 2.25),
  'one value': () => 0.1,
  'few values, one of them nearly all': (rng) => (rng.uniform() < 0.97 ? 3 : Math.floor(rng.uniform() * 10)),
  'infinities and zeros of both signs': (rng) =>
    [-Infinity, Infinity, -0, 0, 1, -1, 5e-324, -1.7e308][Math.floor(rng.uniform() * 8)],
  'nearly all missing': (rng, row) => (row % 997 === 0 ? rng.normal() : undefined),
  'nothing but missing': () => undefined,
  'half zeros': (rng) => Math.max(0, rng.normal()),
}

let folder: string
let session: Session
const names = Object.keys(SHAPES)
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-quantiles-'))
  session = await openSession({ threads: 2, tempFolder: folder })
  const lines = [names.map((_, i) => `c${i}`).join(',')]
  const rng = new Rng(7)
  for (let row = 0; row < ROWS; row++) {
    const values = names.map((name) => SHAPES[name]?.(rng, row))
    lines.push(values.map((value) => (value === undefined ? 'NULL' : numberLiteral(value))).join(','))
  }
  await session.use(async (connection) => {
    const columns = names.map((_, i) => `CAST(c${i} AS DOUBLE) AS c${i}`).join(', ')
    const rows = lines.slice(1).map((line) => `(${line})`)
    await connection.run(`CREATE TABLE t AS SELECT ${columns} FROM (VALUES ${rows.join(',')}) AS v(${lines[0]})`)
    await connection.run(`COPY t TO '${join(folder, 't.parquet')}' (FORMAT parquet, ROW_GROUP_SIZE 4096)`)
  })
})
afterAll(async () => {
  await session.close()
  await rm(folder, { recursive: true, force: true })
})

test('of many fractions no query counts more than a few hundred times', async () => {
  const fractions = Array.from({ length: 299 }, (_, i) => (i + 1) / 300)
  const columns = ['c0']
  const values = scan(
    { format: 'parquet', paths: [join(folder, 't.parquet')] },
    columns.map((name) => ({ name, type: 'number' })),
  )
  await session.use(async (connection) => {
    const counted: number[] = []
    const run = connection.runAndReadAll.bind(connection)
    connection.runAndReadAll = (sql, ...rest) => {
      counted.push(sql.split('count_if(').length - 1)
      return run(sql, ...rest)
    }
    const asked = columns.map((name) => ({ expr: col(name), count: ROWS, fractions }))
    const found = await quantiles(connection, values, asked, { held: 5000, sample: 4000 })
    expect(Math.max(...counted)).toBeLessThanOrEqual(512)
    expect(Math.max(...counted)).toBeGreaterThan(0)
    for (const [i, name] of columns.entries()) {
      const own = `SELECT quantile_cont(${name}, [${fractions.map(numberLiteral).join(', ')}]) FROM t`
      const list = (await run(own)).getRowsJson()[0]?.[0] as unknown[]
      expect(bits(found[i] ?? [])).toEqual(bits(list.map((value) => Number(value) + 0)))
    }
  })
})

const bits = (values: readonly number[]): readonly string[] =>
  values.map((value) => Buffer.from(new Float64Array([value]).buffer).toString('hex'))

test.each([
  { held: 500, sample: 400 },
  { held: 40, sample: 60 },
  { held: 5000, sample: 20_000 },
])('the same bits as quantile_cont, holding $held values and sampling $sample', async (limits) => {
  const values = scan(
    { format: 'parquet', paths: [join(folder, 't.parquet')] },
    names.map((_, i) => ({ name: `c${i}`, type: 'number' })),
  )
  await session.use(async (connection) => {
    const counts = (
      await connection.runAndReadAll(`SELECT ${names.map((_, i) => `count(c${i})`).join(', ')} FROM t`)
    ).getRows()[0]
    const asked = names.map((_, i) => ({ expr: col(`c${i}`), count: Number(counts?.[i]), fractions: FRACTIONS }))
    const found = await quantiles(connection, values, asked, limits)
    for (const [i, name] of names.entries()) {
      // zeros have one sign, which of them stands at a rank is not told
      const own = `[${FRACTIONS.map((fraction) => `quantile_cont(c${i}, ${numberLiteral(fraction)}) + 0.0`).join(', ')}]`
      const list = (await connection.runAndReadAll(`SELECT ${own} FROM t`)).getRowsJson()[0]?.[0] as unknown[]
      const expected = Number(counts?.[i]) === 0 ? [] : list.map(Number)
      expect(bits(found[i] ?? []), name).toEqual(bits(expected))
    }
  })
})
