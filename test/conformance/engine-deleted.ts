/** Rows that a table lacks by their places: left out of whatever is read, and the others keep their numbers. */
import { copyFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { aggregate, col } from '../../src/etl/expr.js'
import { aggregated, limit, type Relation, scan, select } from '../../src/etl/relation.js'
import { type Bench, manyRows } from './engine.js'

export function deletedConformance(bench: Bench): void {
  const rows = async (relation: Relation): Promise<readonly (readonly unknown[])[]> =>
    (await bench.engine.rows(relation)).map((row) => relation.schema.map(({ name }) => row[name]))

  describe('rows that are left out', () => {
    it('by their places in several files', async () => {
      const ids = await bench.table('left-out.csv', 'id,x\n1,a\n2,b\n3,c\n4,d\n5,e\n')
      const { files } = await bench.engine.write(ids, { folder: bench.path('left-out'), format: 'parquet' })
      // one file under three names; two rows of the first, and all of the last
      const [first = '', second = '', last = ''] = ['', './', '././'].map((way) =>
        [bench.path('left-out'), `${way}${files[0]?.path}`].join('/'),
      )
      const bits = (byte: number) => ({ bits: Uint8Array.of(byte), digest: String(byte) })
      const deleted = { [first]: bits(0b0101_0000), [last]: bits(0b1111_1000) }
      const rowsOf = (paths: readonly string[], rowsBefore: readonly number[]) =>
        scan({ format: 'parquet', paths, deleted }, ids.schema, { rowNumber: 'row', rowsBefore })
      expect(await rows(select(rowsOf([first], [100]), ['row', 'id']))).toEqual([
        [100n, 1n],
        [102n, 3n],
        [104n, 5n],
      ])
      const all = rowsOf([first, second, last], [0, 5, 10])
      expect((await rows(select(all, ['row']))).flat()).toEqual([0n, 2n, 4n, 5n, 6n, 7n, 8n, 9n])
      expect((await rows(limit(select(all, ['row']), 3, 2))).flat()).toEqual([4n, 5n, 6n])
      const unnumbered = scan({ format: 'parquet', paths: [first, last, second], deleted }, ids.schema)
      expect((await rows(select(unnumbered, ['id']))).flat()).toEqual([1n, 3n, 5n, 1n, 2n, 3n, 4n, 5n])
      // a name that some engines pass over
      const hidden = bench.path('_left-out.parquet')
      await copyFile(first, hidden)
      const odd = { format: 'parquet' as const, paths: [hidden], deleted: { [hidden]: bits(0b1000_0000) } }
      const rest = scan(odd, ids.schema, { rowNumber: 'row', rowsBefore: [7] })
      expect((await rows(select(rest, ['row']))).flat()).toEqual([8n, 9n, 10n, 11n])
      const facts = aggregated(
        all,
        [],
        [
          { name: 'n', expr: aggregate('count', []) },
          { name: 'sum', expr: aggregate('sum', [col('id')]) },
        ],
      )
      expect(await rows(facts)).toEqual([[8n, 24n]])
      const statistics = await bench.engine.statistics(all, [
        { name: 'id', expr: col('id'), mean: true, range: true, quantiles: [0.5], values: 9 },
      ])
      expect(statistics.get('id')).toMatchObject({ rows: 8, mean: 3, min: 1, max: 5, quantiles: [3] })
    })

    it('of many, from any position on', async () => {
      const many = await manyRows(bench, 'left-out-many.csv', 200_000)
      const { files } = await bench.engine.write(many, { folder: bench.path('left-out-many'), format: 'parquet' })
      const paths = files.map((file) => [bench.path('left-out-many'), file.path].join('/'))
      const before = files.map((_, i) => 77 + files.slice(0, i).reduce((sum, file) => sum + file.rows, 0))
      const isLeftOut = (id: number): boolean => id % 7 === 0 || (id > 65_400 && id < 65_600) || id === 199_999
      const deleted = Object.fromEntries(
        files.map((file, i) => {
          const bits = new Uint8Array(Math.ceil(file.rows / 8))
          for (let place = 0; place < file.rows; place++)
            if (isLeftOut((before[i] ?? 0) - 77 + place))
              bits[place >> 3] = (bits[place >> 3] ?? 0) | (0x80 >> (place & 7))
          return [paths[i] ?? '', { bits, digest: `many ${i}` }]
        }),
      )
      const source = { format: 'parquet' as const, paths, deleted }
      const left = scan(source, [{ name: 'id', type: 'integer' }], { rowNumber: 'row', rowsBefore: before })
      const kept = Array.from({ length: 200_000 }, (_, id) => id).filter((id) => !isLeftOut(id))
      const found: number[][] = [[], []]
      for await (const { columns } of bench.engine.query(left).batches())
        for (const [c, column] of columns.entries()) for (const value of column) found[c]?.push(Number(value))
      expect(found[0]).toEqual(kept)
      expect(found[1]).toEqual(kept.map((id) => id + 77))
    })
  })
}
