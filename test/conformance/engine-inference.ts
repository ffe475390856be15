/** What types an engine must find in files, and what it must say of files that are broken. */
import { writeFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cast, col, num, call, text, int, bool } from '../../src/etl/expr.js'
import { limit, project, scan, select, withColumns } from '../../src/etl/relation.js'
import { expandSource } from '../../src/etl/source.js'
import type { Bench } from './engine.js'

export function inferenceConformance(bench: Bench): void {
  const types = async (name: string, content: string | Uint8Array): Promise<string> =>
    (await bench.table(name, content)).schema.map((field) => `${field.name} ${field.type}`).join(', ')
  const values = async (name: string, content: string | Uint8Array): Promise<unknown[][]> => {
    const table = await bench.table(name, content)
    return (await bench.engine.rows(table)).map((row) => table.schema.map((field) => row[field.name]))
  }
  const fails = async (name: string, content: string | Uint8Array): Promise<Record<string, unknown>> => {
    const error: unknown = await bench.table(name, content).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ name: 'MillraceError' })
    return error as Record<string, unknown>
  }
  const column = (...cells: readonly string[]): string => `id,c\n${cells.map((cell, i) => `${i},${cell}\n`).join('')}`

  describe('types from all values', () => {
    it.each([
      ['integer', ['1', '-20', '0', '']],
      ['integer', ['9223372036854775807', '-9223372036854775808']],
      ['integer', [' 7 ', '  ', 'NA']],
      ['number', ['1', '2.5', '1e3', '.5', '-0.25', '']],
      ['number', ['18446744073709551616', '0.5']],
      ['number', ['1', 'NaN', '?', 'null', 'None', 'n/a', '2.0']],
      ['text', ['18446744073709551616', '1']],
      ['text', ['007', '8']],
      ['text', ['00.5', '8']],
      ['text', ['1_000', '2']],
      ['text', ['0x1F', '2']],
      ['text', ['1,5'.replace(',', ';'), '2']],
      ['text', ['inf', '1']],
      ['text', ['1e999', '1']],
      ['text', ['', ' ', '']],
      ['text', ['NA', 'NA']],
      ['boolean', ['true', 'FALSE', 'True', '']],
      ['text', ['true', '1']],
      ['text', ['yes', 'no']],
      ['date', ['2024-02-29', '1969-12-31', 'NA']],
      ['text', ['2023-02-29', '2024-01-01']],
      ['text', ['01/02/2024']],
      ['text', ['2024-1-5']],
      [
        'timestamp',
        ['2024-02-29T12:00:00Z', '2024-02-29 12:00:00.123456', '2024-02-29T12:00:00+0530', '2024-02-29T12:00'],
      ],
      ['timestamp', ['2024-02-29', '2024-02-29 12:00:00']],
      ['text', ['12:00:00', '13:00:00']],
      ['text', ['1', '2', 'x']],
    ])('%s: %j', async (type, cells) => {
      expect(await types('types.csv', column(...cells))).toBe(`id integer, c ${type}`)
    })
    it('sees the last of many rows', async () => {
      const cells = Array.from({ length: 30_000 }, (_, i) => String(i))
      expect(await types('late.csv', column(...cells, 'late'))).toBe('id integer, c text')
      expect(await types('late.csv', column(...cells, '0.5'))).toBe('id integer, c number')
    })
    it('reads what it found: blanks are missing where the column has a type, text is kept as it is', async () => {
      const content = 'n,b,d,t,s\n 1.5 ,TRUE,2024-02-29,2024-02-29T01:00:00+01:00, a \n ,,NA,?,\nNaN,false,,,"NA"\n'
      expect(await values('read.csv', content)).toMatchObject([
        [1.5, true, 1709164800000000n, 1709164800000000n, ' a '],
        [null, null, null, null, null],
        [null, false, null, null, 'NA'],
      ])
    })
  })

  describe('CSV', () => {
    it.each([
      ['semicolons', 'a;b\n1;2,5\n3;4,5\n', 'a integer, b text'],
      ['tabs', 'a\tb\n1\tx, y\n', 'a integer, b text'],
      ['bars', 'a|b\n1|2\n', 'a integer, b integer'],
      ['one column', 'a\n1\n2\n', 'a integer'],
      ['a byte-order mark and CRLF', '\uFEFFa,b\r\n1,2\r\n', 'a integer, b integer'],
      ['quoted line breaks and delimiters', 'a,b\n1,"x\n""y"", z"\n2,"\r\n"\n', 'a integer, b text'],
      ['single quotes', "a,b\n1,'x, y'\n2,'z'\n", 'a integer, b text'],
      ['no line break at the end', 'a,b\n1,2', 'a integer, b integer'],
      ['a header alone', 'a,b\n', 'a text, b text'],
      ['a header alone without line break', 'a,b', 'a text, b text'],
      ['no header', '1,x\n2,y\n', 'column_1 integer, column_2 text'],
      ['text alone has a header', 'name,city\nA,B\n', 'name text, city text'],
      ['an unnamed first column', ',a\n0,x\n1,y\n', 'column_1 integer, a text'],
      ['spaces around names', ' a , b \n1,2\n', 'a integer, b integer'],
    ])('%s', async (_, content, expected) => {
      expect(await types('shape.csv', content)).toBe(expected)
    })
    it('reads quoted values whole', async () => {
      expect(await values('quoted.csv', 'a,b\n1,"x\n""y"", z"\n2,"\r\n"\n')).toEqual([
        [1n, 'x\n"y", z'],
        [2n, '\r\n'],
      ])
    })
    it('has no rows where there are none', async () => {
      expect(await values('none.csv', 'a,b\n')).toEqual([])
    })
    it('takes the delimiter that it is told', async () => {
      await writeFile(bench.path('told.csv'), 'a~b\n1~2\n')
      const source = { ...(await expandSource(bench.path('told.csv'))), csv: { delimiter: '~' } }
      expect((await bench.engine.inferSchema(source)).schema.map((field) => field.name)).toEqual(['a', 'b'])
    })
    it('reads gzip, and several files in the order of their names', async () => {
      expect(await types('packed.csv.gz', gzipSync('a,b\n1,x\n'))).toBe('a integer, b text')
      await writeFile(bench.path('many-2.tsv'), 'a\tb\n2.5\ty\n')
      await writeFile(bench.path('many-1.tsv'), 'a\tb\n1\tx\n')
      const { source, schema } = await bench.engine.inferSchema(await expandSource(bench.path('many-*.tsv')))
      const numbered = scan(source, schema, { rowNumber: 'row' })
      const rows = await bench.engine.rows(select(numbered, ['a', 'b', 'row']))
      expect(rows.map(({ a, b, row }) => [a, b, row])).toEqual([
        [1, 'x', 0n],
        [2.5, 'y', 1n],
      ])
    })
    it('reads some of the columns, each its own', async () => {
      const { source, schema } = await bench
        .table('some.csv', 'a,b,c\n1,2,3\n')
        .then((table) => bench.engine.inferSchema((table as { source: never } & typeof table).source))
      const some = scan(
        source,
        schema.filter((field) => field.name === 'c'),
      )
      expect(await bench.engine.rows(some)).toMatchObject([{ c: 3n }])
    })
    it('names the file and line of rows that do not fit', async () => {
      const found = await fails('ragged.csv', 'a,b\n1,2\n1,2,3\n')
      expect(found).toMatchObject({ code: 'MR_SOURCE_ROW', at: { file: bench.path('ragged.csv'), line: 3 } })
      expect(found['message']).toMatch(/3 values, not 2/)
      expect(await fails('short.csv', 'a,b\n1\n')).toMatchObject({ code: 'MR_SOURCE_ROW', at: { line: 2 } })
    })
    it('names the place of bytes that are not UTF-8', async () => {
      const latin = Buffer.from('a,b\n1,x\n2,caf\xe9\n', 'latin1')
      expect(await fails('latin.csv', latin)).toMatchObject({ code: 'MR_SOURCE_ENCODING', at: { line: 3 } })
    })
    it('names columns of the same name', async () => {
      const found = await fails('twice.csv', 'a,b,a,B\n1,2,3,4\n')
      expect(found).toMatchObject({ code: 'MR_SOURCE_HEADER' })
      expect(found['message']).toMatch(/: a, b and B$/)
    })
    it('says that a file is empty, missing, or cut', async () => {
      expect(await fails('empty.csv', '')).toMatchObject({ code: 'MR_SOURCE_EMPTY' })
      expect(await fails('open.csv', 'a,b\n1,"x\n')).toMatchObject({ code: 'MR_SOURCE_ROW' })
      expect(await fails('cut.csv.gz', gzipSync('a,b\n1,2\n').subarray(0, 20))).toMatchObject({
        code: 'MR_SOURCE_CORRUPT',
      })
      await expect(expandSource(bench.path('empti.csv'))).rejects.toMatchObject({ code: 'MR_FILE_MISSING' })
    })
    it('carries any text through a file', async () => {
      // DuckDB keeps a text as it is; the empty one is missing, and CSV cannot hold NUL or tell a lone \r from a line
      const cell = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((s) => !/[\0\r]/.test(s))
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 }), async (rows) => {
          const quoted = (value: string): string => `"${value.replaceAll('"', '""')}"`
          const lines = rows.map((row, i) => [String(i), ...row.map(quoted)].join(','))
          await writeFile(bench.path('any.csv'), `id,a,b\n${lines.join('\n')}\n`)
          const csv = { delimiter: ',', quote: '"', header: true, columns: ['id', 'a', 'b'] }
          const table = scan({ format: 'csv', paths: [bench.path('any.csv')], csv }, [
            { name: 'a', type: 'text' },
            { name: 'b', type: 'text' },
          ])
          const found = await bench.engine.rows(table)
          expect(found.map(({ a, b }) => [a ?? '', b ?? ''])).toEqual(rows)
        }),
        { numRuns: 40 },
      )
    })
    it('carries any text through a literal', async () => {
      const one = await bench.table('one.csv', 'a\n1\n')
      await fc.assert(
        fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 10 }), async (texts) => {
          const columns = texts.map((value, i) => ({ name: `t${i}`, expr: text(value) }))
          const [row] = await bench.engine.rows(project(one, columns))
          expect(columns.map(({ name }) => row?.[name])).toEqual(texts)
        }),
        { numRuns: 40 },
      )
    })
    it('carries any double through a literal', async () => {
      const one = await bench.table('one.csv', 'a\n1\n')
      await fc.assert(
        fc.asyncProperty(fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 20 }), async (numbers) => {
          const columns = numbers.map((value, i) => ({ name: `n${i}`, expr: num(value) }))
          const [row] = await bench.engine.rows(project(one, columns))
          expect(columns.map(({ name }) => row?.[name])).toEqual(numbers)
        }),
        { numRuns: 40 },
      )
    })
  })

  describe('JSON', () => {
    it.each([
      ['lines', 'x.jsonl', '{"a":1,"b":"x"}\n{"a":2.5,"c":true}\n'],
      ['an array', 'x.json', '[{"a":1,"b":"x"},\n {"a":2.5,"c":true}]'],
      ['lines in a .json file', 'y.json', '{"a":1,"b":"x"}\n{"a":2.5,"c":true}\n'],
    ])('%s', async (_, name, content) => {
      expect(await types(name, content)).toBe('a number, b text, c boolean')
      expect(await values(name, content)).toEqual([
        [1, 'x', null],
        [2.5, null, true],
      ])
    })
    it('keeps nested values as text', async () => {
      expect(await values('nested.jsonl', '{"a":{"b":[1,2]},"c":[]}\n{"a":null,"c":["x"]}\n')).toEqual([
        ['{"b":[1,2]}', '[]'],
        [null, '["x"]'],
      ])
    })
    it('finds times in texts', async () => {
      expect(await types('t.jsonl', '{"d":"2024-01-01","t":"2024-01-01T00:00:00Z"}\n')).toBe('d date, t timestamp')
    })
    it('says what is broken', async () => {
      expect(await fails('broken.jsonl', '{"a":1}\n{"a":\n')).toMatchObject({ code: 'MR_SOURCE_ROW' })
      expect(await fails('none.json', '')).toMatchObject({ code: 'MR_SOURCE_EMPTY' })
      expect(await fails('keyless.json', '[{}, {}]')).toMatchObject({ code: 'MR_SOURCE_EMPTY' })
      expect(await fails('numbers.json', '[1, 2]')).toMatchObject({ code: 'MR_SOURCE_ROW' })
      expect(await fails('case.jsonl', '{"a":1}\n{"A":2}\n')).toMatchObject({ code: 'MR_SOURCE_HEADER' })
    })
    it('reads objects over several lines, and one column called json', async () => {
      expect(await values('wide.json', '{"a": 1,\n "b": 2}\n{"a": 3}\n')).toEqual([
        [1n, 2n],
        [3n, null],
      ])
      expect(await values('json.jsonl', '{"json":1}\n{"json":2}\n')).toEqual([[1n], [2n]])
    })
  })

  describe('Parquet', () => {
    it('says itself what its columns are', async () => {
      const one = await bench.table('one.csv', 'a\n1\n')
      const all = withColumns(one, [
        { name: 'f', expr: cast(num(0.5), 'float32') },
        { name: 'i', expr: cast(int(5), 'int32') },
        { name: 'n', expr: num(NaN) },
        { name: 'e', expr: text('') },
        { name: 'b', expr: bool(true) },
        { name: 't', expr: cast(text('2024-01-01T00:00:00Z'), 'timestamp') },
        { name: 'd', expr: cast(text('2024-01-01'), 'date') },
      ])
      const { files } = await bench.engine.write(all, { folder: bench.path('kinds'), format: 'parquet' })
      const source = await expandSource(bench.path(`kinds/${files[0]?.path}`))
      const { schema } = await bench.engine.inferSchema(source)
      expect(schema.map((field) => field.type).join()).toBe('integer,number,integer,number,text,boolean,timestamp,date')
      // NaN and empty text are missing as soon as they are read
      const [row] = await bench.engine.rows(limit(scan(source, schema), 1))
      expect(schema.map((field) => row?.[field.name])).toEqual([
        1n,
        0.5,
        5n,
        null,
        null,
        true,
        1704067200000000n,
        1704067200000000n,
      ])
      const missing = project(scan(source, schema), [{ name: 'm', expr: call('is_null', col('n')) }])
      expect(await bench.engine.rows(missing)).toMatchObject([{ m: true }])
    })
    it('says which file is not whole', async () => {
      const found = await fails('cut.parquet', 'PAR1 and then nothing more')
      expect(found).toMatchObject({ code: 'MR_SOURCE_CORRUPT' })
      expect(found['message']).toContain(bench.path('cut.parquet'))
    })
  })
}
