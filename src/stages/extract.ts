/** Extract: the source's files become one typed table, every row of it numbered. */
import { createHash } from 'node:crypto'
import { relative, sep } from 'node:path'
import type { PipelineConfig } from '../config/config.js'
import { MillraceError } from '../core/errors.js'
import { sha256File } from '../core/files.js'
import type { Field } from '../core/schema.js'
import { aggregate } from '../etl/expr.js'
import { aggregated, type FileFormat, scan, type Source } from '../etl/relation.js'
import { folderValues } from '../etl/hive.js'
import { expandSource } from '../etl/source.js'
import type { StageKind } from '../pipeline/stage.js'
import { putJson, type RunResources, TABLE_TYPE } from './run-resources.js'
import { adoptParquet, isTableThere, ROW, rowProgress, writeTable } from './tables.js'

/** What was read: for the run page and the journal. */
export interface SourceDocument {
  readonly format: FileFormat
  /** Paths as the pipeline file would write them: relative to its folder if `data.source_path` is. */
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly digest: string }[]
  readonly rows: number
  readonly columns: readonly Field[]
}

export function extract(resources: RunResources): StageKind<PipelineConfig> {
  const find = async (config: PipelineConfig): Promise<Source> => {
    const csv = { ...config.data.csv }
    const source = await expandSource(resources.resolve(config.data.source_path))
    return source.format === 'csv' ? { ...source, csv } : source
  }
  return {
    name: 'extract',
    version: 2,
    after: [],
    stillThere: (outputs, _, store) => isTableThere(store, outputs['table']),
    // content, not names or times: a moved or touched file changes nothing
    async fingerprint(config, signal) {
      const source = await find(config)
      const hash = createHash('sha256').update(source.format)
      for (const path of source.paths) hash.update((await sha256File(path, signal)).digest)
      // what folders say of their files' rows is content too
      if (source.hive !== undefined) hash.update(JSON.stringify(folderValues(source, source.hive)))
      return hash.digest('hex')
    },
    async run(context) {
      const { config, store, signal } = context
      const engine = await resources.engine()
      const found = await find(config)
      const { source, schema: inferred } = await engine.inferSchema(found, signal)
      const schema = withDeclaredTypes(inferred, config.data.schema)
      const clash = schema.find(({ name }) => name === ROW)
      if (clash !== undefined)
        throw new MillraceError('MR_SOURCE_RESERVED', `source: the column name '${ROW}' is Millrace's own`, {
          hint: 'rename the column in the source',
        })
      const rowsOf = async (path: string): Promise<number> => {
        const counted = aggregated(
          scan({ ...source, paths: [path] }, schema),
          [],
          [{ name: 'n', expr: aggregate('count', []) }],
        )
        return Number((await engine.rows(counted, signal))[0]?.['n'] ?? 0)
      }
      const table =
        source.format === 'parquet' && source.hive === undefined && sameTypes(schema, inferred)
          ? await adoptParquet(store, source.paths, schema, rowsOf)
          : await writeTable(engine, store, scan(source, schema), { progress: rowProgress(context), signal })
      const files: SourceDocument['files'][number][] = []
      for (const path of source.paths) {
        const { digest, size } = await sha256File(path, signal)
        files.push({ path: named(resources, config.data.source_path, path), bytes: size, digest })
      }
      const document: SourceDocument = {
        format: source.format,
        files,
        rows: table.rows,
        columns: schema,
      }
      context.log(
        `${table.rows} rows, ${schema.length} columns from ${source.paths.length} ${source.format} file${source.paths.length === 1 ? '' : 's'}`,
      )
      if (table.rows === 0)
        throw new MillraceError('MR_SOURCE_EMPTY', `source: ${config.data.source_path} has columns but no rows`, {
          hint: 'a model needs rows to learn from; check the path and the export that made the file',
        })
      return { table: await putJson(store, table, TABLE_TYPE), source: await putJson(store, document) }
    },
  }
}

/** Part of what later stages' keys hold: the same wherever a project's folder is moved to. */
function named(resources: RunResources, source: string, path: string): string {
  const isAbsolute = resources.resolve(source) === source || /^file:/i.test(source)
  return isAbsolute ? path : relative(resources.resolve('.'), path).split(sep).join('/')
}

function withDeclaredTypes(schema: readonly Field[], declared: PipelineConfig['data']['schema']): readonly Field[] {
  const types = new Map(Object.entries(declared))
  for (const name of types.keys())
    if (!schema.some((field) => field.name === name))
      throw new MillraceError('MR_SOURCE_COLUMN', `data.schema: there is no column '${name}' in the source`, {
        hint: `columns: ${schema.map((field) => field.name).join(', ')}`,
      })
  return schema.map((field) => ({ ...field, type: types.get(field.name) ?? field.type }))
}

function sameTypes(a: readonly Field[], b: readonly Field[]): boolean {
  return a.length === b.length && a.every((field, i) => field.type === b[i]?.type)
}
