/** The engine inside the process: DuckDB behind `Engine`. */
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import { DuckDBDateValue, DuckDBTimestampValue, version } from '@duckdb/node-api'
import type { Schema } from '../../core/schema.js'
import type { Dataset } from '../../core/table.js'
import type { Engine } from '../engine.js'
import type { Relation } from '../relation.js'
import { compile, dialect } from '../sql/compile.js'
import { duckdb } from '../sql/duckdb.js'
import { batches, vectorSql } from './batches.js'
import { engineError } from './errors.js'
import { inferSchema } from './infer.js'
import { type DuckDbOptions, openSession, type Session } from './session.js'
import { statistics } from './statistics.js'
import { writeFiles } from './write.js'

export type { DuckDbOptions } from './session.js'

/** Opens an engine in memory. It reads and writes files, never the network; close it with `[Symbol.asyncDispose]`. */
export async function openDuckDb(options: DuckDbOptions = {}): Promise<Engine> {
  const session = await openSession(options)
  return {
    dialect: dialect(duckdb),
    version: `duckdb ${version().replace(/^v/, '')}`,
    filesAtOnce: 1,
    inferSchema: (source, signal, drift) => inferSchema(session, source, signal, drift),
    query: (relation, signal) => dataset(session, relation, signal),
    rows: (relation, signal) => session.use((connection) => rowObjects(connection, relation), signal),
    write: (relation, target, progress, signal) => writeFiles(session, relation, target, progress, signal),
    statistics: (relation, requests, signal) => statistics(session, relation, requests, signal),
    [Symbol.asyncDispose]: () => session.close(),
  }
}

function dataset(session: Session, relation: Relation, outer: AbortSignal | undefined): Dataset {
  const sql = vectorSql(compile(relation, duckdb), relation.schema)
  return {
    schema: relation.schema,
    async *batches(inner) {
      const signals = [outer, inner].filter((signal) => signal !== undefined)
      const signal = signals.length === 0 ? undefined : AbortSignal.any(signals)
      const lease = await session.lease(signal)
      try {
        for await (const batch of batches(lease.connection, sql, relation.schema)) {
          if (signal?.aborted === true) throw engineError(signal.reason, signal)
          yield batch
        }
        if (signal?.aborted === true) throw engineError(signal.reason, signal)
      } catch (error) {
        throw engineError(error, signal)
      } finally {
        lease.end()
      }
    },
  }
}

/** As `Engine.rows` gives them. */
export async function rowObjects(
  connection: DuckDBConnection,
  relation: Relation,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const reader = await connection.runAndReadAll(compile(relation, duckdb))
  return reader.getRows().map((row) => rowObject(row, relation.schema))
}

/** Times become microseconds as bigint; NaN is missing. No prototype: `__proto__` is a name like any other. */
function rowObject(row: readonly DuckDBValue[], schema: Schema): Readonly<Record<string, unknown>> {
  const object = Object.create(null) as Record<string, unknown>
  schema.forEach(({ name }, i) => {
    const value = row[i] ?? null
    object[name] =
      value instanceof DuckDBTimestampValue
        ? value.micros
        : value instanceof DuckDBDateValue
          ? BigInt(value.days) * 86_400_000_000n
          : typeof value === 'number' && Number.isNaN(value)
            ? null
            : value
  })
  return object
}
