/** Random rows and random well-typed expressions over them that no value makes fail. */
import fc, { type Arbitrary } from 'fast-check'
import type { ColumnType, Schema } from '../../src/core/schema.js'
import { call, cast, col, int, type LiteralValue, num, position, text, when, type Expr } from '../../src/etl/expr.js'

export const ROWS_SCHEMA: Schema = [
  { name: 'i', type: 'integer' },
  { name: 'j', type: 'integer' },
  { name: 'x', type: 'number' },
  { name: 'y', type: 'number' },
  { name: 's', type: 'text' },
  { name: 'u', type: 'text' },
  { name: 'b', type: 'boolean' },
  { name: 't', type: 'timestamp' },
  { name: 'd', type: 'date' },
]

const numbers = fc.oneof(
  fc.constantFrom(
    0,
    -0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    0.1,
    1e15,
    1e16,
    -1e15,
    123456.789,
    1e-4,
    1.5e-5,
    2 ** 53 + 2,
    5e-324,
  ),
  fc.constantFrom(9.223372036854775807e18, -9.223372036854775808e18, 1.7976931348623157e308, Infinity, -Infinity, NaN),
  fc.constantFrom(2147483647.5, -2147483648.5, 3.4028235e38, 1e23, 1e100, 1e-7),
  fc.integer({ min: -1000, max: 1000 }),
  fc.integer({ min: -1_000_000, max: 1_000_000 }).map((n) => n / 1000),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const integers = fc.oneof(
  fc.constantFrom(0n, 1n, -1n, 2n ** 31n, -(2n ** 31n), 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt({ min: -1000n, max: 1000n }),
  fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
)
const texts = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    'a',
    'A',
    'b',
    'ab',
    'É',
    '😀',
    '\uFFFD',
    "it's",
    '\\',
    '\\n',
    '\n',
    '\t x \f',
    '%',
    '$1',
    '${x}',
    'a\0b',
  ),
  fc.constantFrom(
    '1',
    '1.5',
    ' -2 ',
    '1e3',
    '.5',
    '5.',
    'x',
    'nan',
    'inf',
    '-inf',
    '1d',
    '--1',
    '2.5',
    '-2.5',
    '1e400',
  ),
  fc.constantFrom(
    '9223372036854775807',
    '9223372036854775808',
    '0.4999999',
    '-0',
    'true',
    'T',
    'no',
    '0',
    ' true',
    'on',
  ),
  fc.constantFrom(
    '2024-01-01',
    '2024-1-2',
    '2024-02-30',
    '2024-01-01T10:00:00+02:30',
    '2024-01-01 10:00',
    '12:30',
    '2024-01',
  ),
  fc.constantFrom(
    '2024-01-01 10:00:00.1234567',
    '2024-01-01T10:00:00Z',
    '1969-12-31 23:59:59.999999-05',
    '2024-01-01x',
  ),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.integer({ min: -99_999, max: 99_999 }).map((n) => String(n / 100)),
)
/** Microseconds, from the year 1 to 9999; -1 is the last one before 1970. */
const times = fc.oneof(
  fc.constantFrom(0n, -1n, 1704067200000000n),
  fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n }),
)
const DAY = 86_400_000_000n
const days = times.map((time) => (time / DAY) * DAY)
const booleans = fc.boolean()

/** Values of each type, all that is awkward among them. */
export const VALUES: Readonly<Record<ColumnType, Arbitrary<Exclude<LiteralValue, null>>>> = {
  number: numbers,
  integer: integers,
  boolean: booleans,
  text: texts,
  timestamp: times,
  date: days,
}

const orNull = <T>(value: Arbitrary<T>): Arbitrary<T | null> => fc.option(value, { freq: 6 })
export const rows: Arbitrary<Readonly<Record<string, LiteralValue>>> = fc.record({
  ...{ i: orNull(integers), j: orNull(integers), x: orNull(numbers), y: orNull(numbers), s: orNull(texts) },
  ...{ u: orNull(texts), b: orNull(booleans), t: orNull(times), d: orNull(days) },
})

const pieces = fc.constantFrom(
  ...[
    'a',
    'b',
    'É',
    '.',
    ' ',
    '1',
    '{',
    '-',
    '&',
    ']',
    '(a|b)',
    '(?:a|)',
    '(?P<n_1>x)',
    '(?i:A)',
    '(?i)é',
    '(?m)^a',
    '(?s).',
  ],
  ...[
    '\\d',
    '\\D',
    '\\s',
    '\\S',
    '\\w',
    '\\W',
    '\\b',
    '\\B',
    '\\.',
    '\\x61',
    '\\x{1F600}',
    '\\n',
    '\\v',
    '\\pL',
    '\\P{Lu}',
  ],
  ...[
    '[a-c]',
    '[^a]',
    '[\\d.]',
    '[^\\s]',
    '[[:alpha:]-]',
    '[^[:space:]x]',
    '[&&a]',
    '[a[b]',
    '[]a]',
    '\\Qa.\\E',
    '^',
    '$',
    '\\z',
  ],
)
const patterns = fc
  .array(fc.tuple(pieces, fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{0,1}', '+?')), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.map(([piece, times]) => piece + times).join(''))

/** The number where Java finds its shortest digits, whatever Java's version. */
export function usual(number: Expr): Expr {
  const size = call('abs', number)
  return when(call('and', call('ge', size, num(1e-4)), call('lt', size, num(1e15))), number, num(0.25))
}

type Typed = Readonly<Record<ColumnType, Expr>>

/**
 * By their type. Of doubles, without sums of the last bit: comparisons, floors and texts of them are the same everywhere.
 * @param schema the columns that they are made of; some types may have none
 */
export const expressionsOver = (schema: Schema, maxDepth = 4): { [Type in ColumnType]: Arbitrary<Expr> } =>
  fc.letrec<Typed>((tie) => {
    const [n, i, b, s, t, d] = [
      tie('number'),
      tie('integer'),
      tie('boolean'),
      tie('text'),
      tie('timestamp'),
      tie('date'),
    ]
    const literal = (type: ColumnType, values: Arbitrary<LiteralValue>): Arbitrary<Expr> =>
      orNull(values).map((value) => ({ op: 'literal', value, type }))
    const of = (fn: Parameters<typeof call>[0], ...args: Arbitrary<Expr>[]): Arbitrary<Expr> =>
      fc.tuple(...args).map((some) => call(fn, ...some))
    const some = (fn: Parameters<typeof call>[0], arg: Arbitrary<Expr>, min = 1): Arbitrary<Expr> =>
      fc.array(arg, { minLength: min, maxLength: 3 }).map((args) => call(fn, ...args))
    const choice = (arg: Arbitrary<Expr>): Arbitrary<Expr> => fc.tuple(b, arg, arg).map(([is, a, c]) => when(is, a, c))
    /** Whole numbers that products of three of them cannot overflow. */
    const small = i.map((one) => call('int_mod', one, int(1000)))
    const leaf = (
      type: ColumnType,
      values: Arbitrary<LiteralValue>,
    ): { arbitrary: Arbitrary<Expr>; weight: number } => {
      const columns = schema.flatMap((field) => (field.type === type ? [col(field.name)] : []))
      const literals = literal(type, values)
      if (columns.length === 0) return { arbitrary: literals, weight: 8 }
      return { arbitrary: fc.oneof({ arbitrary: fc.constantFrom(...columns), weight: 2 }, literals), weight: 8 }
    }
    const options = { maxDepth, depthSize: 'small' } as const
    /** Not what DuckDB alone takes: the ends of time. */
    const dated = s.map((one) => when(call('matches', one, text('(?i)inf|epoch')), text(''), one))
    return {
      number: fc.oneof(
        options,
        leaf('number', numbers),
        ...(['add', 'sub', 'mul', 'div'] as const).map((fn) => of(fn, n, fc.oneof(n, i))),
        ...(['neg', 'abs', 'sqrt', 'floor'] as const).map((fn) => of(fn, n)),
        some('least', n),
        some('greatest', n),
        some('coalesce', n),
        of('nullif', n, n),
        choice(n),
        fc.oneof(i, b, s).map((one) => cast(one, 'number', true)),
      ),
      integer: fc.oneof(
        options,
        leaf('integer', integers),
        ...(['add', 'sub', 'mul'] as const).map((fn) => of(fn, small, small)),
        of('int_div', small, small),
        of('int_mod', small, small),
        some('greatest', i),
        some('least', i),
        some('coalesce', i),
        choice(i),
        small.map((one) => call('neg', one)),
        fc.oneof(n, b, s).map((one) => cast(one, 'integer', true)),
        fc.oneof(t, d).map((one) => call('epoch_us', one)),
        fc
          .tuple(s, fc.uniqueArray(texts, { minLength: 1, maxLength: 30 }))
          .map(([one, values]) => position(one, values)),
      ),
      boolean: fc.oneof(
        options,
        leaf('boolean', booleans),
        ...(['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const).flatMap((fn) => [
          of(fn, n, fc.oneof(n, i)),
          of(fn, i, i),
          of(fn, s, s),
          of(fn, t, fc.oneof(t, d)),
          of(fn, d, fc.oneof(t, d)),
        ]),
        some('and', b),
        some('or', b),
        of('not', b),
        ...(['is_null', 'is_missing'] as const).map((fn) => of(fn, fc.oneof(n, i, b, s, t, d))),
        of('is_nan', n),
        choice(b),
        fc.oneof(n, i, s).map((one) => cast(one, 'boolean', true)),
        fc.tuple(s, patterns).map(([one, pattern]) => call('matches', one, text(pattern))),
        ...[
          among(
            n,
            'number',
            numbers.filter((one) => !Number.isNaN(one)),
          ),
          among(i, 'integer', integers),
          among(s, 'text', texts),
          among(t, 'timestamp', times),
          among(t, 'date', days),
          among(d, 'date', days),
          among(d, 'timestamp', times),
        ],
      ),
      text: fc.oneof(
        options,
        leaf('text', texts),
        some('concat', s),
        ...(['lower', 'trim', 'md5'] as const).map((fn) => of(fn, s)),
        fc
          .tuple(s, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 4 }))
          .map(([one, from, length]) => call('substr', one, int(from), int(length))),
        some('coalesce', s),
        of('nullif', s, s),
        choice(s),
        fc.oneof(n.map(usual), i, b, t, d).map((one) => cast(one, 'text')),
        fc
          .constantFrom(0, -0, 1e16, 1e20, -1.5e-7, 1e-5, 2.5e100, Infinity, -Infinity, NaN)
          .map((one) => cast(num(one), 'text')),
      ),
      timestamp: fc.oneof(
        options,
        leaf('timestamp', times),
        dated.map((one) => cast(one, 'timestamp', true)),
        d.map((one) => cast(one, 'timestamp')),
        choice(t),
        some('coalesce', fc.oneof(t, d), 2).map((one) => cast(one, 'timestamp')),
        of('nullif', t, fc.oneof(t, d)),
        fc.tuple(b, t, d).map(([is, a, c]) => when(is, a, c)),
      ),
      date: fc.oneof(
        options,
        leaf('date', days),
        dated.map((one) => cast(one, 'date', true)),
        t.map((one) => cast(one, 'date')),
        choice(d),
        of('nullif', d, d),
      ),
    }
  })

function among(value: Arbitrary<Expr>, type: ColumnType, values: Arbitrary<LiteralValue>): Arbitrary<Expr> {
  return fc
    .tuple(value, fc.array(orNull(values), { maxLength: 30 }))
    .map(([one, list]) => ({ op: 'in', value: one, values: list, type }))
}

const { number, integer, boolean, text: texty, timestamp, date } = expressionsOver(ROWS_SCHEMA)
/** `exp` and `ln` differ in the last bit between engines, and narrow types are for features: nothing is made of them. */
export const scalar: Arbitrary<Expr> = fc.oneof(
  {
    arbitrary: fc
      .oneof(number, integer, boolean, texty, timestamp, date)
      .filter(({ op }) => op !== 'column' && op !== 'literal'),
    weight: 9,
  },
  fc.tuple(fc.constantFrom('exp' as const, 'ln' as const), number).map(([fn, one]) => call(fn, one)),
  fc.oneof(number, integer, boolean).map((one) => cast(one, 'float32')),
  fc.oneof(number, integer, boolean, texty).map((one) => cast(one, 'int32', true)),
)

const big = int(2n ** 62n)
/** What fails for its values, on every engine. */
export const wrong: readonly { readonly label: string; readonly expr: Expr }[] = [
  { label: 'a sum beyond 64 bits', expr: call('add', big, call('mul', big, col('i'))) },
  { label: 'a product beyond 64 bits', expr: call('mul', call('mul', col('i'), big), int(2)) },
  { label: 'a text that is no number', expr: cast(col('s'), 'number') },
  { label: 'a number with a suffix', expr: cast(text('1d'), 'number') },
  { label: 'a text that is no integer', expr: cast(col('s'), 'integer') },
  { label: 'a text that is no time', expr: cast(col('s'), 'timestamp') },
  { label: 'a time without a day', expr: cast(text('12:30'), 'timestamp') },
  { label: 'a text that is no date', expr: cast(col('s'), 'date') },
  { label: 'a text that is no truth value', expr: cast(text(' true'), 'boolean') },
  { label: 'a number beyond 64 bits', expr: cast(call('mul', col('x'), num(1e19)), 'integer') },
  { label: '2^63', expr: cast(call('mul', col('x'), num(2 ** 63)), 'integer') },
  { label: 'NaN as an integer', expr: cast(call('mul', col('x'), num(NaN)), 'integer') },
  { label: 'an integer beyond 32 bits', expr: cast(call('mul', col('i'), int(2n ** 31n)), 'int32') },
  { label: 'a pattern that is none', expr: call('matches', col('s'), text('(')) },
  { label: 'a pattern that only Java knows', expr: call('matches', col('s'), text('(?=a)')) },
]
