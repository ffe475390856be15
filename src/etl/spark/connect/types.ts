/** Spark's types in Spark's own short words: `bigint`, `decimal(10,2)`, `array<struct<a:int>>`. */
import type { DataType } from './connect_pb.js'

export interface SparkField {
  readonly name: string
  /** As Spark's `simpleString` writes it. */
  readonly type: string
  readonly nullable: boolean
}

const WORDS = {
  ...{ null: 'void', binary: 'binary', boolean: 'boolean', byte: 'tinyint', short: 'smallint', integer: 'int' },
  ...{ long: 'bigint', float: 'float', double: 'double', string: 'string', date: 'date', timestamp: 'timestamp' },
  ...{ timestampNtz: 'timestamp_ntz', calendarInterval: 'interval', yearMonthInterval: 'interval year to month' },
  ...{ dayTimeInterval: 'interval day to second', variant: 'variant' },
} as const

/** The columns of a schema; empty for what is no struct. */
export function fieldsOf({ kind }: DataType): readonly SparkField[] {
  if (kind.case !== 'struct') return []
  return kind.value.fields.map(({ name, dataType, nullable }) => ({ name, type: typeText(dataType), nullable }))
}

/** A type that this client does not know is `unknown`. */
function typeText(type: DataType | undefined): string {
  if (type === undefined) return 'unknown'
  const { kind } = type
  switch (kind.case) {
    case undefined:
      return 'unknown'
    case 'decimal':
      return `decimal(${kind.value.precision ?? 10},${kind.value.scale ?? 0})`
    case 'char':
      return `char(${kind.value.length})`
    case 'varChar':
      return `varchar(${kind.value.length})`
    case 'array':
      return `array<${typeText(kind.value.elementType)}>`
    case 'map':
      return `map<${typeText(kind.value.keyType)},${typeText(kind.value.valueType)}>`
    case 'struct':
      return `struct<${kind.value.fields.map(({ name, dataType }) => `${name}:${typeText(dataType)}`).join(',')}>`
    default:
      return WORDS[kind.case]
  }
}
