/**
 * Publish: the features as a partitioned table under data.output_path, for people and other tools. Files are written to
 * a fresh folder and synced; then one rename of `manifest.json` makes them the table. Readers that follow the manifest
 * never see half a table.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { PipelineConfig } from '../config/config.js'
import type { ArtifactStore } from '../core/artifacts.js'
import type { TableDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { canonicalJson, sha256Json } from '../core/json.js'
import { sha256File, syncFolder, writeFileAtomic } from '../core/files.js'
import type { Schema } from '../core/schema.js'
import { col } from '../etl/expr.js'
import { project } from '../etl/relation.js'
import type { Artifacts, StageKind } from '../pipeline/stage.js'
import { getJson, putJson, type RunResources } from './run-resources.js'
import { ROW, rowProgress, tableRelation } from './tables.js'
import { ENTITY, LABEL, type PlanDocument, SPLIT } from './transform.js'

/** `manifest.json` in data.output_path. Paths are relative to it. */
export interface PublishedManifest {
  readonly format: 1
  readonly table: string
  readonly schema: Schema
  readonly rows: number
  readonly partitionBy: readonly string[]
  /** Columns that tell which row it is, and are no features: the row's position in the source, the entity. */
  readonly keys: readonly string[]
  readonly files: readonly {
    readonly path: string
    readonly rows: number
    readonly bytes: number
    readonly digest: string
  }[]
}

export function publish(resources: RunResources): StageKind<PipelineConfig> {
  const folderOf = (config: PipelineConfig): string => resources.resolve(config.data.output_path)
  return {
    name: 'publish',
    version: 1,
    after: ['transform'],
    stillThere: (outputs, config, store) => isPublished(store, outputs, folderOf(config)),
    async run(context) {
      const { config, inputs, store, signal } = context
      const features = inputs['transform']?.['features']
      const table = await getJson<TableDocument>(store, features)
      const { label } = await getJson<PlanDocument>(store, inputs['transform']?.['plan'])
      const engine = await resources.engine()
      const relation = await tableRelation(store, table)
      // the features' own names come first; ours give way
      const taken = new Set(table.schema.map(({ name }) => name.toLowerCase()))
      const given = new Map<string, string>()
      for (const [column, wanted] of [
        [LABEL, label.name],
        [SPLIT, 'split'],
        [ROW, 'row'],
        [ENTITY, config.entity ?? ''],
      ] as const) {
        if (!table.schema.some(({ name }) => name === column)) continue
        const name = free(wanted, taken)
        taken.add(name.toLowerCase())
        given.set(column, name)
      }
      const names = table.schema.map(({ name }) => ({ name: given.get(name) ?? name, expr: col(name) }))
      const split = given.get(SPLIT) ?? 'split'
      const keys = [ROW, ENTITY].flatMap((column) => given.get(column) ?? [])
      const partitionBy = config.data.partition_by.length > 0 ? config.data.partition_by : [split]
      for (const column of partitionBy)
        if (!names.some(({ name }) => name === column))
          throw new MillraceError(
            'MR_PUBLISH_PARTITION',
            `data.partition_by: the features have no column '${column}'`,
            {
              hint: `columns: ${names.map(({ name }) => name).join(', ')}`,
            },
          )
      const output = folderOf(config)
      await mkdir(output, { recursive: true })
      await refuseOthers(output, config.pipeline_name)
      // named by content: the same table again lands in the same place and changes nothing
      const { file_format, compression } = config.data
      const identity = sha256Json({ features: features?.digest ?? '', names, partitionBy, file_format, compression })
      const name = `data-${identity.slice('sha256:'.length, 'sha256:'.length + 16)}`
      const fresh = join(output, `.writing-${name}-${process.pid}`)
      await rm(fresh, { recursive: true, force: true })
      try {
        const written = await engine.write(
          project(relation, names),
          { folder: fresh, format: file_format, compression, partitionBy },
          rowProgress(context),
          signal,
        )
        const files = []
        for (const { path, rows, bytes } of written.files) {
          const file = join(fresh, path)
          await syncFile(file)
          const { digest } = await sha256File(file, signal)
          files.push({ path: `${name}/${path}`, rows, bytes, digest })
        }
        const manifest: PublishedManifest = {
          format: 1,
          table: config.pipeline_name,
          schema: written.schema,
          rows: written.rows,
          partitionBy,
          keys,
          files,
        }
        const text = `${JSON.stringify(manifest, null, 2)}\n`
        for (const folder of foldersOf(fresh, written.files)) await syncFolder(folder)
        await rm(join(output, name), { recursive: true, force: true })
        await rename(fresh, join(output, name))
        await syncFolder(output)
        await writeFileAtomic(join(output, 'manifest.json'), text)
        await removeOthers(output, name)
        return { manifest: await putJson(store, manifest) }
      } finally {
        await rm(fresh, { recursive: true, force: true })
      }
    },
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** `taken` in lower case: engines compare names without regard to case. */
function free(name: string, taken: ReadonlySet<string>): string {
  let candidate = name
  for (let i = 1; taken.has(candidate.toLowerCase()); i++) candidate = `${name}_${i}`
  return candidate
}

/** One output_path is one table: another pipeline's is never overwritten. */
async function refuseOthers(output: string, table: string): Promise<void> {
  const text = await readFile(join(output, 'manifest.json'), 'utf8').catch(() => '')
  const found = /"table": "((?:[^"\\]|\\.)*)"/.exec(text)?.[1]
  if (found === undefined || JSON.parse(`"${found}"`) === table) return
  throw new MillraceError(
    'MR_PUBLISH_OTHER',
    `data.output_path: ${output} holds the table of the pipeline '${found}'`,
    {
      hint: 'give each pipeline an output_path of its own, or remove that folder',
    },
  )
}

/** The folders that hold these files (relative paths), the deepest first, and `folder` itself. */
function foldersOf(folder: string, files: readonly { readonly path: string }[]): readonly string[] {
  const below = new Set<string>()
  for (const { path } of files) for (let up = dirname(path); up !== '.'; up = dirname(up)) below.add(up)
  return [...[...below].sort((x, y) => y.length - x.length).map((path) => join(folder, path)), folder]
}

/** Data folders that no manifest names any more: of earlier runs, and of runs that were killed. */
async function removeOthers(output: string, keep: string): Promise<void> {
  for (const entry of await readdir(output))
    if (entry !== keep && /^(\.writing-)?data-[0-9a-f]{16}(-|$)/.test(entry))
      await rm(join(output, entry), { recursive: true, force: true })
}

async function isPublished(store: ArtifactStore, outputs: Artifacts, output: string): Promise<boolean> {
  const manifest = await getJson<PublishedManifest>(store, outputs['manifest'])
  const text = await readFile(join(output, 'manifest.json'), 'utf8').catch(() => '')
  if (!isSame(text, manifest)) return false
  for (const { path, bytes } of manifest.files) {
    const found = await stat(join(output, path)).catch(() => undefined)
    if (found?.size !== bytes) return false
  }
  return true
}

function isSame(text: string, manifest: PublishedManifest): boolean {
  try {
    return canonicalJson(JSON.parse(text)) === canonicalJson(manifest)
  } catch {
    return false
  }
}
