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
/** Differences of values that are 0 but for rounding. */
const NEARLY_NOTHING = 1e-12

function isNear(a: number, b: number, tolerance = TOLERANCE): boolean {
  if (Object.is(a, b) || a === b) return true
  return Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b)) + NEARLY_NOTHING
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * A line for each place where two documents differ. How a table is cut into files, and their bytes, may differ between
 * engines.
 */
export function differences(a: unknown, b: unknown, tolerance = TOLERANCE, path = ''): readonly string[] {
  if (typeof a === 'number' && typeof b === 'number') return isNear(a, b, tolerance) ? [] : [`${path}: ${a} and ${b}`]
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) return [`${path}: ${a.length} and ${b.length} items`]
    return a.flatMap((item: unknown, i) => differences(item, b[i], tolerance, `${path}[${i}]`))
  }
  if (!isMap(a) || !isMap(b)) return a === b ? [] : [`${path}: ${JSON.stringify(a)} and ${JSON.stringify(b)}`]
  const isTable = Array.isArray(a['files']) && Array.isArray(a['schema'])
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((key) => !(isTable && key === 'files'))
    .flatMap((key) => differences(a[key], b[key], tolerance, `${path}.${key}`))
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

  async rows(table: TableDocument): Promise<readonly (readonly DuckDBValue[])[]> {
    const paths = await Promise.all(table.files.map(({ ref }) => this.store.path(ref)))
    return read(paths, `SELECT * FROM read_parquet($paths) ORDER BY "__row"`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close()
  }
}

/** A published table's rows in the order of its files, by the folder of their partition. */
export async function published(output: string): Promise<ReadonlyMap<string, readonly (readonly DuckDBValue[])[]>> {
  const manifest = JSON.parse(await readFile(join(output, 'manifest.json'), 'utf8')) as PublishedManifest
  const parts = new Map<string, string[]>()
  for (const { path } of manifest.files) {
    const inside = path.split('/').slice(1, -1).join('/')
    parts.set(inside, [...(parts.get(inside) ?? []), join(output, path)])
  }
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
      const isSame = typeof x === 'number' && typeof y === 'number' ? isNear(x, y) : String(x) === String(y)
      if (!isSame && found.length < 5) found.push(`row ${i}, column ${j}: ${String(x)} and ${String(y)}`)
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
