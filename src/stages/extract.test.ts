/** Extract of Parquet files: taken as they are only where they all store each column alike. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../config/load.js'
import type { TableDocument } from '../core/documents.js'
import { openDuckDb } from '../etl/duckdb/engine.js'
import { scan } from '../etl/relation.js'
import { runPipeline } from './run-pipeline.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-extract-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Runs extract over files made of queries; gives the table's rows, and whether its files are the source's own. */
async function extracted(name: string, files: Readonly<Record<string, string>>) {
  const project = join(folder, name)
  await mkdir(join(project, 'data'), { recursive: true })
  const connection = await (await DuckDBInstance.create()).connect()
  for (const [file, sql] of Object.entries(files))
    await connection.run(`COPY (${sql}) TO '${join(project, 'data', file)}' (FORMAT parquet)`)
  connection.closeSync()
  await writeFile(
    join(project, 'pipeline.yaml'),
    'pipeline_name: extract\nversion: "1"\nlabel: y\ndata: {source_path: data, output_path: out}\n' +
      'training: {model_type: logistic_regression, max_epochs: 2, batch_size: 64}\n',
  )
  const home = join(project, 'home')
  const { state } = await runPipeline(loadConfig(join(project, 'pipeline.yaml')), { home, stages: ['extract'] })
  const at = (digest = ''): string => join(home, 'artifacts/sha256', digest.slice(7, 9), digest.slice(7))
  const { error, value } = state.stages.find((stage) => stage.name === 'extract') ?? {}
  if (error !== undefined) return { error }
  const table = JSON.parse(await readFile(at(value?.['table']?.digest), 'utf8')) as TableDocument
  const paths = table.files.map(({ ref }) => at(ref.digest))
  const own: Buffer[] = []
  for (const file of await readdir(join(project, 'data'))) own.push(await readFile(join(project, 'data', file)))
  const stored = await Promise.all(paths.map((path) => readFile(path)))
  await using engine = await openDuckDb({ tempFolder: folder })
  const rows = await engine.rows(scan({ format: 'parquet', paths }, table.schema))
  return {
    x: rows.map(({ x }) => x),
    asTheyAre: stored.every((bytes) => own.some((one) => one.equals(bytes))),
    plain: table.plain,
  }
}

const query = (type: string, x: number): string => `SELECT (${x} + i)::${type} AS x, i % 2 AS y FROM range(301) AS t(i)`

test('files that store a column in other types are written anew, each value as its own file holds it', async () => {
  const files = { 'a.parquet': query('BIGINT', 1_700_000_000), 'b.parquet': query('FLOAT', 1_700_000_000) }
  const { x, asTheyAre, plain } = await extracted('mixed', files)
  const own = Array.from({ length: 301 }, (_, i) => 1_700_000_000 + i)
  expect(x).toEqual([...own, ...own.map(Math.fround)])
  expect([asTheyAre, plain]).toEqual([false, true])
})

test('files alike are taken as they are', async () => {
  const files = { 'a.parquet': query('FLOAT', 0), 'b.parquet': query('FLOAT', 500) }
  // what stands in a file that is not ours may be NaN or '': it is not said to be plain
  expect(await extracted('alike', files)).toMatchObject({ asTheyAre: true, plain: undefined })
})

test.each(['__ROW', 'file_row_number'])('a column called %s is refused: it would number the rows', async (name) => {
  const { error } = await extracted(name, {
    'a.parquet': `SELECT 7 - i AS "${name}", i % 2 AS y FROM range(5) AS t(i)`,
  })
  expect(error).toMatchObject({
    code: 'MR_SOURCE_RESERVED',
    message: `source: the column name '${name}' is kept for the numbers of rows`,
  })
})
