/** The whole pipeline on folders called `column=value`, in a home below one too; and what a moved file changes. */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.js'
import { Rng } from '../../src/core/rng.js'
import { openDuckDb } from '../../src/etl/duckdb/engine.js'
import { scan } from '../../src/etl/relation.js'
import { expandSource } from '../../src/etl/source.js'
import { explainPipeline, type RunOutcome, runPipeline } from '../../src/stages/run-pipeline.js'

let folder: string
const project = () => join(folder, 'x=5', 'project')
const home = () => join(project(), 'home')

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-hive-'))
  await mkdir(project(), { recursive: true })
  const rng = new Rng(3)
  const rows = Array.from({ length: 400 }, (_, id) => {
    const [x, colour, year] = [rng.normal(), ['red', 'green'][rng.below(2)] ?? '', 2024 + rng.below(2)]
    const bought = x + (colour === 'red' ? 1 : 0) + rng.normal() / 2 > 0.3
    return `${id},${x.toFixed(4)},${colour},${year},${bought ? 'yes' : 'no'}`
  })
  await writeFile(join(folder, 'rows.csv'), `id,x,colour,year,bought\n${rows.join('\n')}\n`)
  const engine = await openDuckDb({ threads: 2 })
  const { source, schema } = await engine.inferSchema(await expandSource(join(folder, 'rows.csv')))
  for (const format of ['parquet', 'csv'] as const) {
    const target = { folder: join(project(), format), format, partitionBy: ['year', 'colour'] }
    await engine.write(scan(source, schema), target)
  }
  await engine[Symbol.asyncDispose]()
  await writeFile(
    join(project(), 'pipeline.yaml'),
    `pipeline_name: folders
version: "1"
label: bought
entity: id
data: {source_path: parquet, output_path: out}
training: {model_type: logistic_regression, max_epochs: 3, learning_rate: 0.05}
evaluation: {bootstrap: 50}
`,
  )
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const load = (...set: readonly string[]) => loadConfig(join(project(), 'pipeline.yaml'), { set })
const resultOf = ({ state }: RunOutcome, stage: string) => state.stages.find(({ name }) => name === stage)

describe('a source of folders called column=value', () => {
  test.each(['parquet', 'csv'])('%s: its columns become features, those of folders above it do not', async (format) => {
    const outcome = await runPipeline(load(`data.source_path=${format}`), { home: home() })
    expect(outcome.state.stages.map(({ error }) => error)).toEqual(outcome.state.stages.map(() => undefined))
    expect(resultOf(outcome, 'extract')?.status).toBe('success')
    // the same rows, so the same table, and all that follows from it
    expect(resultOf(outcome, 'train')?.status).toBe(format === 'parquet' ? 'success' : 'cached')
    const manifest = JSON.parse(await readFile(join(project(), 'out/manifest.json'), 'utf8')) as {
      readonly rows: number
      readonly schema: readonly { readonly name: string }[]
    }
    expect(manifest.rows).toBe(400)
    expect(manifest.schema.map(({ name }) => name).sort()).toEqual([
      'bought',
      'colour',
      'id',
      'row',
      'split',
      'x',
      'year',
    ])
    expect(outcome.registration?.version).toBeGreaterThan(0)
  })

  test('a folder renamed changes the data, so it is read again; nothing else does', async () => {
    const options = { home: home() }
    const loaded = load()
    const before = await runPipeline(loaded, options)
    expect(resultOf(before, 'extract')?.status).toBe('cached')
    await rename(join(project(), 'parquet', 'year=2025'), join(project(), 'parquet', 'year=2026'))
    expect((await explainPipeline(loaded, options))[0]?.reasons).toContainEqual(
      expect.objectContaining({ kind: 'source' }),
    )
    const after = await runPipeline(loaded, options)
    expect(resultOf(after, 'extract')?.status).toBe('success')
    expect(resultOf(after, 'extract')?.value?.['table']).not.toEqual(resultOf(before, 'extract')?.value?.['table'])
  })
})
