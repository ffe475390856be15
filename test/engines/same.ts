/** Whether two runs left the same: documents with their numbers to a tolerance, tables row by row. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance, type DuckDBValue } from '@duckdb/node-api'
import { openArtifactStore } from '../../src/core/artifact-store.js'
import type { ArtifactRef, ArtifactStore } from '../../src/core/artifacts.js'
import type { TableDocument } from '../../src/core/documents.js'
import type { RunState } from '../../src/pipeline/state.js'
import type { PublishedManifest } from '../../src/stages/published-table.js'

/** Of two numbers, relative to the larger. */
export const TOLERANCE = 1e-9
/** Numbers nearer to 0 are held against this: what a 0 is after rounding differs from a 0 by any share of itself. */
export const LEAST = 1e-3

/** How far apart two numbers are, relative to the larger; NaN where only one is finite. */
export function distance(a: number, b: number): number {
  if (Object.is(a, b) || a === b) return 0
  return Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b), LEAST)
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A value of two documents, by its place; `undefined` where one has none there. */
export interface Leaf {
  readonly path: string
  readonly a: unknown
  readonly b: unknown
}

/**
 * All values of two documents side by side; of lists that are not as long, their lengths alone. How a table is cut into
 * files, and their bytes, may differ between engines and are left out.
 */
export function* leaves(a: unknown, b: unknown, path = ''): Generator<Leaf> {
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) yield { path: `${path}.length`, a: a.length, b: b.length }
    else for (const [i, item] of a.entries()) yield* leaves(item, b[i], `${path}[${i}]`)
  } else if (isMap(a) && isMap(b)) {
    const isTable = Array.isArray(a['files']) && Array.isArray(a['schema'])
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
      if (!(isTable && key === 'files')) yield* leaves(a[key], b[key], `${path}.${key}`)
  } else yield { path, a, b }
}

/** Are both numbers to a tolerance, or the same? */
export function isSame({ a, b }: Leaf, tolerance: number): boolean {
  return typeof a === 'number' && typeof b === 'number' ? distance(a, b) <= tolerance : a === b
}

export const inWords = ({ path, a, b }: Leaf): string => `${path}: ${JSON.stringify(a)} and ${JSON.stringify(b)}`

/** A line for each place where two documents differ. */
export function differences(a: unknown, b: unknown, tolerance = TOLERANCE): readonly string[] {
  return [...leaves(a, b)].filter((leaf) => !isSame(leaf, tolerance)).map(inWords)
}

/** What a run's stages left in a home. */
export class Left implements AsyncDisposable {
  private constructor(
    private readonly store: ArtifactStore,
    private readonly state: RunState,
  ) {}

  static async open(home: string, state: RunState): Promise<Left> {
    return new Left(await openArtifactStore(join(home, 'artifacts')), state)
  }

  ref(stage: string, output: string): ArtifactRef {
    const ref = this.state.stages.find(({ name }) => name === stage)?.value?.[output]
    if (ref === undefined) throw new Error(`${stage} left no ${output}`)
    return ref
  }

  async document<T>(stage: string, output: string): Promise<T> {
    return JSON.parse(new TextDecoder().decode(await this.store.get(this.ref(stage, output)))) as T
  }

  paths(table: TableDocument): Promise<readonly string[]> {
    return Promise.all(table.files.map(({ ref }) => this.store.path(ref)))
  }

  async rows(table: TableDocument): Promise<readonly (readonly DuckDBValue[])[]> {
    return read(await this.paths(table), `SELECT * FROM read_parquet($paths) ORDER BY "__row"`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close()
  }
}

/** A published table's files in their order, by the folder of their partition. */
export async function publishedFiles(
  output: string,
): Promise<{ readonly manifest: PublishedManifest; readonly parts: ReadonlyMap<string, readonly string[]> }> {
  const manifest = JSON.parse(await readFile(join(output, 'manifest.json'), 'utf8')) as PublishedManifest
  const parts = new Map<string, string[]>()
  for (const { path } of manifest.files) {
    const inside = path.split('/').slice(1, -1).join('/')
    parts.set(inside, [...(parts.get(inside) ?? []), join(output, path)])
  }
  return { manifest, parts }
}

/** A published table's rows in the order of its files, by the folder of their partition. */
export async function published(output: string): Promise<ReadonlyMap<string, readonly (readonly DuckDBValue[])[]>> {
  const { manifest, parts } = await publishedFiles(output)
  const columns = manifest.schema.map(({ name }) => name).filter((name) => !manifest.partitionBy.includes(name))
  const select = `SELECT ${columns.map((name) => `"${name}"`).join(', ')} FROM read_parquet($paths)`
  const found = new Map<string, readonly (readonly DuckDBValue[])[]>()
  for (const part of [...parts.keys()].sort()) found.set(part, await read(parts.get(part) ?? [], select))
  return found
}

/** The first few cells that differ. */
export function cells(
  a: readonly (readonly DuckDBValue[])[],
  b: readonly (readonly DuckDBValue[])[],
): readonly string[] {
  if (a.length !== b.length) return [`${a.length} and ${b.length} rows`]
  const found: string[] = []
  for (const [i, row] of a.entries())
    for (const [j, x] of row.entries()) {
      const y = b[i]?.[j]
      const isEqual =
        typeof x === 'number' && typeof y === 'number' ? distance(x, y) <= TOLERANCE : String(x) === String(y)
      if (!isEqual && found.length < 5) found.push(`row ${i}, column ${j}: ${String(x)} and ${String(y)}`)
    }
  return found
}

async function read(paths: readonly string[], sql: string): Promise<readonly (readonly DuckDBValue[])[]> {
  const list = `[${paths.map((path) => `'${path.replaceAll("'", "''")}'`).join(', ')}]`
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    return (await connection.runAndReadAll(sql.replace('$paths', () => `${list}, hive_partitioning = false`))).getRows()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
