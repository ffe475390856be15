/** What two runs of one pipeline left: documents value by value, tables cell by cell, scores. */
import type {
  EvaluationDocument,
  FeaturesDocument,
  TableDocument,
  ValidationDocument,
} from '../../src/core/documents.js'
import type { RunState } from '../../src/pipeline/state.js'
import { distance, inWords, isSame, Left, leaves, publishedFiles, TOLERANCE } from '../../test/engines/same.js'
import { type Compared, compareRows, comparer, together } from './tables.js'

/** A run that ended well. */
export interface Finished {
  readonly home: string
  readonly output: string
  readonly state: RunState
  /** Wall time of the whole. */
  readonly seconds: number
}

export interface Outcome {
  readonly splits: FeaturesDocument['split']['counts']
  readonly compared: readonly Compared[]
  /** Whether the training left the same bytes of weights on both. */
  readonly sameWeights: boolean
  readonly seconds: { readonly duckdb: number; readonly spark: number }
  readonly stages: Readonly<Record<string, { readonly duckdb: number; readonly spark: number }>>
  readonly versions: Readonly<Record<string, string>>
}

/** Scores, and what the leak check measures: its bins lie at quantiles, where one last bit moves a row to the next. */
const LOOSE = 1e-3

const WINDOWS = 'windows'

/** Documents by what people call them, each with its stage and output. */
const DOCUMENTS: readonly (readonly [what: string, stage: string, output: string, allowed: number])[] = [
  ['what was extracted', 'extract', 'table', TOLERANCE],
  ['validation report', 'validate', 'report', TOLERANCE],
  [WINDOWS, 'features', 'windows', TOLERANCE],
  ['fitted plan', 'transform', 'plan', TOLERANCE],
  ['report of the features, with the counts of the splits', 'transform', 'report', TOLERANCE],
  ['report of the leak check', 'leaks', 'report', LOOSE],
]

/** Compares all; a difference is in the outcome, never thrown. */
export async function compareRuns(duckdb: Finished, spark: Finished): Promise<Outcome> {
  await using here = await Left.open(duckdb.home, duckdb.state)
  await using there = await Left.open(spark.home, spark.state)
  using sql = await comparer()
  const both = <T>(stage: string, output: string): Promise<[T, T]> =>
    Promise.all([here.document<T>(stage, output), there.document<T>(stage, output)])
  const tables = async (what: string, a: TableDocument, b: TableDocument): Promise<Compared> => {
    const by = '__row'
    return compareRows(sql.connection, what, { paths: await here.paths(a), by }, { paths: await there.paths(b), by })
  }
  const compared: Compared[] = []
  for (const [what, stage, output, allowed] of DOCUMENTS) {
    const documents = await both<unknown>(stage, output)
    // an empty list: the file asks for no windows
    if (!documents.every((one) => Array.isArray(one) && one.length === 0))
      compared.push(compareDocuments(what, ...documents, allowed))
  }
  const [{ quarantine: a }, { quarantine: b }] = await both<ValidationDocument>('validate', 'report')
  if (a !== undefined && b !== undefined) compared.push(await tables('rows in quarantine', a, b))
  if (compared.some(({ what }) => what === WINDOWS))
    compared.push(await tables('rows with windows', ...(await both<TableDocument>('features', 'table'))))
  const [ours, theirs] = [await publishedFiles(duckdb.output), await publishedFiles(spark.output)]
  const parts = new Set([...ours.parts.keys(), ...theirs.parts.keys()])
  const each: Compared[] = []
  for (const part of [...parts].sort()) {
    const [paths, others] = [ours.parts.get(part), theirs.parts.get(part)]
    if (paths === undefined || others === undefined) throw new Error(`${part} was published by one engine alone`)
    each.push(await compareRows(sql.connection, part, { paths }, { paths: others }))
  }
  compared.push(together('published rows', each))
  const scores = ({ metrics, threshold, confusion }: EvaluationDocument) => ({ metrics, threshold, confusion })
  const [score, other] = await both<EvaluationDocument>('evaluate', 'report')
  compared.push(compareDocuments('scores with intervals, threshold, confusion', scores(score), scores(other), LOOSE))
  const [{ split }] = await both<FeaturesDocument>('transform', 'report')
  const seconds = ({ state }: Finished, name: string): number =>
    rounded(state.stages.find((stage) => stage.name === name)?.seconds ?? NaN)
  return {
    splits: split.counts,
    compared,
    sameWeights: here.ref('train', 'weights').digest === there.ref('train', 'weights').digest,
    seconds: { duckdb: rounded(duckdb.seconds), spark: rounded(spark.seconds) },
    stages: Object.fromEntries(
      duckdb.state.stages.map(({ name }) => [name, { duckdb: seconds(duckdb, name), spark: seconds(spark, name) }]),
    ),
    versions: spark.state.versions,
  }
}

function compareDocuments(what: string, a: unknown, b: unknown, allowed: number): Compared {
  const all = [...leaves(a, b)]
  const beyond = all.filter((leaf) => !isSame(leaf, allowed))
  let [largest, at]: [number, string | undefined] = [0, undefined]
  for (const { path, a, b } of all) {
    const far = typeof a === 'number' && typeof b === 'number' ? distance(a, b) : 0
    if (far > largest) [largest, at] = [far, path]
  }
  return {
    ...{ what, values: all.length, unequal: all.filter(({ a, b }) => a !== b).length },
    ...{ largest, ...(at === undefined ? {} : { at }), allowed },
    ...{ beyond: beyond.length, faults: beyond.slice(0, 5).map(inWords) },
  }
}

const rounded = (seconds: number): number => Number(seconds.toFixed(2))
