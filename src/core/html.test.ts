import { expect, test } from 'vitest'
import { markup, shorten, visible } from './html.js'

test('text is escaped, markup is not, nothing is nothing', () => {
  const inner = markup`<b>${'<'}</b>`
  expect(markup`<p title="${`"'`}">${inner}${[inner, 'a&b']}${false}${undefined}${null}${NaN}${3}</p>`.toString()).toBe(
    '<p title="&quot;&#39;"><b>&lt;</b><b>&lt;</b>a&amp;b–3</p>',
  )
})

test('what reorders or hides text is made visible', () => {
  expect(visible('a\u202Eb\u0000\ud800c\ufeff')).toBe('a\\u{202e}b\\u{0}\\u{d800}c\\u{feff}')
  expect(visible('שלום 👩‍👩‍👧 ünïcode\tok\n')).toBe('שלום 👩‍👩‍👧 ünïcode\tok\n')
})

test('names are cut in the middle, never through an emoji', () => {
  expect(shorten('abcdefghij', 7)).toBe('abcd…ij')
  expect(shorten('🎉'.repeat(9), 4)).toBe('🎉🎉…🎉')
  expect(shorten('short', 5)).toBe('short')
})
