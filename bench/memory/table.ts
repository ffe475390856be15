/**
 * A table too large for the memory that a run is given: deterministic, of any length, in a few seconds a million rows.
 * Everything is arithmetic on the row's number in DuckDB's 64-bit integers, so the same call gives the same rows.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

export type TableFormat = 'parquet' | 'csv'

export interface Table {
  /** Of its columns: 8 bytes a number or time, 4 a date, 16 a text and its length if that is above 12, as DuckDB holds them. */
  readonly bytesInMemory: number
  readonly rows: number
  /** A pattern of the files, in the order of their rows. */
  readonly pattern: string
}

const NUMBERS = 10
/** Categories of each text column. */
const TEXTS = [10, 50, 200, 500, 1000, 50_000] as const
/** e.g. `category-00042`: too long to be held inside DuckDB's 16-byte header. */
const TEXT_BYTES = 16 + 14
const ROW_BYTES = 8 + 8 + 4 + NUMBERS * 8 + TEXTS.length * TEXT_BYTES + 16
/** The 31-bit primes of a multiplicative hash. */
const PRIMES = [2_147_483_629, 2_147_483_587, 2_147_483_579, 2_147_483_563] as const

/** Uniform in 0 … 2^20-1, another sequence for each `salt`. */
function uniform(salt: number): string {
  const p = PRIMES[salt % PRIMES.length] ?? 0
  return `((((i * ${48_271 + 2 * salt} + ${12_345 + salt}) % ${p}) * ${16_807 + 4 * salt} + ${salt}) % ${p} & 1048575)`
}

function columns(): readonly string[] {
  const unit = (salt: number) => `(${uniform(salt)} / 1048576.0::DOUBLE)`
  const numbers = Array.from({ length: NUMBERS }, (_, n) => {
    const value = `ln(1.0::DOUBLE + ${unit(n)} * ${10 ** (n % 5)}) * ${n + 1} - ${unit(n + 20)}`
    return `CASE WHEN ${uniform(n + 40)} < ${n * 10_000} THEN NULL ELSE ${value} END AS number_${n}`
  })
  const texts = TEXTS.map((size, n) => {
    // squared, so that some categories are frequent and some are not
    const index = `CAST(floor(${unit(n + 60)} * ${unit(n + 60)} * ${size}) AS BIGINT)`
    return `CASE WHEN ${uniform(n + 80)} < 20000 THEN NULL ELSE 'category-' || lpad(CAST(${index} AS VARCHAR), 5, '0') END AS text_${n}`
  })
  const label = `CASE WHEN ${unit(0)} + ${unit(60)} + ${unit(99)} > 1.6 THEN 'yes' ELSE 'no' END AS label`
  return [
    'i AS id',
    `TIMESTAMP '2020-01-01' + to_microseconds(i * 15000000 + ${uniform(90)}) AS happened_at`,
    `DATE '1990-01-01' + CAST(${uniform(91)} % 10000 AS INTEGER) AS born`,
    ...numbers,
    ...texts,
    label,
  ]
}

/** Writes `files` files of equal length into `folder`; 20 columns: an id, two times, ten numbers, six texts, a label. */
export async function writeTable(
  folder: string,
  rows: number,
  format: TableFormat = 'parquet',
  files = 4,
): Promise<Table> {
  await mkdir(folder, { recursive: true })
  const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '1GB' })
  const connection = await instance.connect()
  const options = format === 'parquet' ? 'FORMAT parquet, COMPRESSION zstd' : 'FORMAT csv, HEADER true'
  for (let file = 0; file < files; file++) {
    const from = Math.floor((rows * file) / files)
    const to = Math.floor((rows * (file + 1)) / files)
    const path = join(folder, `part-${file}.${format}`)
    await connection.run(
      `COPY (SELECT ${columns().join(',\n')} FROM range(${from}, ${to}) AS r(i)) TO '${path.replaceAll("'", "''")}' (${options})`,
    )
  }
  connection.closeSync()
  instance.closeSync()
  return { bytesInMemory: rows * ROW_BYTES, rows, pattern: join(folder, `*.${format}`) }
}
