/** Tables between stages: what is missing in a source's own files is missing in all that is made of them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, test } from 'vitest'
import { openArtifactStore } from '../core/artifact-store.js'
import type { TableDocument } from '../core/documents.js'
import { openDuckDb } from '../etl/duckdb/engine.js'
import { PARQUET_TYPE } from './run-resources.js'
import { tableRelation, writeTable } from './tables.js'

test("a table made of a source's own file is plain: NaN and '' became NULL, and it reads as the file does", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-tables-'))
  const connection = await (await DuckDBInstance.create()).connect()
  await using engine = await openDuckDb({ tempFolder: folder })
  try {
    const own = join(folder, 'own.parquet')
    await connection.run(
      `COPY (FROM (VALUES (1.5::DOUBLE, 'a'), ('NaN'::DOUBLE, ''), (NULL, NULL), (-2, 'b')) AS t(n, t)) TO '${own}'`,
    )
    const store = await openArtifactStore(join(folder, 'store'))
    const source: TableDocument = {
      schema: [
        { name: 'n', type: 'number' },
        { name: 't', type: 'text' },
      ],
      rows: 4,
      files: [{ ref: await store.putFile(own, PARQUET_TYPE), rows: 4 }],
    }
    const relation = await tableRelation(store, source)
    const made = await writeTable(engine, store, relation, { plain: true })
    expect(made.plain).toBe(true)
    expect((await writeTable(engine, store, relation)).plain).toBeUndefined()
    const rows = await engine.rows(await tableRelation(store, made))
    expect(rows).toEqual(await engine.rows(relation))
    expect(rows.map(({ n, t }) => [n, t])).toEqual([
      [1.5, 'a'],
      [null, null],
      [null, null],
      [-2, 'b'],
    ])
    const [file] = made.files
    const stored = await connection.runAndReadAll(
      `SELECT n, t FROM read_parquet('${file === undefined ? '' : await store.path(file.ref)}')`,
    )
    expect(stored.getRowsJson()).toEqual(rows.map(({ n, t }) => [n, t]))
  } finally {
    connection.closeSync()
    await rm(folder, { recursive: true, force: true })
  }
})
