import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { jsonSchema } from './json-schema.js'
import { knownPaths } from './schema.js'

it('the copy in schema/ is what the code gives (node --import tsx scripts/write-schema.ts)', () => {
  expect(readFileSync(new URL('../../schema/pipeline.schema.json', import.meta.url), 'utf8')).toBe(jsonSchema())
})

it('knows every key, and refuses others', () => {
  type Node = { properties?: Record<string, Node>; additionalProperties?: unknown }
  const root = JSON.parse(jsonSchema()) as Node
  for (const path of knownPaths()) {
    const node = path.split('.').reduce<Node | undefined>((at, key) => at?.properties?.[key], root)
    expect(node, path).toBeDefined()
  }
  expect(root.additionalProperties).toBe(false)
  expect(root.properties?.['training']?.additionalProperties).toBe(false)
})
