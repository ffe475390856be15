/** Paths as Spark takes and tells them: the spellings were read off a real server (4.3). */
import { describe, expect, it } from 'vitest'
import { filter, limit, scan, union, type Relation } from '../relation.js'
import { call, col, int } from '../expr.js'
import { compile } from '../sql/compile.js'
import { deletedName, scanName, spark } from '../sql/spark-scan.js'
import { piecesOf } from './order.js'
import type { Scan } from './prepare.js'
import { locationOf, pattern } from './reads.js'

const table = (...paths: string[]): Scan =>
  scan({ format: 'parquet', paths, plain: true }, [{ name: 'id', type: 'integer' }]) as Scan

describe('paths for Spark', () => {
  it.each([
    ["/a/b c=ü%20/two's.parquet", "file:/a/b%20c=ü%2520/two's.parquet"],
    ['/c/br[1]*.parquet', 'file:/c/br%5B1%5D*.parquet'],
    ['/c/q?{a,b}.parquet', 'file:/c/q%3F%7Ba,b%7D.parquet'],
    ['/c/back\\slash.parquet', 'file:/c/back%5Cslash.parquet'],
    ['/c/plus+ %41', 'file:/c/plus+%20%2541'],
    ['/c/#x&y=z+;:@,"<>^`|~é\u00a0\u2003日', 'file:/c/%23x&y=z+;:@,%22%3C%3E%5E%60%7C~é%C2%A0%E2%80%83日'],
    ['/a/./b/../c', 'file:/a/c'],
  ])('%s is told as %s', (path, told) => expect(locationOf(path)).toBe(told))

  it('are patterns whose special characters are escaped', () => {
    expect(pattern('/c/q?{a,b}[1]*\\.parquet')).toBe('file:/c/q\\?\\{a,b\\}\\[1\\]\\*\\\\.parquet')
  })
})

describe('scans', () => {
  it('have one name for one scan, and another for another', () => {
    expect(scanName(table('a'))).toBe(scanName(table('a')))
    const others = [table('b'), table('a', 'a'), { ...table('a'), rowNumber: 'id' }, { ...table('a'), rowsBefore: [1] }]
    expect(new Set([table('a'), ...others].map(scanName)).size).toBe(5)
  })
  it('have a name by the digests of what they leave out, not by its bits', () => {
    const without = (digest: string, byte: number): Scan => {
      const { schema } = table('a')
      const deleted = { a: { bits: Uint8Array.of(byte), digest } }
      return scan({ format: 'parquet', paths: ['a', 'b'], plain: true, deleted }, schema) as Scan
    }
    expect(scanName(without('x', 1))).toBe(scanName(without('x', 2)))
    const scans = [table('a', 'b'), without('x', 1), without('y', 1)]
    expect(new Set(scans.map(scanName)).size).toBe(3)
    expect(new Set(scans.map(deletedName)).size).toBe(3)
    // parts that lack no row read nothing of it
    const [first, second] = piecesOf(without('x', 1)).flatMap(({ relation }) =>
      relation.kind === 'union' ? relation.inputs : [relation],
    )
    expect([first, second].map((part) => part !== undefined && compile(part, spark).includes('LEFT JOIN'))).toEqual([
      true,
      false,
    ])
  })
  it('are read in order as a union of files, and what is sorted or cut by itself', () => {
    const some = filter(table('a', 'b'), call('gt', col('id'), int(0)))
    const cut = limit(table('c'), 3)
    const pieces = piecesOf(union([some, cut, table('d')]))
    expect(pieces.map(({ isFixed, relation }) => [isFixed, filesOf(relation)])).toEqual([
      [true, ['a', 'b']],
      [false, ['c']],
      [true, ['d']],
    ])
    expect(pieces[0]?.relation.kind).toBe('union')
    const many = table(...Array.from({ length: 130 }, (_, i) => `${i}`))
    expect(piecesOf(many).map(({ relation }) => filesOf(relation).length)).toEqual([64, 64, 2])
  })
})

function filesOf(relation: Relation): readonly string[] {
  switch (relation.kind) {
    case 'scan':
      return relation.source.paths
    case 'union':
      return relation.inputs.flatMap(filesOf)
    case 'join':
      return []
    default:
      return filesOf(relation.input)
  }
}
