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

test('every code is thrown somewhere', () => {
  const text = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && name !== join('core', 'errors.ts'))
    .map((name) => readFileSync(join(src, name), 'utf8'))
    .join('\n')
  expect(Object.keys(ERRORS).filter((code) => !text.includes(code))).toEqual([])
})
