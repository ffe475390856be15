/** What an engine makes of folders called `column=value`: columns below the source that was named, nothing above it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { call, col, int, text, type Expr } from '../../src/etl/expr.js'
import { filter, project, type Relation, scan, select, sort } from '../../src/etl/relation.js'
import { expandSource } from '../../src/etl/source.js'
import type { Bench } from './engine.js'

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
}
