/** Rows of a query as arrays, by column: names may repeat. */
import type { QueryOptions, SparkSession } from '../../src/etl/spark/connect/session.js'
import type { SparkQuery } from '../../src/etl/spark/connect/plan.js'

export async function rows(session: SparkSession, query: SparkQuery, options?: QueryOptions): Promise<unknown[][]> {
  const found: unknown[][] = []
  for await (const table of session.batches(query, options)) {
    const columns = table.children
    for (let row = 0; row < table.numRows; row++) found.push(columns.map((column) => column.at(row) as unknown))
  }
  return found
}

/** What the promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await promise
  } catch (error) {
    return error as Error & Record<string, unknown>
  }
  throw new Error('nothing failed')
}

/** Counts for minutes on two cores. */
export const LONG = 'SELECT count(*) FROM range(0, 200000000000, 1, 40) WHERE hash(id) = 5'
