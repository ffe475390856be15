/** The tables of docs/configuration.md are the schema's: every key with its rule, default and use. UPDATE_GOLDEN=1 writes them. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { jsonSchema } from '../src/config/json-schema.js'
import { knownPaths, schemaAt } from '../src/config/schema.js'

const page = fileURLToPath(new URL('../docs/configuration.md', import.meta.url))
const BLOCK = /(<!-- keys: written by test\/configuration\.test\.ts -->\n)([\s\S]*?)(<!-- end of keys -->)/

interface Property {
  readonly description?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, Property>>
  readonly required?: readonly string[]
}

const root = JSON.parse(jsonSchema()) as Property
const propertyAt = (path: readonly string[]): Property =>
  path.reduce<Property>((at, name) => at.properties?.[name] ?? {}, root)

function row(path: string): string {
  const segments = path.split('.')
  const [parent, name = ''] = [segments.slice(0, -1), segments.at(-1)]
  const { description = '', default: value } = propertyAt(segments)
  const fallback = value === undefined ? (isRequired(parent, name) ? '**required**' : '–') : code(JSON.stringify(value))
  const rule = schemaAt(segments)?.facts?.rule ?? ''
  return `| ${code(path)} | ${cell(rule)} | ${fallback} | ${cell(description)} |`
}

const isRequired = (parent: readonly string[], name: string): boolean =>
  propertyAt(parent).required?.includes(name) === true
const cell = (text: string): string => text.replaceAll('|', '\\|')
const code = (text: string): string => `\`${cell(text)}\``

/** One table for the keys at the top, one for each map of keys. */
function render(): string {
  const leaves = knownPaths().filter((path) => schemaAt(path.split('.'))?.keys === undefined)
  const sectionOf = (path: string): string => (path.includes('.') ? (path.split('.')[0] ?? '') : '')
  const sections = [...new Set(leaves.map(sectionOf))].sort((a, b) => Number(a !== '') - Number(b !== ''))
  return sections
    .map((section) =>
      [
        `### ${section === '' ? 'At the top' : section}`,
        '',
        '| key | must be | default | what it is |',
        '|---|---|---|---|',
        ...leaves.filter((path) => sectionOf(path) === section).map(row),
        '',
      ].join('\n'),
    )
    .join('\n')
}

test('docs/configuration.md lists the keys of the schema', () => {
  const text = readFileSync(page, 'utf8')
  if (process.env['UPDATE_GOLDEN'] === '1')
    writeFileSync(
      page,
      text.replace(BLOCK, (_, open: string, __, close: string) => open + render() + close),
    )
  expect(BLOCK.exec(readFileSync(page, 'utf8'))?.[2]).toBe(render())
})

test('every key says what it is and what it must be', () => {
  const leaves = knownPaths().filter((path) => schemaAt(path.split('.'))?.keys === undefined)
  expect(leaves.length).toBeGreaterThan(60)
  const isSilent = (path: string): boolean =>
    (propertyAt(path.split('.')).description ?? '') === '' || schemaAt(path.split('.'))?.facts?.rule === undefined
  expect(leaves.filter(isSilent)).toEqual([])
})
