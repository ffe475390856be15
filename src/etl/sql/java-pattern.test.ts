/** RE2's patterns in Java's syntax; test/engines shows that both find the same. */
import { DuckDBInstance } from '@duckdb/node-api'
import { describe, expect, it } from 'vitest'
import { javaPattern } from './java-pattern.js'

describe('a pattern for Java', () => {
  it.each([
    ['^[A-Z]{2}-\\d+$', String.raw`\A[A-Z]{2}\-[0-9]+\z`],
    ['a.b', 'a[^\\n]b'],
    ['(?s)a.b', String.raw`a[\x00-\x{10FFFF}]b`],
    ['(?m)^a$', String.raw`(?<![^\n])a(?![^\n])`],
    ['(?m:^a)$', String.raw`(?:(?<![^\n])a)\z`],
    ['(?i)é|(?-i:a)', '(?iu)é|(?-iu:a)'],
    ['(?P<year>\\d{4})(?:x)(y)', '(?:[0-9]{4})(?:x)(?:y)'],
    ['[\\s\\v]\\S', String.raw`[[\t\n\f\r ]\x0B][^\t\n\f\r ]`],
    ['[a[b&&c]', String.raw`[a\[b\&\&c]`],
    ['[]a-]', String.raw`[\]a\-]`],
    ['[[:alpha:][:^digit:]]', '[[A-Za-z][^0-9]]'],
    ['\\pL\\P{Greek}\\p{^Lu}', String.raw`\p{L}\P{IsGreek}\P{Lu}`],
    ['\\Qa.b\\E*', String.raw`a\.b*`],
    ['a{,2}{', String.raw`a\{\,2\}\{`],
    ['\\x41\\x{1F600}\\101\\a', String.raw`\x{41}\x{1f600}\x{41}\x07`],
    ['a+?b*?', 'a+?b*?'],
  ])('%s', (re2, java) => {
    expect(javaPattern(re2)).toBe(java)
  })
  it.each([
    '(',
    ')',
    'a)',
    '[a',
    '*a',
    'a**',
    'a*+',
    'a{2}{3}',
    '(?=a)',
    '(?<n>a)',
    '\\1',
    '\\Z',
    '\\é',
    'a{1001}',
    'a{3,2}',
  ])('refuses %s, as RE2 does', async (pattern) => {
    expect(() => javaPattern(pattern)).toThrow(expect.objectContaining({ code: 'MR_ENGINE_FAILED' }))
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    await expect(connection.run(`SELECT regexp_matches('a', '${pattern}')`)).rejects.toThrow()
    connection.closeSync()
  })
})
