/** Golden files: committed outputs that a test compares with, byte for byte. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

/**
 * Compares `actual` with test/golden/`path`. UPDATE_GOLDEN=1 writes the file instead; a mismatch leaves what was found
 * in a `-changed` file beside it.
 */
export function golden(path: string, actual: string): void {
  const file = fileURLToPath(new URL(`./golden/${path}`, import.meta.url))
  const changed = `${file}-changed`
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, actual)
    rmSync(changed, { force: true })
    return
  }
  const expected = existsSync(file) ? readFileSync(file, 'utf8') : undefined
  if (expected !== actual) {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(changed, actual)
  }
  expect(actual, `golden file ${path}; UPDATE_GOLDEN=1 accepts it`).toBe(expected)
  rmSync(changed, { force: true })
}
