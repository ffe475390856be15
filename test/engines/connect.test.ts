/** The Spark Connect client on a real cluster whose streams end every two seconds: queries, types, arguments, writes, errors. */
import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { SparkSession } from '../../src/etl/spark/connect/session.js'
import type { SparkProgress } from '../../src/etl/spark/connect/watch.js'
import { failure, LONG, rows } from './rows.js'

const cluster = inject('spark')
let spark: SparkSession
beforeAll(async () => {
  spark = await SparkSession.connect(cluster.address)
  await spark.config({ 'spark.connect.progress.reportInterval': '200ms' })
})
afterAll(() => spark[Symbol.asyncDispose]())

describe('a session', () => {
  it('tells the version and keeps configuration', async () => {
    expect(spark.version).toMatch(/^4\./)
    await spark.config({ 'spark.sql.session.timeZone': 'Asia/Tokyo' })
    expect(await spark.configured(['spark.sql.session.timeZone'])).toEqual(['Asia/Tokyo'])
    expect(await rows(spark, spark.sql('SELECT current_timezone()'))).toEqual([['Asia/Tokyo']])
    await spark.config({ 'spark.sql.session.timeZone': 'UTC' })
    expect(await failure(spark.configured(['spark.sql.no.such']))).toMatchObject({
      ...{ code: 'MR_SPARK_QUERY', errorClass: 'SQL_CONF_NOT_FOUND' },
    })
  })

  it('is released on the server at its end', async () => {
    const address = `${cluster.address};session_id=${randomUUID()};user_id=released`
    const first = await SparkSession.connect(address)
    await first.config({ 'spark.sql.shuffle.partitions': '3' })
    await first[Symbol.asyncDispose]()
    expect(await failure(SparkSession.connect(address))).toMatchObject({
      ...{ code: 'MR_SPARK_LOST', errorClass: 'INVALID_HANDLE.SESSION_CLOSED' },
    })
  })

  it('takes another one with the same configuration where it was closed', async () => {
    const id = randomUUID()
    await using first = await SparkSession.connect(`${cluster.address};session_id=${id};user_id=both`)
    await first.config({ 'spark.sql.shuffle.partitions': '3' })
    await (await SparkSession.connect(`${cluster.address};session_id=${id};user_id=both`))[Symbol.asyncDispose]()
    expect(await rows(first, first.sql('SELECT 1'))).toEqual([[1]])
    expect(await first.configured(['spark.sql.shuffle.partitions'])).toEqual(['3'])
  })

  it('refuses a wrong token and none at all', async () => {
    for (const options of ['', '/;token=wrong']) {
      const error = await failure(SparkSession.connect(`sc://${cluster.endpoint}${options}`))
      expect(error).toMatchObject({ code: 'MR_SPARK_AUTH' })
      expect(error.message).not.toContain('wrong')
    }
  })
})

describe('queries', () => {
  const ALL = `SELECT true AS a, 1Y AS b, 2S AS c, 3 AS d, 4L AS e, 1.5F AS f, 2.5D AS g, 12.34BD AS h, 'é' AS i, X'00FF' AS j,
    DATE'2026-11-30' AS k, TIMESTAMP'2026-11-30 12:00:00.123456' AS l, TIMESTAMP_NTZ'2026-11-30 12:00:00' AS m,
    array(1, NULL) AS n, map('x', 1) AS o, named_struct('p', 1, 'q', 'r') AS p, NULL AS q, CAST(NULL AS STRING) AS r`

  it('have a schema without being executed', async () => {
    const fields = await spark.schema(spark.sql(ALL))
    expect(fields.map(({ name, type }) => `${name} ${type}`)).toEqual([
      ...['a boolean', 'b tinyint', 'c smallint', 'd int', 'e bigint', 'f float', 'g double', 'h decimal(4,2)'],
      ...['i string', 'j binary', 'k date', 'l timestamp', 'm timestamp_ntz', 'n array<int>', 'o map<string,int>'],
      ...['p struct<p:int,q:string>', 'q void', 'r string'],
    ])
    expect(fields.filter(({ nullable }) => nullable).map(({ name }) => name)).toEqual(['q', 'r'])
  })

  it('give values of all types', async () => {
    const [row] = await rows(spark, spark.sql(ALL))
    const noon = Date.UTC(2026, 10, 30, 12)
    expect(row).toEqual([
      ...[true, 1, 2, 3, 4n, 1.5, 2.5, 12.34, 'é', new Uint8Array([0, 255]), Date.UTC(2026, 10, 30)],
      ...[noon + 123.456, noon, row?.[13], [['x', 1]], { p: 1, q: 'r' }, null, null],
    ])
    expect(Array.from(row?.[13] as Iterable<unknown>)).toEqual([1, null])
  })

  it('give no rows with their columns', async () => {
    const tables = []
    for await (const table of spark.batches(spark.sql('SELECT id AS a FROM range(5) WHERE id > 9'))) tables.push(table)
    expect(tables.map((table) => [table.numRows, table.names])).toEqual([[0, ['a']]])
  })

  it('give columns of one name', async () => {
    expect(await rows(spark, spark.sql('SELECT 1 AS a, 2 AS a'))).toEqual([[1, 2]])
  })

  it('give every row once and in order over many streams, also to who takes them slowly', async () => {
    const query = spark.sql("SELECT id, repeat('x', 90) AS s FROM range(0, 200000, 1, 4)")
    let [next, tables] = [0n, 0]
    for await (const table of spark.batches(query)) {
      for (const id of table.getChildAt(0)) expect(id).toBe(next++)
      if (++tables % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 500))
    }
    expect(next).toBe(200_000n)
    expect(tables).toBeGreaterThanOrEqual(20)
  })

  it('take arguments by name, by place and of every kind', async () => {
    const bytes = new Uint8Array([9, 1, 2, 3]).subarray(1)
    const args = {
      ...{ nothing: null, yes: true, number: 1.0, whole: 2n ** 62n, text: "o'clock", bytes },
      ...{ time: new Date(Date.UTC(2026, 0, 1)), few: { integer: 2 }, exact: { decimal: '-12.340' } },
      ...{ day: { date: '1969-12-31' }, micros: { micros: -1n } },
    }
    const names = Object.keys(args)
    const query = spark.sql(`SELECT ${names.map((name) => `:${name} AS ${name}`).join()}`, args)
    const types = (await spark.schema(query)).map(({ type }) => type)
    expect(types).toEqual([
      ...['void', 'boolean', 'double', 'bigint', 'string', 'binary', 'timestamp', 'int', 'decimal(5,3)', 'date'],
      'timestamp',
    ])
    expect(await rows(spark, query)).toEqual([
      [
        null,
        true,
        1,
        2n ** 62n,
        "o'clock",
        new Uint8Array([1, 2, 3]),
        Date.UTC(2026, 0, 1),
        2,
        -12.34,
        -86_400_000,
        -0.001,
      ],
    ])
    expect(await rows(spark, spark.sql('SELECT ? + 1L, ? FROM range(9) LIMIT 1', [5n, 'a']))).toEqual([[6n, 'a']])
    expect(await rows(spark, spark.sql('SELECT id FROM range(9) LIMIT :n', { n: { integer: 2 } }))).toHaveLength(2)
  })

  it('report progress', async () => {
    const seen: SparkProgress[] = []
    const query = spark.sql('SELECT count(*) FROM range(0, 2000000000, 1, 6) WHERE hash(id) = 5')
    await rows(spark, query, { onProgress: (progress) => seen.push(progress) })
    expect(seen.length).toBeGreaterThan(1)
    expect(seen.some(({ running }) => running > 0)).toBe(true)
    // told at times: the last is not of the end, but two cores have done the first of six tasks by then
    expect(seen.at(-1)?.done).toBeGreaterThanOrEqual(2)
    for (const { done, tasks } of seen) expect(done).toBeLessThanOrEqual(tasks)
  })

  it('end soon and on the server when they are interrupted', async () => {
    const controller = new AbortController()
    const running = rows(spark, spark.sql(LONG), {
      signal: controller.signal,
      onProgress: ({ running }) => {
        if (running > 0) controller.abort()
      },
    })
    expect(await failure(running)).toMatchObject({ code: 'MR_CANCELLED' })
    // nothing of it holds the two cores
    const began = performance.now()
    expect(await rows(spark, spark.sql('SELECT sum(id) FROM range(10)'))).toEqual([[45n]])
    expect(performance.now() - began).toBeLessThan(30_000)
    expect(await spark.interrupt()).toBe(0)
    expect(await failure(rows(spark, spark.sql('SELECT 1'), { signal: AbortSignal.abort() }))).toMatchObject({
      code: 'MR_CANCELLED',
    })
  })

  it('end on the server when they are left', async () => {
    for await (const table of spark.batches(spark.sql('SELECT id FROM range(0, 3000000, 1, 8)'))) {
      expect(table.numRows).toBeGreaterThan(0)
      break
    }
    expect(await spark.interrupt()).toBe(0)
  })

  it('are interrupted by another caller of the session', async () => {
    // Once tasks run: what Spark is told while it plans, it may forget, and the job goes on without an owner.
    const told: Promise<number>[] = []
    const onProgress = ({ running }: SparkProgress) => {
      if (running > 0 && told.length === 0) told.push(spark.interrupt())
    }
    const running = failure(rows(spark, spark.sql(LONG), { onProgress }))
    expect(await running).toMatchObject({ code: 'MR_SPARK_QUERY', errorClass: 'OPERATION_CANCELED', sqlState: 'HY008' })
    expect(await Promise.all(told)).toEqual([1])
  })
})

describe('errors', () => {
  it.each([
    ['SELEC 1', 'PARSE_SYNTAX_ERROR', '42601'],
    ['SELECT nope FROM range(3)', 'UNRESOLVED_COLUMN.WITH_SUGGESTION', '42703'],
    ['SELECT * FROM no_such', 'TABLE_OR_VIEW_NOT_FOUND', '42P01'],
    ["SELECT CAST('abc' AS INT)", 'CAST_INVALID_INPUT', '22018'],
    ['SELECT 1 / (id - 5) FROM range(10)', 'DIVIDE_BY_ZERO', '22012'],
    ['SELECT :a', 'UNBOUND_SQL_PARAMETER', '42P02'],
  ])('%s is %s', async (text, errorClass, sqlState) => {
    const error = await failure(rows(spark, spark.sql(text)))
    expect(error).toMatchObject({ code: 'MR_SPARK_QUERY', errorClass, sqlState, retryable: false })
    expect(error.message).toContain(errorClass)
    expect(error.message).not.toMatch(/\n\s*at [\w.$]+\(/)
  })

  it('are told whole, however long', async () => {
    const columns = Array.from({ length: 200 }, (_, i) => `id AS a_rather_long_name_of_a_column_${i}`).join()
    const error = await failure(rows(spark, spark.sql(`SELECT nope FROM (SELECT ${columns} FROM range(2)) t`)))
    expect(error).toMatchObject({ errorClass: 'UNRESOLVED_COLUMN.WITH_SUGGESTION', sqlState: '42703' })
    expect(error['parameters']).toMatchObject({ objectName: '`nope`' })
  })

  it('say their cause', async () => {
    const folder = join(cluster.state, 'causes')
    await spark.write(spark.sql("SELECT 'abc' AS a"), { format: 'csv', path: folder, mode: 'overwrite' })
    const read = { format: 'csv', paths: [folder], schema: 'a INT', options: { mode: 'FAILFAST' } }
    const error = await failure(rows(spark, spark.sql('SELECT * FROM t0', {}, { t0: read })))
    expect(error['errorClass']).toMatch(/^FAILED_READ_FILE/)
    expect(error.message).toContain('; because: ')
    expect(error.message).toContain('abc')
  })
})

describe('reads and writes', () => {
  it('write partitions, count while they write, and are read again', async () => {
    const path = join(cluster.state, 'partitioned')
    const target = {
      format: 'parquet',
      path,
      mode: 'error',
      partitionBy: ['p'],
      options: { compression: 'zstd' },
    } as const
    const query = spark.sql('SELECT id, id % :n AS p FROM range(1000)', { n: 3n })
    const observed = await spark.write(query, { ...target, observe: { rows: 'count(*)', 'mean of id': 'avg(id)' } })
    expect(observed).toEqual({ rows: 1000n, 'mean of id': 499.5 })
    expect((await readdir(path)).filter((name) => name.startsWith('p=')).sort()).toEqual(['p=0', 'p=1', 'p=2'])
    const reads = { all: { format: 'parquet', paths: [path] }, part: { format: 'parquet', paths: [join(path, 'p=1')] } }
    const join_ = spark.sql('SELECT count(*), sum(all.id) FROM all JOIN part USING (id)', {}, reads)
    expect(await rows(spark, join_)).toEqual([[333n, 166_167n]])
    expect(await failure(spark.write(query, target))).toMatchObject({ errorClass: 'PATH_ALREADY_EXISTS' })
  })

  it('see files that were added since the same read', async () => {
    const path = join(cluster.state, 'growing')
    const read = { t0: { format: 'parquet', paths: [path] } }
    const counted = spark.sql('SELECT count(*) FROM t0', {}, read)
    for (const expected of [5n, 10n, 15n]) {
      await spark.write(spark.sql('SELECT id FROM range(5)'), { format: 'parquet', path, mode: 'append' })
      expect(await rows(spark, counted)).toEqual([[expected]])
    }
  })

  it('run statements once', async () => {
    const path = join(cluster.state, 'table')
    await spark.run(spark.sql(`CREATE TABLE once (a BIGINT) USING parquet LOCATION '${path}'`))
    await spark.run(spark.sql('INSERT INTO once SELECT id FROM range(:n)', { n: 4n }))
    expect(await rows(spark, spark.sql('SELECT count(*) FROM t0', {}, { t0: { table: 'once' } }))).toEqual([[4n]])
    await spark.run(spark.sql('DROP TABLE once'))
  })
})
