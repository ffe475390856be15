import { describe, expect, test } from 'vitest'
import { globMatcher, isPattern } from './glob.js'

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
    const matches = globMatcher(pattern)
    for (const name of yes) expect(matches(name), name).toBe(true)
    for (const name of no) expect(matches(name), name).toBe(false)
  })

  // a regular expression that tries every way to part these takes longer than anybody waits
  test.each([
    ['*a'.repeat(30) + 'b', false, false],
    ['**a'.repeat(30) + 'b', false, false],
    ['**/'.repeat(30) + 'b', false, true],
    ['{*,**,?}'.repeat(30) + 'b', false, true],
    ['**/*a*'.repeat(20), true, false],
  ])('%s takes time that is linear in the text', (pattern, short, long) => {
    const matches = globMatcher(pattern)
    const text = 'a/aa'.repeat(500)
    expect(matches(text)).toBe(short)
    expect(matches(`${text}/b`)).toBe(long)
  })

  test('is told by its characters', () => {
    expect(['a*', 'a?', '[a]', '{a,b}', 'plain-(1).csv'].map(isPattern)).toEqual([true, true, true, true, false])
  })
})
