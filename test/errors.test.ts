/** docs/errors.md and the error table say the same; UPDATE_GOLDEN=1 writes the page. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { ERRORS } from '../src/core/errors.js'

const page = fileURLToPath(new URL('../docs/errors.md', import.meta.url))
const src = fileURLToPath(new URL('../src', import.meta.url))

function render(): string {
  const rows = Object.entries(ERRORS)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, [meaning, exit]]) => `| \`${code}\` | ${meaning} | ${exit} |`)
  return [
    '# Errors',
    '',
    'Every error goes to standard error as `error CODE: what, where, rule`, then `hint: ...`. This page is kept equal to',
    '`src/core/errors.ts` by a test; codes are never reused. Exit codes: 1 a stage or request failed; 2 usage,',
    'configuration or input that cannot be used; 3 a check said no; 130 interrupted.',
    '',
    '| code | meaning | exit code |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

test('docs/errors.md is the error table', () => {
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(page, render())
  expect(readFileSync(page, 'utf8')).toBe(render())
})

/** Codes that the code makes errors with: quoted, not in a comment, not where an error's code is compared. */
function used(text: string): Set<string> {
  const code = text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '')
    .replace(/[!=]==\s*'MR_\w+'/g, '')
  return new Set(Array.from(code.matchAll(/'(MR_\w+)'/g), (match) => match[1] ?? ''))
}

test('a code in a comment, in a comparison or as a part of another is not used', () => {
  const text =
    "/** Throws 'MR_A'. */\n// 'MR_B'\nx.code === 'MR_C'\nfail('MR_D_E') // 'MR_F'\nfetch('http://x', 'MR_G')"
  expect([...used(text)]).toEqual(['MR_D_E', 'MR_G'])
})

test('every code is thrown somewhere', () => {
  const text = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && name !== join('core', 'errors.ts'))
    .map((name) => readFileSync(join(src, name), 'utf8'))
    .join('\n')
  const thrown = used(text)
  expect(Object.keys(ERRORS).filter((code) => !thrown.has(code))).toEqual([])
})
