/** Are two contenders' results the same? Every row of the features, the quarantine, and what was fitted. */
import { DuckDBInstance } from '@duckdb/node-api'
import type { ColumnProfile } from '../../src/core/documents.js'
import { canonicalJson } from '../../src/core/json.js'
import { NUMBERS, TEXTS } from './job.js'

export interface Facts {
  readonly quarantined: Readonly<Record<string, number>>
  /** Mean and deviation of the filled column, over train rows. */
  readonly numbers: Readonly<Record<string, readonly [number, number]>>
  /** Categories in the order of their positions. */
  readonly texts: Readonly<Record<string, readonly string[]>>
  /** Of the sound rows, where it was asked for, by column. */
  readonly profile?: Readonly<Record<string, Figures>>
}
/** Patterns of Parquet files under `split=NAME` folders. */
export interface Features {
  readonly features: string
  /** SQL of the columns, where the files hold them in another form; absent: as they stand. */
  readonly columns?: readonly string[]
}
type Figures = Pick<ColumnProfile, 'missing' | 'min' | 'max' | 'mean' | 'stddev' | 'distinct' | 'top'>

/** Bins are not: each contender cuts them at its own bounds. */
const COMPARED = new Set<string>(['missing', 'min', 'max', 'mean', 'stddev', 'distinct', 'top'])
/** Of what was fitted. */
const MOST_DIFFERENCE = 1e-9
/** Of a feature, a float32 about 0: a few units of its last place at 1. */
const MOST_FEATURE_DIFFERENCE = 1e-6

/** Throws with what differs. */
export async function compare(
  name: string,
  ours: Facts & Features,
  theirs: Facts & Features,
): Promise<{ readonly rows: number; readonly fitted: number; readonly features: number }> {
  const sorted = (counts: Facts['quarantined']): string => JSON.stringify(Object.entries(counts).sort())
  if (sorted(ours.quarantined) !== sorted(theirs.quarantined))
    throw new Error(`${name}: quarantine ${sorted(theirs.quarantined)}, ours ${sorted(ours.quarantined)}`)
  for (const text of TEXTS)
    if (JSON.stringify(ours.texts[text]) !== JSON.stringify(theirs.texts[text]))
      throw new Error(`${name}: other categories of ${text}`)
  let fitted = 0
  for (const number of NUMBERS)
    for (const i of [0, 1] as const) {
      const [a = NaN, b = NaN] = [ours.numbers[number]?.[i], theirs.numbers[number]?.[i]]
      // a mean is known to a share of the deviation, which may be the larger
      const size = Math.max(Math.abs(a), ours.numbers[number]?.[1] ?? 0, Number.MIN_VALUE)
      const difference = Math.abs(a - b) / size
      if (!(difference <= MOST_DIFFERENCE))
        throw new Error(`${name}: ${number} has ${i === 0 ? 'mean' : 'deviation'} ${b}, ours ${a}`)
      fitted = Math.max(fitted, difference)
    }
  for (const [column, figures] of Object.entries(theirs.profile ?? {})) sameFigures(name, column, ours.profile, figures)
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  const table = ({ features, columns = ['*'] }: Features): string =>
    `(SELECT ${columns.join(', ')} FROM read_parquet('${features.replaceAll("'", "''")}', hive_partitioning = true))`
  const exact = ['label', 'split', ...TEXTS].map((column) => `a.${column} IS DISTINCT FROM b.${column}`).join(' OR ')
  const far = NUMBERS.map((n) => `coalesce(abs(a.${n}::DOUBLE - b.${n}::DOUBLE), 1e9)`).join(', ')
  const reader = await connection.runAndReadAll(`SELECT count(*), count_if(a.id IS NULL OR b.id IS NULL),
    count_if(${exact}), max(greatest(${far})) FROM ${table(ours)} a FULL JOIN ${table(theirs)} b ON a.id = b.id`)
  const [rows, alone, different, features] = (reader.getRows()[0] ?? []).map(Number)
  connection.closeSync()
  instance.closeSync()
  if (
    rows === undefined ||
    features === undefined ||
    alone !== 0 ||
    different !== 0 ||
    !(features <= MOST_FEATURE_DIFFERENCE)
  )
    throw new Error(
      `${name}: of ${rows} rows ${alone} stand on one side alone, ${different} differ; features by ${features}`,
    )
  return { rows, fitted, features }
}

/** What one contender says of a column; ours leaves out what it does not count. */
function sameFigures(name: string, column: string, ours: Facts['profile'], theirs: Figures): void {
  const own: Figures = ours?.[column] ?? { missing: NaN }
  for (const [what, value] of Object.entries(theirs) as [keyof Figures, Figures[keyof Figures]][]) {
    const mine = own[what]
    const isSame =
      typeof value === 'number' && typeof mine === 'number'
        ? Math.abs(value - mine) <= MOST_DIFFERENCE * Math.max(Math.abs(mine), Number.MIN_VALUE)
        : canonicalJson(value) === canonicalJson(mine)
    if (!isSame && COMPARED.has(what))
      throw new Error(`${name}: ${what} of ${column}: ${JSON.stringify([value, mine])}`)
  }
}
