/**
 * What an engine makes of folders called `column=value`: columns below the source that was named, nothing above it; and
 * how it writes them.
 */
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { aggregate, call, col, int, num, text, when, type Expr } from '../../src/etl/expr.js'
import {
  aggregated,
  filter,
  project,
  type Relation,
  scan,
  select,
  sort,
  windowed,
  withColumns,
} from '../../src/etl/relation.js'
import { expandSource } from '../../src/etl/source.js'
import { type Bench, digestOf, manyRows, named, ORDERS } from './engine.js'

const FORMATS = ['parquet', 'csv', 'json'] as const
const ROWS = `id,x,filename,year,k,when
1,own,f,2024,a/b,2024-01-01
2,own,f,2024,,2024-01-01
3,own,f,2025,é 'q',2024-02-29
4,own,f,,a/b,
5,own,f,2025,é 'q',2024-02-29
`

export function foldersConformance(bench: Bench): void {
  const read = async (location: string): Promise<Relation> => {
    const { source, schema } = await bench.engine.inferSchema(await expandSource(location))
    return scan(source, schema, { rowNumber: 'row' })
  }
  const fieldsOf = (relation: Relation) => relation.schema.map(({ name, type }) => `${name} ${type}`)
  const rowsOf = async (relation: Relation, ...names: string[]): Promise<unknown[][]> =>
    (await bench.engine.rows(select(relation, names))).map((row) => names.map((name) => row[name]))
  /** A file in any format, below `x=5`, which means nothing. */
  const file = async (path: string, content: string): Promise<string> => {
    const target = join(bench.path('x=5'), path)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, content)
    return target
  }

  describe.each(FORMATS)('folders called column=value: %s', (format) => {
    const written = async (name: string): Promise<string> => {
      const folder = join(bench.path('x=5'), `${name}-${format}`)
      await mkdir(bench.path('x=5'), { recursive: true })
      const table = await bench.table(`${name}-${format}.csv`, ROWS)
      await bench.engine.write(table, { folder, format, partitionBy: ['year', 'k', 'when'] })
      return folder
    }

    it('are columns with types of their own, of values as they were written', async () => {
      const table = await read(await written('typed'))
      const own =
        format === 'json' ? ['id integer', 'x text', 'filename text'] : ['id integer', 'x text', 'filename text']
      expect(fieldsOf(table)).toEqual([...own, 'year integer', 'k text', 'when date', 'row integer'])
      const day = BigInt(Date.parse('2024-01-01')) * 1000n
      const leap = BigInt(Date.parse('2024-02-29')) * 1000n
      expect(await rowsOf(sort(table, [{ expr: col('id') }]), 'id', 'x', 'filename', 'year', 'k', 'when')).toEqual([
        [1n, 'own', 'f', 2024n, 'a/b', day],
        [2n, 'own', 'f', 2024n, null, day],
        [3n, 'own', 'f', 2025n, "é 'q'", leap],
        [4n, 'own', 'f', null, 'a/b', null],
        [5n, 'own', 'f', 2025n, "é 'q'", leap],
      ])
    })

    it('can be read alone, filtered, counted and written', async () => {
      const { engine } = bench
      const folder = await written('used')
      const table = await read(folder)
      const is = (name: string, value: Expr): Relation => filter(table, call('eq', col(name), value))
      expect((await rowsOf(is('year', int(2025)), 'id', 'k')).map(String).sort()).toEqual(["3,é 'q'", "5,é 'q'"])
      expect(await rowsOf(project(is('k', text('a/b')), [{ name: 'k', expr: col('k') }]), 'k')).toEqual([
        ['a/b'],
        ['a/b'],
      ])
      const found = await engine.statistics(table, [{ name: 'y', expr: col('year'), mean: true, values: 9 }])
      expect(found.get('y')).toMatchObject({ rows: 5, missing: 1, mean: 2024.5 })
      const rows = await rowsOf(table, 'row', 'id', 'year')
      expect(rows.map(([row]) => row)).toEqual([0n, 1n, 2n, 3n, 4n]) // in the order of the files
      const few = select(table, ['id', 'year'])
      const { files } = await engine.write(few, { folder: `${folder}-again`, format: 'parquet' })
      const again = await read(join(`${folder}-again`, files[0]?.path ?? ''))
      expect(await rowsOf(again, 'row', 'id', 'year')).toEqual(rows)
    })

    it('above the source mean nothing, also where its files have a column of that name', async () => {
      const folder = await written('above')
      const { paths } = await expandSource(folder)
      const one = await read(paths[0] ?? '')
      expect(fieldsOf(one)).toEqual(['id integer', 'x text', 'filename text', 'row integer'])
      expect((await rowsOf(one, 'x')).flat()).toEqual(Array((await rowsOf(one, 'x')).length).fill('own'))
    })
  })

  it.each([
    ['csv', 'id,K\n1,file\n'],
    ['json', '{"id":1,"K":"file"}\n'],
  ])('what files say of a column goes before the name of their folder: %s', async (format, content) => {
    const path = await file(`own-${format}/k=folder/j=7/p.${format}`, content)
    const table = await read(join(dirname(path), '..', '..'))
    expect(fieldsOf(table)).toEqual(['id integer', 'K text', 'j integer', 'row integer'])
    expect(await rowsOf(table, 'id', 'K', 'j')).toEqual([[1n, 'file', 7n]])
  })

  it('what Parquet files say of a column goes before the name of their folder', async () => {
    const folder = join(bench.path('x=5'), 'own-parquet', 'k=folder')
    await mkdir(dirname(folder), { recursive: true })
    await bench.engine.write(await bench.table('own.csv', 'id,k\n1,file\n'), { folder, format: 'parquet' })
    const table = await read(dirname(folder))
    expect(fieldsOf(table)).toEqual(['id integer', 'k text', 'row integer'])
    expect(await rowsOf(table, 'k')).toEqual([['file']])
  })

  describe('writes folders called column=value', () => {
    let orders: Relation
    beforeAll(async () => {
      orders = await bench.table('folders-orders.csv', ORDERS)
    })
    it('writes a folder for each value, missing and odd ones too', async () => {
      const odd = withColumns(orders, named({ k: call('nullif', call('concat', col('k'), text('/é')), text('')) }))
      const target = { folder: bench.path('parts'), format: 'parquet' as const, partitionBy: ['k'] }
      const { files, rows } = await bench.engine.write(odd, target)
      expect(rows).toBe(5)
      expect(files.map((file) => [file.path.split('/')[0], file.rows])).toEqual([
        ['k=a%2F%C3%A9', 2],
        ['k=b%2F%C3%A9', 2],
        ['k=__HIVE_DEFAULT_PARTITION__', 1],
      ])
      expect(files.map(({ partition }) => partition)).toEqual([['a/é'], ['b/é'], [null]])
      const source = await expandSource(bench.path('parts'))
      const { schema } = await bench.engine.inferSchema(source)
      const back = sort(scan(source, schema), [{ expr: col('id') }])
      expect((await rowsOf(back, 'id', 'k')).map(String)).toEqual(['1,a/é', '2,b/é', '3,a/é', '4,', '5,b/é'])
    })
    it('writes many folders, each with its rows in the order of the relation', async () => {
      const many = await manyRows(bench, 'folders.csv', 3000)
      const part = call('nullif', call('int_mod', col('id'), int(40)), int(7))
      const id = col('id')
      const own = { _metadata: id, __millrace_position: id, __millrace_part: id }
      const parted = withColumns(many, named({ part, ...own }))
      const { files, rows, schema } = await bench.engine.write(parted, {
        folder: bench.path('many-parts'),
        format: 'parquet',
        partitionBy: ['part'],
      })
      expect([rows, files.length]).toEqual([3000, 40])
      expect(schema).toEqual(parted.schema)
      const source = await expandSource(bench.path('many-parts'))
      const back = scan(source, (await bench.engine.inferSchema(source)).schema, { rowNumber: 'place' })
      const found = await bench.engine.rows(sort(select(back, ['id', 'part', 'place']), [{ expr: col('place') }]))
      const wanted = await bench.engine.rows(select(parted, ['id', 'part']))
      expect(byPart(found)).toEqual(byPart(wanted))
    })
    it('writes few folders of many rows in the order of the relation, with the same bytes each time', async () => {
      const many = await manyRows(bench, 'few-folders.csv', 100_000)
      const source = await bench.engine.write(many, { folder: bench.path('few-source'), format: 'parquet' })
      const paths = source.files.map((file) => bench.path(join('few-source', file.path)))
      const stored = scan({ format: 'parquet', paths }, many.schema)
      const part = call('nullif', call('int_mod', col('id'), int(3)), int(2))
      const parted = withColumns(stored, named({ part, half: call('lt', col('id'), int(50_000)) }))
      const target = { format: 'parquet' as const, partitionBy: ['half', 'part'] }
      const digests = new Set<string>()
      for (const round of ['a', 'b']) {
        const { files, rows } = await bench.engine.write(parted, { folder: bench.path(`few-${round}`), ...target })
        expect(rows).toBe(100_000)
        const combined = new Map<string, number>()
        for (const { partition = [], rows: n } of files)
          combined.set(partition.join(), (combined.get(partition.join()) ?? 0) + n)
        expect([...combined]).toEqual([
          ['false,0', 16_667],
          ['false,1', 16_666],
          ['false,', 16_667],
          ['true,0', 16_667],
          ['true,1', 16_667],
          ['true,', 16_666],
        ])
        digests.add(
          (await Promise.all(files.map((file) => digestOf(bench.path(join(`few-${round}`, file.path)))))).join(),
        )
      }
      expect(digests.size).toBe(1)
      const written = await expandSource(bench.path('few-a'))
      const back = scan(written, (await bench.engine.inferSchema(written)).schema, { rowNumber: 'place' })
      const previous: Expr = {
        op: 'window',
        fn: 'lag',
        args: [col('id')],
        partitionBy: [col('half'), col('part')],
        orderBy: [{ expr: col('place') }],
        params: [1],
      }
      const disordered = filter(windowed(back, named({ previous })), call('ge', col('previous'), col('id')))
      expect(await rowsOf(aggregated(disordered, [], named({ n: aggregate('count', []) })), 'n')).toEqual([[0n]])
    })
    it('tells columns of numbers that may hold an infinity, in which files', async () => {
      const large = withColumns(orders, named({ large: call('mul', col('x'), num(1e308)) }))
      const target = { format: 'parquet' as const, partitionBy: ['k'], tellInfinite: true }
      const { files } = await bench.engine.write(large, { folder: bench.path('told'), ...target })
      expect(files.map(({ perhapsInfinite }) => perhapsInfinite)).toEqual([['large'], undefined, ['large']])
      const whole = await bench.engine.write(select(orders, ['id', 'x']), {
        ...target,
        folder: bench.path('fine'),
        partitionBy: [],
      })
      expect(whole.files.map((file) => 'perhapsInfinite' in file)).toEqual([false])
    })
    describe('of values that are known beforehand', () => {
      /** One Parquet file of few rows or of many, text, and rows in an order that no file has. */
      const tables: Readonly<Record<string, () => Promise<Relation>>> = {
        'a small file': () => stored(1000, 'told-small'),
        'many rows': () => stored(100_000, 'told-large'),
        text: () => manyRows(bench, 'told-small.csv', 1000),
        'sorted rows': async () => sort(await stored(1000, 'told-small'), [{ expr: col('k') }, { expr: col('x') }]),
      }
      const stored = async (rows: number, name: string): Promise<Relation> => {
        const many = await manyRows(bench, `${name}.csv`, rows)
        const { files } = await bench.engine.write(many, {
          folder: bench.path(`${name}-${++folders}`),
          format: 'parquet',
        })
        const paths = files.map((file) => bench.path(join(`${name}-${folders}`, file.path)))
        return scan({ format: 'parquet', paths }, many.schema)
      }
      let folders = 0
      const parted = (rows: Relation): Relation =>
        withColumns(rows, named({ part: call('nullif', call('int_mod', col('id'), int(4)), int(3)) }))
      const KNOWN = [['1'], [null], ['7'], ['0'], ['2']]

      it.each(
        Object.keys(tables).flatMap((name) => (['parquet', 'csv'] as const).map((format) => [name, format] as const)),
      )('writes the same folders of %s as %s, none for a value without rows', async (name, format) => {
        const rows = parted((await tables[name]?.()) as Relation)
        const found: unknown[] = []
        for (const told of [{}, { partitionValues: KNOWN }]) {
          const folder = bench.path(`told-${++folders}`)
          const written = await bench.engine.write(rows, { folder, format, partitionBy: ['part'], ...told })
          const source = await expandSource(folder)
          const { source: read, schema } = await bench.engine.inferSchema(source)
          const back = scan(read, schema, { rowNumber: 'place' })
          const ids = await bench.engine.rows(sort(select(back, ['id', 'part', 'place']), [{ expr: col('place') }]))
          const parts = new Map<string, number>()
          for (const { path, partition = [], rows: n } of written.files) {
            const part = `${path.split('/')[0]} ${String(partition[0])}`
            parts.set(part, (parts.get(part) ?? 0) + n)
          }
          found.push([written.rows, written.schema, [...parts], byPart(ids)])
        }
        expect(found[1]).toEqual(found[0])
        expect((found[0] as unknown[])[2]).toHaveLength(4)
      })

      it.each(Object.keys(tables))('leaves no table of %s where a row has another', async (name) => {
        const rows = parted((await tables[name]?.()) as Relation)
        const by = ['part', 'half']
        const halved = withColumns(rows, named({ half: call('lt', col('id'), int(2)) }))
        const both = KNOWN.flatMap(([part = null]) => ['true', 'false'].map((half) => [part, half]))
        const write = async (partitionValues: readonly (string | null)[][]) => {
          const folder = bench.path(`told-${++folders}`)
          const target = { folder, format: 'parquet' as const, partitionBy: by, partitionValues }
          return { folder, write: bench.engine.write(halved, target) }
        }
        const without = (part: string | null) => both.filter(([value, half]) => value !== part || half === 'true')
        for (const values of [without(null), without('2'), both.filter(([part]) => part !== null), []]) {
          const { folder, write: writing } = await write(values)
          await expect(writing).rejects.toMatchObject({ code: 'MR_INTERNAL_BUG' })
          await expect(stat(folder)).rejects.toThrow()
        }
        expect((await (await write(both)).write).rows).toBeGreaterThan(0)
      })

      it('writes none of no rows', async () => {
        const none = filter(parted(await stored(1000, 'told-small')), call('lt', col('id'), int(0)))
        const target = { folder: bench.path('told-none'), format: 'parquet' as const, partitionBy: ['part'] }
        expect(await bench.engine.write(none, { ...target, partitionValues: KNOWN })).toMatchObject({
          rows: 0,
          files: [],
        })
      })
    })
    it('partitions by a column that is called as a count of rows may be', async () => {
      const called = project(orders, named({ id: col('id'), '#rows': col('k') }))
      const target = { folder: bench.path('called-rows'), format: 'parquet' as const, partitionBy: ['#rows'] }
      const { files } = await bench.engine.write(called, target)
      expect(files.map(({ partition, rows }) => [...(partition ?? []), rows])).toEqual([
        ['a', 2],
        ['b', 2],
        [null, 1],
      ])
    })
    it('refuses values that would share a folder', async () => {
      for (const [i, other] of ['__HIVE_DEFAULT_PARTITION__', 'B'].entries()) {
        const k = when(call('eq', col('id'), int(1)), text(other), col('k'))
        const target = { folder: bench.path(`same-${i}`), format: 'parquet' as const, partitionBy: ['k'] }
        const write = bench.engine.write(withColumns(orders, named({ k })), target)
        await expect(write).rejects.toMatchObject({ code: 'MR_PUBLISH_PARTITION' })
      }
    })
    it('refuses more folders than a table can have', async () => {
      const many = await manyRows(bench, 'too-many.csv', 10_001)
      const write = bench.engine.write(many, { folder: bench.path('too-many'), format: 'parquet', partitionBy: ['id'] })
      await expect(write).rejects.toMatchObject({ code: 'MR_PUBLISH_PARTITION' })
      await expect(stat(bench.path('too-many'))).rejects.toThrow()
    })
  })
}

/** The ids of each part, in the order of the rows. */
function byPart(rows: readonly Readonly<Record<string, unknown>>[]): Readonly<Record<string, readonly unknown[]>> {
  const parts: Record<string, unknown[]> = {}
  for (const { id, part } of rows) (parts[String(part)] ??= []).push(id)
  return parts
}
