/** Canonical JSON: one text for equal values, and refusals instead of silent loss. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32c } from './crc32c.js'
import { canonicalJson, formatPath, sha256Json } from './json.js'

test('sorts keys by UTF-16 units and writes numbers as RFC 8785 does', () => {
  // The example of RFC 8785, 3.2.3, and numbers of its appendix B.
  expect(
    canonicalJson({ '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 }),
  ).toBe('{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}')
  expect(canonicalJson([-0, 1e21, 1e-7, 333333333.3333332, 5e-324, 4.5])).toBe(
    '[0,1e+21,1e-7,333333333.3333332,5e-324,4.5]',
  )
  expect(canonicalJson('a"\\\n\u0007')).toBe('"a\\"\\\\\\n\\u0007"')
  expect(canonicalJson(Object.create(null))).toBe('{}')
  expect(canonicalJson(JSON.parse('{"__proto__":{"a":1},"b":[]}'))).toBe('{"__proto__":{"a":1},"b":[]}')
})

test('key order does not matter, and nothing is lost', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value)
      expect(canonicalJson(JSON.parse(text))).toBe(text)
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
        expect(sha256Json(Object.fromEntries(Object.entries(value).reverse()))).toBe(sha256Json(value))
      }
    }),
  )
})

class Point {}
const cycle: Record<string, unknown> = {}
cycle['self'] = cycle

test.each([
  [{ a: { b: NaN } }, 'a.b is NaN'],
  [[1, Infinity], '1 is Infinity'],
  [{ a: undefined }, 'a is undefined'],
  [{ 'x y': () => 0 }, '["x y"] is a function'],
  [1n, 'the value is a bigint'],
  [[Symbol('s')], '0 is a symbol'],
  [new Date(0), 'an instance of Date'],
  [{ m: new Map() }, 'm is an instance of Map'],
  [new Float64Array(1), 'an instance of Float64Array'],
  [{ p: new Point() }, 'p is an instance of Point'],
  [[1, , 2] as unknown[], '1 is undefined'],
  [cycle, 'a cycle?'],
])('refuses %o', (value, words) => {
  expect(() => canonicalJson(value)).toThrow(expect.objectContaining({ code: 'MR_JSON_UNREPRESENTABLE' }) as Error)
  expect(() => canonicalJson(value)).toThrow(words)
})

test('formatPath', () => {
  expect(formatPath(['features', 'columns', 'a b', 0])).toBe('features.columns["a b"].0')
})

test('crc32c has the known answers of RFC 3720, B.4', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e)
  expect(crc32c(Buffer.from('xx123456789x'), 2, 11)).toBe(0xe3069283)
})
