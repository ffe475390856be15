/**
 * The job of bench/etl/job.ts typed into DuckDB by hand, with the engine that Millrace has and nothing else: no digests,
 * no manifests, no report, no order of rows. The floor that the tax is counted from. `node duckdb.mjs [--profile] JOB.json`
 * With `--profile` also the statistics of each column that Millrace's report holds, likewise by hand.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

const asksProfile = process.argv[2] === '--profile'
const { files, out, numbers, texts, not_null, ranges, most, shares } = JSON.parse(
  readFileSync(process.argv.at(-1), 'utf8'),
)
const instance = await DuckDBInstance.create(':memory:', { threads: '2', preserve_insertion_order: 'false' })
const db = await instance.connect()
const rows = async (sql) => (await db.runAndReadAll(sql)).getRowObjects()
const quote = (value) => `'${value.replaceAll("'", "''")}'`
const exact = (value) => `${value}::DOUBLE`
const started = performance.now()

const broken = [
  [`non_null_columns.${not_null}`, `${not_null} IS NULL`],
  ...Object.entries(ranges).map(([n, [low, high]]) => [`value_ranges.${n}`, `${n} < ${low} OR ${n} > ${high}`]),
]
const cases = broken.map(([id, isBroken]) => `WHEN ${isBroken} THEN ${quote(id)}`)
await db.run(`CREATE VIEW judged AS SELECT *, CASE ${cases.join(' ')} END AS rule
  FROM read_parquet([${files.map(quote).join(', ')}])`)
await db.run(`CREATE VIEW kept AS SELECT * EXCLUDE (rule) FROM judged WHERE rule IS NULL`)
// a row that breaks two rules counts for both, and is written once
const counted = broken.map(([id, isBroken]) => `count_if(${isBroken}) AS "${id}"`)
const [counts] = await rows(`SELECT ${counted.join(', ')} FROM judged`)
mkdirSync(join(out, 'quarantine'), { recursive: true })
await db.run(`COPY (SELECT * FROM judged WHERE rule IS NOT NULL) TO ${quote(join(out, 'quarantine/part.parquet'))}
  (FORMAT parquet, COMPRESSION zstd)`)
const profile = asksProfile ? await profileOf('kept') : undefined
const [{ cuts }] = await rows(
  `SELECT quantile_cont(epoch_us(happened_at)::DOUBLE, [${shares.join(', ')}]) AS cuts FROM kept`,
)
const [train, validation] = cuts.items.map(exact)
const isTrain = `epoch_us(happened_at) < ${train}`
// imputing the mean leaves the sum of squared differences: one pass gives the deviation of the filled column
const moments = numbers.map((n) => `avg(${n}) AS ${n}_mean, var_samp(${n}) * (count(${n}) - 1) AS ${n}_m2`)
const [found] = await rows(`SELECT count(*) AS n, ${moments.join(', ')} FROM kept WHERE ${isTrain}`)
const fitted = numbers.map((n) => [n, found[`${n}_mean`], Math.sqrt(found[`${n}_m2`] / (Number(found.n) - 1))])
const values =
  await rows(`SELECT grouping(${texts.join(', ')}) AS g, coalesce(${texts.join(', ')}) AS value, count(*) AS n
  FROM kept WHERE ${isTrain} GROUP BY GROUPING SETS (${texts.map((t) => `(${t})`).join(', ')})
  HAVING value IS NOT NULL QUALIFY row_number() OVER (PARTITION BY g ORDER BY n DESC, value) <= ${most}
  ORDER BY g, n DESC, value`)
const categories = texts.map((_, i) => {
  const group = (1 << texts.length) - 1 - (1 << (texts.length - 1 - i))
  return values.filter(({ g }) => Number(g) === group).map(({ value }) => value)
})
for (const [i, t] of texts.entries())
  await db.run(`CREATE TYPE of_${t} AS ENUM (${categories[i].map(quote).join(', ')})`)
const features = [
  ...fitted.map(([n, mean, sd]) => `((coalesce(${n}, ${exact(mean)}) - ${exact(mean)}) / ${exact(sd)})::FLOAT AS ${n}`),
  ...texts.map((t, i) => `coalesce(enum_code(TRY_CAST(${t} AS of_${t}))::INTEGER, ${categories[i].length}) AS ${t}`),
]
await db.run(`COPY (SELECT id, (label = 'yes')::INTEGER AS label, ${features.join(', ')},
    CASE WHEN ${isTrain} THEN 'train' WHEN epoch_us(happened_at) < ${validation} THEN 'validation' ELSE 'test' END AS split
  FROM kept) TO ${quote(join(out, 'features'))} (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (split))`)
const seconds = (performance.now() - started) / 1000
const quarantined = Object.fromEntries(Object.entries(counts).map(([id, n]) => [id, Number(n)]))
const facts = {
  seconds,
  quarantined,
  numbers: Object.fromEntries(fitted.map(([n, mean, sd]) => [n, [mean, sd]])),
  texts: Object.fromEntries(texts.map((t, i) => [t, categories[i]])),
  ...(profile === undefined ? {} : { profile }),
}
writeFileSync(join(out, 'facts.json'), JSON.stringify(facts))

/** By column: missing values; of numbers and times also range, mean, deviation and 20 bins; of texts the 20 most frequent. */
async function profileOf(table) {
  const columns = (await rows(`DESCRIBE ${table}`)).map(({ column_name, column_type }) => {
    const isText = column_type === 'VARCHAR'
    const isTime = column_type === 'TIMESTAMP' || column_type === 'DATE'
    return { name: column_name, isText, value: isTime ? `epoch_us(${column_name})` : column_name }
  })
  const ordered = columns.filter(({ isText }) => !isText)
  const listed = columns.filter(({ isText }) => isText).map(({ name }) => name)
  const each = ordered.map(
    ({ name, value }) => `min(${value})::DOUBLE AS "min ${name}", max(${value})::DOUBLE AS "max ${name}",
      avg(${value}) AS "mean ${name}", stddev_samp(${value}) AS "stddev ${name}"`,
  )
  const missing = columns.map(({ name }) => `count(*) - count(${name}) AS "missing ${name}"`)
  const [found] = await rows(`SELECT ${[...missing, ...each].join(', ')} FROM ${table}`)
  const bins = ordered.map(({ name, value }) => {
    const [low, high] = [found[`min ${name}`], found[`max ${name}`]]
    const bounds = Array.from({ length: 19 }, (_, i) => exact(low + ((high - low) * (i + 1)) / 20)).join(', ')
    return `histogram(${value}::DOUBLE, [${bounds}]) AS "${name}"`
  })
  const [histograms] = await rows(`SELECT ${bins.join(', ')} FROM ${table}`)
  const top = await rows(`SELECT grouping(${listed.join(', ')}) AS g, coalesce(${listed.join(', ')}) AS value,
      count(*) AS n, count(*) OVER (PARTITION BY g) AS different
    FROM ${table} GROUP BY GROUPING SETS (${listed.map((t) => `(${t})`).join(', ')})
    HAVING value IS NOT NULL QUALIFY row_number() OVER (PARTITION BY g ORDER BY n DESC, value) <= 20 ORDER BY g, n DESC, value`)
  return Object.fromEntries(
    columns.map(({ name, isText }) => {
      const group = (1 << listed.length) - 1 - (1 << (listed.length - 1 - listed.indexOf(name)))
      const values = isText ? top.filter(({ g }) => Number(g) === group) : []
      const figures = ['missing', 'min', 'max', 'mean', 'stddev'].flatMap((figure) => {
        const value = found[`${figure} ${name}`]
        return value === undefined ? [] : [[figure, Number(value)]]
      })
      return [
        name,
        {
          ...Object.fromEntries(figures),
          ...(isText
            ? {
                distinct: Number(values[0].different),
                top: values.map(({ value, n }) => ({ value, count: Number(n) })),
              }
            : { histogram: histograms[name].entries.map(({ value }) => Number(value)) }),
        },
      ]
    }),
  )
}
