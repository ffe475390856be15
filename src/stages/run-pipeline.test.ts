/** The whole pipeline on a small table, as a library: what is cached, published, compared and promoted. */
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../config/load.js'
import { Rng } from '../core/rng.js'
import { openRegistry, registryFile } from '../registry/sqlite.js'
import type { PublishedManifest } from './published-table.js'
import { STAGES } from './pipeline-stages.js'
import { explainPipeline, type RunOutcome, runPipeline } from './run-pipeline.js'

let folder: string
const home = (): string => join(folder, 'home')
const statuses = ({ state }: RunOutcome): string => state.stages.map(({ status }) => status).join(' ')
const ALL_CACHED = Array.from({ length: STAGES.length }, () => 'cached').join(' ')

function run(...set: readonly string[]): Promise<RunOutcome> {
  return runPipeline(loadConfig(join(folder, 'pipeline.yaml'), { set }), { home: home() })
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-run-'))
  const rng = new Rng(7)
  const rows = Array.from({ length: 600 }, (_, id) => {
    const [x, colour] = [rng.normal(), ['red', 'green', 'blue'][rng.below(3)] ?? '']
    const bought = x + (colour === 'red' ? 1 : 0) + rng.normal() / 2 > 0.3
    return `${id},${x.toFixed(4)},${colour},${bought ? 'yes' : 'no'}`
  })
  // one row out of range, one a copy of another
  rows.push('600,99,red,no', rows[0] ?? '')
  await writeFile(join(folder, 'rows.csv'), `id,x,colour,bought\n${rows.join('\n')}\n`)
  await writeFile(
    join(folder, 'pipeline.yaml'),
    `pipeline_name: small
version: "1"
label: bought
entity: id
data:
  source_path: rows.csv
  output_path: out
  validation_rules: {unique_columns: [id], value_ranges: {x: [-10, 10]}}
training: {model_type: neural_network, hidden_dims: [4], max_epochs: 5, batch_size: 64, learning_rate: 0.02}
evaluation: {bootstrap: 100}
gate: {metric: roc_auc, minimum: 0.6}
`,
  )
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('runPipeline', () => {
  test('first everything, then nothing; one changed key redoes what read it', async () => {
    const first = await run()
    expect(statuses(first)).toBe(Array.from({ length: STAGES.length }, () => 'success').join(' '))
    expect(first.registration).toMatchObject({ name: 'small', version: 1, aliases: ['champion'] })
    expect(statuses(await run())).toBe(ALL_CACHED)

    const explained = await explainPipeline(
      loadConfig(join(folder, 'pipeline.yaml'), { set: ['training.learning_rate=0.01'] }),
      { home: home() },
    )
    const action = Object.fromEntries(explained.map(({ stage, action: what }) => [stage, what]))
    expect(action).toMatchObject({
      extract: 'cached',
      transform: 'cached',
      pack: 'cached',
      publish: 'cached',
      train: 'run',
    })
  })

  test('rows that break a rule are out of the features', async () => {
    const manifest = JSON.parse(await readFile(join(folder, 'out/manifest.json'), 'utf8')) as {
      readonly rows: number
      readonly keys: readonly string[]
      readonly schema: readonly { readonly name: string }[]
      readonly files: readonly { readonly path: string }[]
    }
    expect(manifest.rows).toBe(600)
    // the rows' own numbers, which validate had to keep, are keys, and no feature
    expect(manifest.schema.map(({ name }) => name)).toEqual(['row', 'id', 'split', 'bought', 'x', 'colour'])
    expect(manifest.keys).toEqual(['row', 'id'])
    for (const { path } of manifest.files) expect(existsSync(join(folder, 'out', path))).toBe(true)
  })

  test.each(['parquet', 'csv', 'json'])(
    'a table published as %s is a source: its rows, with the split',
    async (format) => {
      const output = `out-${format}`
      await run('pipeline_name=first', `data.output_path=${output}`, `data.file_format=${format}`)
      const { state } = await run('pipeline_name=second', `data.source_path=${output}`, 'data.output_path=out-second')
      expect(state.status).toBe('success')
      const published = JSON.parse(await readFile(join(folder, 'out-second/manifest.json'), 'utf8')) as {
        readonly rows: number
        readonly schema: readonly { readonly name: string }[]
      }
      expect(published.rows).toBe(600)
      expect(published.schema.map(({ name }) => name)).toContain('split_1')
    },
  )

  test('a published table that was damaged or removed is published again', async () => {
    const [data] = (await readdir(join(folder, 'out'))).filter((name) => name.startsWith('data-'))
    await rm(join(folder, 'out', data ?? ''), { recursive: true })
    expect((await run()).state.stages.find(({ name }) => name === 'publish')?.status).toBe('success')
    await writeFile(join(folder, 'out/manifest.json'), '{')
    expect((await run()).state.stages.find(({ name }) => name === 'publish')?.status).toBe('success')
    expect(statuses(await run())).toBe(ALL_CACHED)
  })

  test('another partitioning of the same features is another folder; another pipeline is refused', async () => {
    const manifestOf = async (): Promise<{ readonly files: readonly { readonly path: string }[] }> =>
      JSON.parse(await readFile(join(folder, 'out/manifest.json'), 'utf8')) as { files: { path: string }[] }
    const before = (await manifestOf()).files[0]?.path.split('/')[0]
    await run('data.partition_by=[colour]')
    const after = (await manifestOf()).files[0]?.path.split('/')[0]
    expect(after).not.toBe(before)
    expect((await readdir(join(folder, 'out'))).filter((name) => name.startsWith('data-'))).toEqual([after])
    const other = await run('pipeline_name=other')
    expect(other.state.stages.find(({ name }) => name === 'publish')?.error?.code).toBe('MR_PUBLISH_OTHER')
    await run()
  })

  test('partitions of the source have its values, and features of that name give way', async () => {
    await run('data.partition_by=[colour, bought]')
    const manifest = JSON.parse(await readFile(join(folder, 'out/manifest.json'), 'utf8')) as PublishedManifest
    expect(manifest.files.map(({ path }) => path.split('/').slice(1, 3).join('/'))).toEqual(
      ['blue', 'green', 'red'].flatMap((colour) => ['no', 'yes'].map((bought) => `colour=${colour}/bought=${bought}`)),
    )
    const names = manifest.schema.map(({ name }) => name)
    for (const name of ['colour', 'colour_1', 'bought', 'bought_1', 'split', 'row', 'x']) expect(names).toContain(name)
    const unknown = await run('data.partition_by=[color]')
    expect(unknown.state.stages.find(({ name }) => name === 'publish')?.error).toMatchObject({
      code: 'MR_PUBLISH_PARTITION',
      message: expect.stringContaining("did you mean 'colour'") as string,
    })
    await run()
  })

  test('append adds each table once, and refuses other columns', async () => {
    const output = join(folder, 'appended')
    const append = (...set: readonly string[]) =>
      runPipeline(
        loadConfig(join(folder, 'pipeline.yaml'), {
          set: ['data.write_mode=append', `data.output_path=${output}`, ...set],
        }),
        { home: join(folder, 'home-append') },
      )
    const manifestOf = async () =>
      JSON.parse(await readFile(join(output, 'manifest.json'), 'utf8')) as PublishedManifest
    await append()
    const first = await manifestOf()
    expect(statuses(await append())).toBe(ALL_CACHED)
    // other rows, then the first ones again: there already
    await append('data.validation_rules.value_ranges={x: [-1, 1]}')
    const both = await manifestOf()
    expect(both.parts).toHaveLength(2)
    expect(both.files.slice(0, first.files.length)).toEqual(first.files)
    expect(both.rows).toBe(both.parts.reduce((sum, { rows }) => sum + rows, 0))
    expect(statuses(await append())).toBe(ALL_CACHED)
    expect(await manifestOf()).toEqual(both)
    // a lost file is written again, in a folder of its own that takes the place of the damaged one
    await rm(join(output, both.files[0]?.path ?? ''))
    await append()
    const mended = await manifestOf()
    expect(mended.parts.map(({ folder: name }) => name)).toEqual([`${first.parts[0]?.folder}-2`, both.parts[1]?.folder])
    expect(mended.rows).toBe(both.rows)
    expect(mended.files.map(({ digest }) => digest)).toEqual(both.files.map(({ digest }) => digest))
    for (const file of mended.files) expect(existsSync(join(output, file.path))).toBe(true)
    expect((await readdir(output)).filter((name) => name.startsWith('data-'))).toHaveLength(2)

    // the same features beside other values of a column that partitions them are another table
    await append('features.exclude=[colour]', 'data.partition_by=[colour]', `data.output_path=${output}-2`)
    const table = await readFile(join(folder, 'rows.csv'), 'utf8')
    await writeFile(join(folder, 'rows.csv'), table.replaceAll(',blue,', ',navy,'))
    await append('features.exclude=[colour]', 'data.partition_by=[colour]', `data.output_path=${output}-2`)
    await writeFile(join(folder, 'rows.csv'), table)
    const moved = JSON.parse(await readFile(`${output}-2/manifest.json`, 'utf8')) as PublishedManifest
    expect(moved.parts).toHaveLength(2)
    for (const file of moved.files) expect(existsSync(join(`${output}-2`, file.path)), file.path).toBe(true)

    const other = await append('features.exclude=[x]')
    const error = other.state.stages.find(({ name }) => name === 'publish')?.error
    expect(error).toMatchObject({ code: 'MR_PUBLISH_SCHEMA', message: expect.stringContaining('x number') as string })
    await writeFile(join(output, 'manifest.json'), '{')
    const damaged = await append('data.compression=zstd')
    expect(damaged.state.stages.find(({ name }) => name === 'publish')?.error?.code).toBe('MR_PUBLISH_SCHEMA')
    expect((await readdir(output)).filter((name) => name.startsWith('data-'))).toHaveLength(2)
  })

  test('a lost file of a table is made again', async () => {
    const state = (await run()).state
    const table = state.stages.find(({ name }) => name === 'extract')?.value?.['table']?.digest.slice(7) ?? ''
    const blob = (digest: string): string => join(home(), 'artifacts/sha256', digest.slice(0, 2), digest)
    const { files } = JSON.parse(await readFile(blob(table), 'utf8')) as {
      readonly files: readonly { readonly ref: { readonly digest: string } }[]
    }
    await rm(blob(files[0]?.ref.digest.slice(7) ?? ''))
    const status = Object.fromEntries((await run()).state.stages.map(({ name, status: what }) => [name, what]))
    expect(status).toMatchObject({ extract: 'success', transform: 'cached', train: 'cached' })
  })

  test('a challenger is compared with the champion on the same rows', async () => {
    const challenger = await run('training.hidden_dims=[6]')
    expect(challenger.registration?.version).toBe(2)
    expect(challenger.registration?.gate?.champion).toMatchObject({ version: 1 })
    expect(challenger.registration?.gate?.champion?.difference?.low).toBeLessThanOrEqual(
      challenger.registration?.gate?.champion?.difference?.high ?? -1,
    )
  })

  test('on rows that were test rows of both: other splits leave fewer', async () => {
    const { registration } = await run('seed=43', 'evaluation.slices=[]')
    const gate = registration?.gate
    // 90 test rows of 600 each: about a seventh are shared, and none of those taught the champion
    expect(gate?.champion?.difference).toBeDefined()
  })

  test('the gate is closed where the champion cannot be compared with', async () => {
    const registry = await openRegistry(registryFile(home()))
    const champion = await registry.resolve('models:/small@champion')
    const renamed = join(folder, 'renamed.csv')
    await writeFile(renamed, (await readFile(join(folder, 'rows.csv'), 'utf8')).replace(',colour,', ',color,'))
    const { registration, state } = await run('data.source_path=renamed.csv')
    expect(state.stages.find(({ error }) => error)?.error).toBeUndefined()
    expect(registration?.gate?.passed).toBe(false)
    expect(registration?.gate?.reasons.join()).toContain('the data lacks its inputs colour (text)')
    expect((await registry.resolve('models:/small@champion')).version).toBe(champion.version)

    await registry.close()
  })

  test('a refused model is registered, not promoted', async () => {
    const registry = await openRegistry(registryFile(home()))
    const before = (await registry.resolve('models:/small@champion')).version
    const refused = await run('gate.minimum=0.9999')
    expect(refused.registration?.gate?.passed).toBe(false)
    expect((await registry.resolve('models:/small@champion')).version).toBe(before)
    expect((await registry.versions('small')).length).toBeGreaterThan(before)
    await registry.close()
  })

  test('a version that is gone from the registry is registered again', async () => {
    await rm(registryFile(home()), { force: true })
    const again = await run()
    expect(again.registration?.version).toBe(1)
    const status = Object.fromEntries(again.state.stages.map(({ name, status: what }) => [name, what]))
    expect(status).toMatchObject({ train: 'cached', evaluate: 'cached', register: 'success' })
  })

  test('a damaged champion is an error, not a missing one', async () => {
    const registry = await openRegistry(registryFile(home()))
    const champion = await registry.resolve('models:/small@champion')
    const hex = champion.model.digest.slice(7)
    const blob = join(home(), 'artifacts/sha256', hex.slice(0, 2), hex)
    await chmod(blob, 0o644)
    const bytes = await readFile(blob)
    bytes[100] = (bytes[100] ?? 0) ^ 1
    await writeFile(blob, bytes)
    const damaged = await run('training.learning_rate=0.0000001')
    expect(damaged.state.stages.find(({ name }) => name === 'register')?.error?.code).toBe('MR_ARTIFACT_CORRUPT')
    expect((await registry.resolve('models:/small@champion')).version).toBe(champion.version)
    await registry.close()
  })

  test('a target that is large beside its spread keeps its digits', async () => {
    const rng = new Rng(3)
    const rows = Array.from({ length: 400 }, () => {
      const x = rng.normal()
      return [x, 40 * x + 5 * rng.normal()] as const
    })
    const rmse: number[] = []
    for (const offset of [0, 1_700_000_000]) {
      const at = join(folder, `offset-${offset}`)
      await mkdir(at)
      const lines = rows.map(([x, y]) => `${x.toFixed(6)},${(offset + y).toFixed(3)}`)
      await writeFile(join(at, 'rows.csv'), `x,y\n${lines.join('\n')}\n`)
      await writeFile(
        join(at, 'pipeline.yaml'),
        `pipeline_name: offset
version: "1"
label: y
data: {source_path: rows.csv, output_path: out}
training: {model_type: logistic_regression, max_epochs: 60, batch_size: 32, learning_rate: 0.05}
evaluation: {bootstrap: 50}
`,
      )
      const { state } = await runPipeline(loadConfig(join(at, 'pipeline.yaml')), { home: join(at, 'home') })
      const digest = state.stages.find(({ name }) => name === 'evaluate')?.value?.['report']?.digest.slice(7) ?? ''
      const report = join(at, 'home/artifacts/sha256', digest.slice(0, 2), digest)
      const { metrics } = JSON.parse(await readFile(report, 'utf8')) as { metrics: { rmse: { value: number } } }
      rmse.push(metrics.rmse.value)
    }
    expect(rmse[0]).toBeLessThan(8)
    expect(Math.abs((rmse[1] ?? 0) - (rmse[0] ?? 0))).toBeLessThan(0.01)
  })

  test('the same bytes are the same version, whatever run made them', async () => {
    const first = await run()
    const again = await run('gate.minimum=0.55')
    expect(again.registration?.version).toBe(first.registration?.version)
  })

  test('a label that does not exist: one error, nothing registered or published', async () => {
    const other = join(folder, 'other')
    const loaded = loadConfig(join(folder, 'pipeline.yaml'), { set: ['label=bouhgt', 'data.output_path=out2'] })
    const { state, registration } = await runPipeline(loaded, { home: other })
    expect(state.status).toBe('failed')
    const error = state.stages.find(({ name }) => name === 'transform')?.error
    expect(error).toMatchObject({ code: 'MR_LABEL_MISSING' })
    expect(error?.message).toContain("did you mean 'bought'")
    expect(registration).toBeUndefined()
    expect(existsSync(join(folder, 'out2'))).toBe(false)
    expect(existsSync(registryFile(other))).toBe(false)
  })

  test('a feature that is infinite in a test row alone: one error, nothing published', async () => {
    const at = join(folder, 'infinite')
    await mkdir(at)
    const rows = Array.from({ length: 200 }, (_, i) => `${i},${i === 199 ? '1e300' : i % 7},${'ab'[i % 2]}`)
    await writeFile(join(at, 'rows.csv'), `t,x,y\n${rows.join('\n')}\n`)
    await writeFile(
      join(at, 'pipeline.yaml'),
      `pipeline_name: infinite
version: "1"
label: y
timestamp: t
split: {method: time}
data: {source_path: rows.csv, output_path: out}
training: {model_type: logistic_regression}
`,
    )
    const { state } = await runPipeline(loadConfig(join(at, 'pipeline.yaml')), { home: join(at, 'home') })
    const error = state.stages.find(({ name }) => name === 'transform')?.error
    expect(error).toMatchObject({ code: 'MR_TRANSFORM_NOT_FINITE' })
    expect(error?.message).toContain('"x": its feature is infinite in 1 rows, the first of them row 200 (test)')
    expect(existsSync(join(at, 'out'))).toBe(false)
  })
})
