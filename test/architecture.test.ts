/** Keeps the tree as ARCHITECTURE.md says: who may import whom, size of files, names of folders. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../src', import.meta.url))

/** Rooms that a room may import beside itself and core. `types` allows only `import type`. */
const MAY_IMPORT: Readonly<Record<string, readonly (string | { readonly types: string })[]>> = {
  core: [],
  config: [],
  etl: [],
  evaluate: [],
  pipeline: [{ types: 'config' }],
  transforms: ['etl'],
  train: [{ types: 'transforms' }],
  registry: [],
  serving: ['registry'],
  stages: ['config', 'etl', 'evaluate', 'pipeline', 'transforms', 'train', 'registry', 'serving'],
  dashboard: ['pipeline', 'registry'],
  cli: ['config', 'etl', 'evaluate', 'pipeline', 'transforms', 'train', 'registry', 'serving', 'stages', 'dashboard'],
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return sources(path)
    return path.endsWith('.ts') ? [path] : []
  })
}

const files = sources(root).map((path) => ({
  path,
  name: relative(root, path).split(sep).join('/'),
  text: readFileSync(path, 'utf8'),
}))

const room = (name: string): string => (name.includes('/') ? (name.split('/')[0] ?? '') : 'index')

describe('architecture', () => {
  test('every room is in the table', () => {
    const rooms = new Set(files.map(({ name }) => room(name)).filter((name) => name !== 'index'))
    expect([...rooms].filter((name) => !(name in MAY_IMPORT))).toEqual([])
  })

  test('rooms import only what the table allows', () => {
    const faults: string[] = []
    for (const { path, name, text } of files) {
      const from = room(name)
      if (from === 'index' || name.endsWith('.test.ts')) continue
      const imports = text.matchAll(/(?:import|export)\s+(type\s)?[^'"]*?from\s+'(\.[^']+)'|import\('(\.[^']+)'\)/g)
      for (const match of imports) {
        const target = relative(root, resolve(dirname(path), match[2] ?? match[3] ?? ''))
          .split(sep)
          .join('/')
        const to = room(target)
        if (to === from || to === 'core') continue
        const allowed = (MAY_IMPORT[from] ?? []).some((rule) =>
          typeof rule === 'string' ? rule === to : rule.types === to && match[1] !== undefined,
        )
        if (!allowed) faults.push(`${name} imports ${target}`)
      }
    }
    expect(faults).toEqual([])
  })

  test('only src/index.ts is a barrel, and nothing is called utils', () => {
    const names = files.map(({ name }) => name)
    expect(names.filter((name) => /(^|\/)index\.ts$/.test(name))).toEqual(['index.ts'])
    expect(names.filter((name) => /(utils|common|helpers|services|managers)(\/|\.ts)/.test(name))).toEqual([])
  })

  test('files open with what they are for and stay under 500 lines', () => {
    const faults = files
      .filter(({ name }) => !name.endsWith('_pb.ts') && !name.endsWith('.test.ts'))
      .flatMap(({ name, text }) => [
        ...(/^(#!.*\n)?\/\*\*|^(#!.*\n)?\/\//.test(text) ? [] : [`${name}: no opening comment`]),
        ...(text.split('\n').length > 500 ? [`${name}: over 500 lines`] : []),
      ])
    expect(faults).toEqual([])
  })

  test('what speaks to Spark is loaded where a file asks for it, and not before', () => {
    const byName = new Map(files.map((file) => [file.name, file]))
    const seen = new Set<string>()
    const packages = new Set<string>()
    const follow = (name: string): void => {
      const file = byName.get(name)
      if (file === undefined || seen.has(name)) return
      seen.add(name)
      for (const [, from = ''] of file.text.matchAll(
        /^(?:import|export)\s(?!type\s)(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm,
      )) {
        const target = relative(root, resolve(dirname(file.path), from))
          .split(sep)
          .join('/')
        if (from.startsWith('.')) follow(target.replace(/\.js$/, '.ts'))
        else packages.add(from)
      }
    }
    follow('index.ts')
    for (const { name } of files) if (/^cli\/.*(?<!\.test)\.ts$/.test(name)) follow(name)
    expect([...seen]).toContain('etl/duckdb/engine.ts')
    expect([...packages]).toContain('@duckdb/node-api')
    expect([...packages].filter((name) => /grpc|flechette/.test(name))).toEqual([])
    follow('etl/spark/engine.ts')
    expect([...packages]).toContain('@grpc/grpc-js')
  })

  test('only the command line and the configuration read the environment', () => {
    const readers = files
      .filter(({ name, text }) => !name.endsWith('.test.ts') && /process\.env\b/.test(text))
      .map(({ name }) => name)
      .sort()
    expect(readers.filter((name) => !/^(cli|config)\//.test(name))).toEqual([])
  })
})
