/** Relations: the plan that every engine executes. Immutable nodes with a schema; build them with the functions here. */
import type { Schema } from '../core/schema.js'
import type { Expr, Named, OrderKey } from './expr.js'

export type FileFormat = 'csv' | 'json' | 'parquet'

/** Files of one format, read in the order given. `schema` says what the columns are after reading. */
export interface Source {
  readonly format: FileFormat
  readonly paths: readonly string[]
  readonly csv?: { readonly delimiter?: string; readonly quote?: string; readonly header?: boolean }
}

export type Relation = { readonly schema: Schema } & (
  | {
      readonly kind: 'scan'
      readonly source: Source
      /** Adds an integer column of this name: 0-based position of the row in the whole source, in file order. */
      readonly rowNumber?: string
    }
  | { readonly kind: 'project'; readonly input: Relation; readonly columns: readonly Named[] }
  | { readonly kind: 'filter'; readonly input: Relation; readonly predicate: Expr }
  | {
      readonly kind: 'aggregate'
      readonly input: Relation
      readonly groupBy: readonly Named[]
      readonly aggregates: readonly Named[]
    }
  | {
      readonly kind: 'join'
      readonly left: Relation
      readonly right: Relation
      readonly how: 'inner' | 'left' | 'semi' | 'anti'
      readonly on: readonly { readonly left: Expr; readonly right: Expr }[]
    }
  | { readonly kind: 'window'; readonly input: Relation; readonly columns: readonly Named[] }
  | { readonly kind: 'union'; readonly inputs: readonly Relation[] }
  | { readonly kind: 'sort'; readonly input: Relation; readonly by: readonly OrderKey[] }
  | { readonly kind: 'limit'; readonly input: Relation; readonly count: number; readonly offset?: number }
)
