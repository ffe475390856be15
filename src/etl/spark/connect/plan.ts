/** What Spark is asked for: SQL text over named reads, with arguments, as messages of the protocol. */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { MillraceError } from '../../../core/errors.js'
import {
  CommandSchema,
  Expression_LiteralSchema,
  ExpressionSchema,
  PlanSchema,
  RelationSchema,
  WriteOperation_SaveMode,
  type Expression,
  type Expression_Literal,
  type Plan,
  type Relation,
} from './connect_pb.js'

/**
 * A value of a query's argument. A number is DOUBLE, a bigint BIGINT, a Date TIMESTAMP; what JavaScript has no type for
 * is an object that names it: `{ integer: 5 }` is INT (LIMIT wants one), `{ decimal: '12.34' }` DECIMAL(4,2),
 * `{ date: '2026-11-30' }` DATE, `{ micros: 0n }` TIMESTAMP in microseconds since 1970 UTC.
 */
export type SparkValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | { readonly integer: number }
  | { readonly decimal: string }
  | { readonly date: string }
  | { readonly micros: bigint }

/** `:name` in the text, or `?` in their order. */
export type SparkArguments = Readonly<Record<string, SparkValue>> | readonly SparkValue[]

/** What a name in the text stands for. */
export type SparkRead =
  | {
      /** `parquet`, `csv`, `json`, … */
      readonly format: string
      /** Files, folders or patterns as the cluster sees them. */
      readonly paths: readonly string[]
      /** DDL (`a BIGINT, b STRING`); absent: Spark infers it. */
      readonly schema?: string
      readonly options?: Readonly<Record<string, string>>
      /** SQL of the columns wanted, e.g. `*` and `_metadata.row_index AS row`, which no query sees from outside. */
      readonly select?: readonly string[]
    }
  | { readonly table: string; readonly options?: Readonly<Record<string, string>> }

export interface SparkQuery {
  readonly text: string
  readonly args: SparkArguments
  /** By plain identifier, e.g. `t0`. */
  readonly reads: Readonly<Record<string, SparkRead>>
}

export interface SparkTarget {
  readonly format: string
  /** A folder as the cluster sees it. */
  readonly path: string
  readonly mode: 'append' | 'overwrite' | 'error' | 'ignore'
  readonly partitionBy?: readonly string[]
  readonly options?: Readonly<Record<string, string>>
  /** Counted while it is written: SQL aggregates by name, e.g. `{ rows: 'count(*)' }`. */
  readonly observe?: Readonly<Record<string, string>>
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Checks what the server would not: a name that is none, an argument that the text does not use. MR_SPARK_ARGUMENT. */
export function query(text: string, args: SparkArguments = {}, reads: SparkQuery['reads'] = {}): SparkQuery {
  for (const name of Object.keys(reads))
    if (!IDENTIFIER.test(name))
      throw argument(`${JSON.stringify(name)} cannot name a read: letters, digits and _ only, no digit first`)
  if (!isList(args)) {
    for (const name of Object.keys(args)) {
      if (!IDENTIFIER.test(name)) throw argument(`${JSON.stringify(name)} cannot name an argument`)
      if (!new RegExp(`:${name}\\b`).test(text)) throw argument(`the text has no :${name}, for which a value is given`)
    }
  }
  for (const value of Object.values(args)) literal(value)
  return { text, args, reads }
}

/**
 * Makes the messages. The server keeps analysed relations by content, plan id included, so each use of a query gets ids
 * of its own: the same read would go on seeing the files of its first use.
 */
export class Plans {
  #last = 0n

  /** A plan whose rows are sent back. */
  rows(wanted: SparkQuery): Plan {
    return create(PlanSchema, { opType: { case: 'root', value: this.#relation(wanted) } })
  }

  /** A plan that is executed at once, for statements. */
  statement(wanted: SparkQuery): Plan {
    const input = this.#relation(wanted)
    return command({ case: 'sqlCommand', value: { input } })
  }

  write(wanted: SparkQuery, target: SparkTarget): Plan {
    const input = this.#observed(this.#relation(wanted), target.observe)
    return command({
      case: 'writeOperation',
      value: {
        input,
        source: target.format,
        saveType: { case: 'path', value: target.path },
        mode: MODES[target.mode],
        partitioningColumns: [...(target.partitionBy ?? [])],
        options: { ...target.options },
      },
    })
  }

  #relation({ text, args, reads }: SparkQuery): Relation {
    const sql = this.#make({
      case: 'sql',
      value: {
        query: text,
        ...(isList(args)
          ? { posArguments: args.map(expression) }
          : {
              namedArguments: Object.fromEntries(
                Object.entries(args).map(([name, value]) => [name, expression(value)]),
              ),
            }),
      },
    })
    const named = Object.entries(reads)
    if (named.length === 0) return sql
    const references = named.map(([alias, read]) =>
      this.#make({ case: 'subqueryAlias', value: { alias, input: this.#read(read) } }),
    )
    return this.#make({ case: 'withRelations', value: { root: sql, references } })
  }

  #read(read: SparkRead): Relation {
    const options = { ...read.options }
    if ('table' in read)
      return this.#make({
        case: 'read',
        value: { readType: { case: 'namedTable', value: { unparsedIdentifier: read.table, options } } },
      })
    const { format, paths, schema, select } = read
    const value = { format, paths: [...paths], options, ...(schema !== undefined && { schema }) }
    const input = this.#make({ case: 'read', value: { readType: { case: 'dataSource', value } } })
    if (select === undefined) return input
    const expressions = select.map((sql) =>
      create(ExpressionSchema, { exprType: { case: 'expressionString', value: { expression: sql } } }),
    )
    return this.#make({ case: 'project', value: { input, expressions } })
  }

  #observed(input: Relation, observe: SparkTarget['observe'] = {}): Relation {
    const metrics = Object.entries(observe)
    if (metrics.length === 0) return input
    const named = metrics.map(([name, sql]) =>
      create(ExpressionSchema, {
        exprType: { case: 'expressionString', value: { expression: `${sql} AS ${quote(name)}` } },
      }),
    )
    return this.#make({ case: 'collectMetrics', value: { input, name: OBSERVED, metrics: named } })
  }

  #make(relType: MessageInitShape<typeof RelationSchema>['relType'] & {}): Relation {
    return create(RelationSchema, { common: { planId: ++this.#last }, relType })
  }
}

/** What a write's counts are called in its answer. */
export const OBSERVED = 'millrace'

const MODES = {
  append: WriteOperation_SaveMode.APPEND,
  overwrite: WriteOperation_SaveMode.OVERWRITE,
  error: WriteOperation_SaveMode.ERROR_IF_EXISTS,
  ignore: WriteOperation_SaveMode.IGNORE,
}

function command(commandType: MessageInitShape<typeof CommandSchema>['commandType'] & {}): Plan {
  return create(PlanSchema, { opType: { case: 'command', value: { commandType } } })
}

function quote(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

function isList(args: SparkArguments): args is readonly SparkValue[] {
  return Array.isArray(args)
}

function expression(value: SparkValue): Expression {
  return create(ExpressionSchema, { exprType: { case: 'literal', value: { literalType: literal(value) } } })
}

function literal(value: SparkValue): MessageInitShape<typeof Expression_LiteralSchema>['literalType'] & {} {
  if (value === null) return { case: 'null', value: { kind: { case: 'null', value: {} } } }
  if (typeof value === 'boolean') return { case: 'boolean', value }
  if (typeof value === 'number') return { case: 'double', value }
  if (typeof value === 'bigint') return { case: 'long', value: within(value, 64) }
  if (typeof value === 'string') return { case: 'string', value }
  if (value instanceof Uint8Array) return { case: 'binary', value: new Uint8Array(value) }
  if (value instanceof Date) {
    const time = value.getTime()
    if (Number.isNaN(time)) throw argument('an argument is an invalid Date')
    return { case: 'timestamp', value: BigInt(time) * 1000n }
  }
  if ('integer' in value) return { case: 'integer', value: Number(within(BigInt(value.integer), 32)) }
  if ('micros' in value) return { case: 'timestamp', value: within(value.micros, 64) }
  if ('date' in value) return { case: 'date', value: days(value.date) }
  if (!/^-?\d+(\.\d+)?$/.test(value.decimal)) throw argument(`${JSON.stringify(value.decimal)} is no decimal number`)
  return { case: 'decimal', value: { value: value.decimal } }
}

function within(value: bigint, bits: number): bigint {
  if (BigInt.asIntN(bits, value) !== value) throw argument(`${value} does not fit into ${bits} bits`)
  return value
}

function days(text: string): number {
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN
  if (Number.isNaN(time)) throw argument(`${JSON.stringify(text)} is no date of the form 2026-11-30`)
  return time / 86_400_000
}

/** A literal of an answer, as JavaScript has it; exact ones are bigint, times microseconds. */
export function valueOf({ literalType }: Expression_Literal): null | boolean | number | bigint | string | Uint8Array {
  if (literalType.case === undefined || literalType.case === 'null') return null
  if (literalType.case === 'decimal') return literalType.value.value
  return literalType.value
}

function argument(message: string): MillraceError {
  return new MillraceError('MR_SPARK_ARGUMENT', message)
}
