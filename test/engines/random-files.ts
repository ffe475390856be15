/** Random tables in several files. Scans of them are of no file until a test has written them. */
import { createHash } from 'node:crypto'
import fc, { type Arbitrary } from 'fast-check'
import type { ColumnType } from '../../src/core/schema.js'
import { type Relation, scan, type Source } from '../../src/etl/relation.js'
import type { Column } from '../conformance/feature-table.js'
import { columnNames, TYPES } from '../conformance/random-tables.js'
import { VALUES } from './expressions.js'

export interface RandomTable {
  readonly columns: readonly Column[]
  /** The first rows of all files but the first. */
  readonly cuts: readonly number[]
  /** Rows that the scan leaves out. */
  readonly deleted: readonly number[]
  /** What is missing is NULL in the files. */
  readonly isPlain: boolean
  /** Whether the digests of the files are known, so that they may be looked at one by one. */
  readonly isKnown: boolean
  /** The column of the rows' numbers; none if absent. */
  readonly rowNumber?: string | undefined
}

const isMissing = (value: unknown): boolean => value === '' || Number.isNaN(value)

/** @param types of the columns; default: two to six of any */
export function randomTable(rows: number, types?: readonly ColumnType[]): Arbitrary<RandomTable> {
  const some =
    types === undefined ? fc.array(fc.constantFrom(...TYPES), { minLength: 2, maxLength: 6 }) : fc.constant(types)
  const list = <T>(one: Arbitrary<T>, minLength: number, maxLength = minLength): Arbitrary<T[]> =>
    fc.array(one, { minLength, maxLength })
  return fc
    .record({
      types: some,
      cuts: list(fc.nat(rows), 0, 2).map((cuts) => cuts.sort((a, b) => a - b)),
      deleted: fc.option(list(fc.nat(Math.max(0, rows - 1)), 0, 5), { nil: [], freq: 2 }),
      isPlain: fc.boolean(),
      isKnown: fc.boolean(),
      isNumbered: fc.boolean(),
    })
    .chain(({ types, isNumbered, ...table }) =>
      fc
        .tuple(columnNames(types.length + 1), fc.tuple(...types.map((type) => cells(type, rows))))
        .map(([names, values]): RandomTable => ({
          ...table,
          columns: types.map((type, i) => ({
            ...{ name: names[i] ?? '', type },
            values: (values[i] ?? []).map((value) => (table.isPlain && isMissing(value) ? null : value)),
          })),
          rowNumber: isNumbered ? names.at(-1) : undefined,
        })),
    )
}

/** Of few values, so that groups and joins find equal ones, or of any. */
function cells(type: ColumnType, rows: number): Arbitrary<Column['values']> {
  const lengths = { minLength: rows, maxLength: rows }
  const any = fc.option(VALUES[type], { freq: 6 })
  const few = fc.array(any, { minLength: 1, maxLength: 5 }).chain((some) => fc.array(fc.constantFrom(...some), lengths))
  return fc.oneof(few, fc.array(any, lengths))
}

/** The table's scan before it is written; `place` tells it from others. */
export function scanOf({ columns, rowNumber }: RandomTable, place: number): Relation {
  const schema = columns.map(({ name, type }) => ({ name, type }))
  return scan({ format: 'parquet', paths: [String(place)] }, schema, rowNumber === undefined ? {} : { rowNumber })
}

const digestOf = (content: string | Uint8Array): string =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`

/** What scans of the table read, once it is written to these files. */
export function sourceOf(
  { columns, cuts, deleted, isPlain, isKnown }: RandomTable,
  paths: readonly string[],
  copies = 1,
): Source {
  const starts = [0, ...cuts]
  const vectors = paths.flatMap((path, i) => {
    const [start, end] = [starts[i] ?? 0, cuts[i] ?? columns[0]?.values.length ?? 0]
    const bits = new Uint8Array(Math.ceil(((end - start) * copies) / 8))
    for (const row of deleted)
      if (row >= start && row < end)
        bits[(row - start) >> 3] = (bits[(row - start) >> 3] ?? 0) | (0x80 >> ((row - start) & 7))
    if (bits.every((byte) => byte === 0)) return []
    return [[path, { bits, digest: digestOf(bits) }] as const]
  })
  return {
    ...{ format: 'parquet', paths },
    ...(isPlain ? { plain: true } : {}),
    ...(isKnown ? { digests: Object.fromEntries(paths.map((path) => [path, digestOf(path)])) } : {}),
    ...(vectors.length === 0 ? {} : { deleted: Object.fromEntries(vectors) }),
  }
}

export interface Placed {
  readonly source: Source
  readonly rowsBefore: readonly number[]
}

/** The same plan over what was written: for the scan of each place its source, and the first rows of its files. */
export function placed(relation: Relation, sources: readonly Placed[]): Relation {
  switch (relation.kind) {
    case 'scan': {
      const found = sources[Number(relation.source.paths[0])]
      return found === undefined ? relation : { ...relation, ...found }
    }
    case 'union':
      return { ...relation, inputs: relation.inputs.map((input) => placed(input, sources)) }
    case 'join':
      return { ...relation, left: placed(relation.left, sources), right: placed(relation.right, sources) }
    default:
      return { ...relation, input: placed(relation.input, sources) }
  }
}
