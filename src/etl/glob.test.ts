import { describe, expect, test } from 'vitest'
import { globRegex, isPattern } from './glob.js'

describe('a pattern', () => {
  test.each([
    ['*.csv', ['a.csv', '😀 b.csv', '.csv'], ['d/a.csv', 'a.csv.gz']],
    ['?.csv', ['a.csv', '😀.csv', 'ü.csv'], ['ab.csv', '/.csv']],
    ['a/**/b.csv', ['a/b.csv', 'a/x/b.csv', 'a/x/y/b.csv'], ['ab.csv', 'a/xb.csv', 'b.csv']],
    ['a/**', ['a/b', 'a/b/c'], ['a', 'b/c']],
    ['2024-0[1-3].csv', ['2024-01.csv', '2024-03.csv'], ['2024-04.csv', '2024-0/.csv']],
    ['[!a]x', ['bx', ']x'], ['ax', '/x', 'x']],
    ['[]a]x', [']x', 'ax'], ['bx']],
    ['[a-]x', ['-x', 'ax'], ['bx']],
    ['{jan,feb*}.csv', ['jan.csv', 'feb.csv', 'feb-2.csv'], ['mar.csv', 'jan,feb.csv']],
    ['{a,b.[ct]sv}', ['a', 'b.csv', 'b.tsv'], ['b']],
    // what is no pattern is itself
    ['a[.csv', ['a[.csv'], ['a.csv']],
    ['{a}.csv', ['{a}.csv'], ['a.csv']],
    ['[]', ['[]'], ['']],
    ['[z-a]', ['[z-a]'], ['z']],
    ["it's (1)+$^|\\.csv", ["it's (1)+$^|\\.csv"], ["it's (1)xcsv"]],
  ])('%s', (pattern, yes, no) => {
    const regex = globRegex(pattern)
    for (const name of yes) expect(regex.test(name), name).toBe(true)
    for (const name of no) expect(regex.test(name), name).toBe(false)
  })

  test('is told by its characters', () => {
    expect(['a*', 'a?', '[a]', '{a,b}', 'plain-(1).csv'].map(isPattern)).toEqual([true, true, true, true, false])
  })
})
