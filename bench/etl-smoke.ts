/**
 * How long the embedded engine takes for a table of a million rows and twenty columns (or as many as told): types of
 * a CSV file, validation, statistics, features, all with the same bytes each time. `npx tsx bench/etl-smoke.ts [rows]`
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDuckDb } from '../src/etl/duckdb/engine.js'
import type { StatisticsRequest } from '../src/etl/engine.js'
import { call, cast, col, int, type Named, num, position, text } from '../src/etl/expr.js'
import { project, type Relation, scan } from '../src/etl/relation.js'
import { compileRules } from '../src/etl/rules.js'

const rows = Number(process.argv[2] ?? 1_000_000)
const NUMBERS = 14
const TEXTS = 5

/** Made of arithmetic on the row's number alone. */
function generated(numbers: Relation): Relation {
  const id = col('id')
  const mixed = (i: number) => cast(call('int_mod', call('mul', id, int(7919 + 2 * i)), int(100_003)), 'number')
  return project(numbers, [
    { name: 'id', expr: id },
    ...Array.from({ length: NUMBERS }, (_, i): Named => ({
      name: `n${i}`,
      expr: call('nullif', call('div', mixed(i), num(97 + i)), num(5)),
    })),
    ...Array.from({ length: TEXTS }, (_, i): Named => ({
      name: `t${i}`,
      expr: call('concat', text('c'), cast(call('int_mod', call('mul', id, int(31 + i)), int(10 * (i + 1))), 'text')),
    })),
  ])
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const engine = await openDuckDb({ threads: 2, memoryLimit: '2GB' })
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const [start, cpu] = [performance.now(), process.cpuUsage()]
    const result = await work()
    const { user, system } = process.cpuUsage(cpu)
    const line = { what, rows, wall_s: (performance.now() - start) / 1000, cpu_s: (user + system) / 1e6 }
    process.stdout.write(`${JSON.stringify(line)}\n`)
    return result
  }
  try {
    const { writeFile } = await import('node:fs/promises')
    const seed = join(folder, 'seed.csv')
    await writeFile(seed, `id\n${Array.from({ length: rows }, (_, i) => i).join('\n')}\n`)
    const ids = scan({ format: 'csv', paths: [seed], csv: { columns: ['id'] } }, [{ name: 'id', type: 'integer' }])
    await engine.write(generated(ids), { folder: join(folder, 'csv'), format: 'csv' })
    const csv = await timed('infer csv', () =>
      engine.inferSchema({ format: 'csv', paths: [join(folder, 'csv', 'part-0.csv')] }),
    )
    await timed('csv to parquet', () =>
      engine.write(scan(csv.source, csv.schema), {
        folder: join(folder, 'table'),
        format: 'parquet',
        compression: 'zstd',
      }),
    )
    const paths = [join(folder, 'table', 'part-0.parquet')]
    const table = scan({ format: 'parquet', paths }, csv.schema, { rowNumber: '__row' })
    const rules = compileRules(
      {
        required_columns: ['id'],
        non_null_columns: ['n0', 't0'],
        on_null: 'drop',
        value_ranges: { n1: [0, 1000], n2: [0, 1000] },
        unique_columns: ['id'],
        min_records: 1,
      },
      csv.schema,
      table,
      '__row',
      () => Date.now(),
    )
    const results = await timed('validate', () => rules.check(engine))
    const kept = await timed('keep sound rows', () =>
      engine.write(rules.kept, { folder: join(folder, 'kept'), format: 'parquet', compression: 'zstd' }),
    )
    const input = scan({ format: 'parquet', paths: [join(folder, 'kept', 'part-0.parquet')] }, kept.schema)
    const names = csv.schema.map(({ name }) => name).filter((name) => name !== 'id')
    const requests = names.map((name): StatisticsRequest => ({
      name,
      expr: col(name),
      ...(name.startsWith('n') ? { mean: true, stddev: true, quantiles: [0.5] } : { values: 1000 }),
    }))
    const facts = await timed('statistics', () => engine.statistics(input, requests))
    const features = project(
      input,
      names.map((name): Named => {
        const { mean = 0, stddev = 1, quantiles = [], values = [] } = facts.get(name) ?? {}
        if (name.startsWith('t')) {
          const index = position(
            col(name),
            values.map(({ value }) => value),
          )
          return { name, expr: cast(call('coalesce', index, int(values.length)), 'int32') }
        }
        const filled = call('coalesce', col(name), num(quantiles[0] ?? 0))
        return { name, expr: cast(call('div', call('sub', filled, num(mean)), num(stddev || 1)), 'float32') }
      }),
    )
    await timed('write features', () =>
      engine.write(features, { folder: join(folder, 'features'), format: 'parquet', compression: 'zstd' }),
    )
    await timed('read features', async () => {
      for await (const batch of engine.query(features).batches()) if (batch.rows < 0) throw new Error('impossible')
    })
    process.stdout.write(`${JSON.stringify({ broken: results.filter(({ passed }) => !passed).map(({ id }) => id) })}\n`)
  } finally {
    await engine[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  }
}

await main()
