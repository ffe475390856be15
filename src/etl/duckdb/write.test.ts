/** Written tables: quick ones have the rows and row groups of others; partitions have their order and types; bounds are told. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, it } from 'vitest'
import { call, cast, col, int, num, text, when } from '../expr.js'
import { filter, project, scan, type Relation } from '../relation.js'
import { openDuckDb } from './engine.js'

it('a quick table has the rows and row groups of any other, and none of its long dictionaries', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-write-'))
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  const engine = await openDuckDb({ threads: 2 })
  const rows = async (sql: string) => (await connection.runAndReadAll(sql)).getRowsJson()
  try {
    const source = join(folder, 'source.parquet')
    await connection.run(
      `COPY (SELECT (i * 7919 % 8009) / 97.0::DOUBLE AS n, 'c' || (i % 50) AS t FROM range(300000) AS r(i)) TO '${source}'`,
    )
    const table = scan({ format: 'parquet', paths: [source] }, [
      { name: 'n', type: 'number' },
      { name: 't', type: 'text' },
    ])
    const some = filter(table, call('gt', col('n'), num(10)))
    for (const [name, quick] of [
      ['quick', true],
      ['slow', false],
    ] as const)
      await engine.write(some, { folder: join(folder, name), format: 'parquet', compression: 'zstd', quick })
    const file = (name: string): string => `'${join(folder, name, 'part-0.parquet')}'`
    const groups = (name: string) =>
      rows(`SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata(${file(name)}) ORDER BY ALL`)
    expect(await groups('quick')).toEqual(await groups('slow'))
    expect(await groups('quick')).toHaveLength(3)
    const inOrder = (name: string): string => `SELECT *, file_row_number FROM read_parquet(${file(name)})`
    expect(await rows(`(${inOrder('quick')}) EXCEPT (${inOrder('slow')})`)).toEqual([])
    const [counts] = await rows(
      `SELECT (SELECT count(*) FROM ${file('quick')}), (SELECT count(*) FROM ${file('slow')})`,
    )
    expect(counts?.[0]).toBe(counts?.[1])
    const withDictionary = (name: string) =>
      rows(
        `SELECT path_in_schema FROM parquet_metadata(${file(name)}) WHERE encodings LIKE '%DICTIONARY%' GROUP BY 1 ORDER BY 1`,
      )
    expect(await withDictionary('slow')).toEqual([['n'], ['t']])
    expect(await withDictionary('quick')).toEqual([['t']])
  } finally {
    await engine[Symbol.asyncDispose]()
    connection.closeSync()
    instance.closeSync()
    await rm(folder, { recursive: true, force: true })
  }
})

it('partitions hold their rows in order, with the bytes of a table of these rows alone, whether computed once or read for each', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-write-'))
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  const engine = await openDuckDb({ threads: 2 })
  try {
    const source = join(folder, 'source.parquet')
    await connection.run(`COPY (SELECT i, i / 3.0::DOUBLE AS n, '' AS t FROM range(300000) AS r(i)) TO '${source}'`)
    const table = scan({ format: 'parquet', paths: [source], plain: true }, [
      { name: 'i', type: 'integer' },
      { name: 'n', type: 'number' },
      { name: 't', type: 'text' },
    ])
    const part = when(
      call('lt', col('i'), int(5)),
      text('few'),
      when(call('eq', call('int_mod', col('i'), int(3)), int(0)), text('third'), text("o'ther")),
    )
    const columns = [
      { name: 'i', expr: cast(col('i'), 'int32') },
      { name: 'n', expr: cast(col('n'), 'float32') },
      { name: 't', expr: col('t') },
      { name: 'part', expr: part },
    ] as const
    const computed = project(table, columns)
    const { files, rows } = await engine.write(computed, {
      ...{ folder: join(folder, 'parts'), format: 'parquet', partitionBy: ['part'] },
    })
    expect(rows).toBe(300_000)
    expect(files.map(({ path, partition }) => [path, partition])).toEqual([
      ['part=few/part-0.parquet', ['few']],
      ['part=o%27ther/part-0.parquet', ["o'ther"]],
      ['part=third/part-0.parquet', ['third']],
    ])
    for (const [index, { path, partition }] of files.entries()) {
      const alone: Relation = filter(computed, call('eq', col('part'), text(partition?.[0] ?? '')))
      const kept = project(
        alone,
        ['i', 'n', 't'].map((name) => ({ name, expr: col(name) })),
      )
      await engine.write(kept, { folder: join(folder, `alone-${index}`), format: 'parquet' })
      const [ours, theirs] = [join(folder, 'parts', path), join(folder, `alone-${index}`, 'part-0.parquet')]
      expect((await readFile(ours)).equals(await readFile(theirs))).toBe(true)
    }
    const types = await connection.runAndReadAll(
      `SELECT typeof(i), typeof(n), t FROM read_parquet('${folder}/parts/*/*') LIMIT 1`,
    )
    expect(types.getRowsJson()).toEqual([['INTEGER', 'FLOAT', '']])
  } finally {
    await engine[Symbol.asyncDispose]()
    connection.closeSync()
    instance.closeSync()
    await rm(folder, { recursive: true, force: true })
  }
})

it('columns that may be infinite are told: of the right file, with infinities and NaNs of any place, and no others', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-write-'))
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  const engine = await openDuckDb({ threads: 2 })
  try {
    const source = join(folder, 'source.parquet')
    // each in another row group; `large` is too large for a single
    await connection.run(`COPY (SELECT i, i::DOUBLE AS "fine, ""x.y""",
      CASE WHEN i = 5 THEN 'inf'::DOUBLE ELSE i END::DOUBLE AS up, CASE WHEN i = 250000 THEN '-inf'::DOUBLE ELSE 1 END::DOUBLE AS down,
      CASE WHEN i = 130000 THEN 'nan'::DOUBLE ELSE 0 END::DOUBLE AS nan, CASE WHEN i = 8 THEN 1e39 ELSE i END::DOUBLE AS large,
      -0.0::DOUBLE AS zero, i AS whole FROM range(300000) AS r(i)) TO '${source}' (ROW_GROUP_SIZE 122880)`)
    const names = ['fine, "x.y"', 'up', 'down', 'nan', 'large', 'zero']
    const table = scan({ format: 'parquet', paths: [source], plain: true }, [
      { name: 'i', type: 'integer' },
      ...names.map((name) => ({ name, type: 'number' }) as const),
      { name: 'whole', type: 'integer' },
    ])
    const features = project(table, [
      { name: 'side', expr: when(call('lt', col('i'), int(200_000)), text('first'), text('last')) },
      ...names.map((name) => ({ name, expr: cast(col(name), 'float32') })),
      { name: 'whole', expr: col('whole') },
    ])
    const { files } = await engine.write(features, {
      ...{ folder: join(folder, 'told'), format: 'parquet', partitionBy: ['side'], tellInfinite: true },
    })
    expect(files.map(({ perhapsInfinite }) => perhapsInfinite)).toEqual([['large', 'nan', 'up'], ['down']])
    const fine = project(
      table,
      ['fine, "x.y"', 'zero', 'whole'].map((name) => ({ name, expr: col(name) })),
    )
    const target = { folder: join(folder, 'fine'), format: 'parquet', tellInfinite: true } as const
    expect((await engine.write(fine, target)).files[0]).not.toHaveProperty('perhapsInfinite')
  } finally {
    await engine[Symbol.asyncDispose]()
    connection.closeSync()
    instance.closeSync()
    await rm(folder, { recursive: true, force: true })
  }
})
