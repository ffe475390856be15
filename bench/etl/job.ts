/**
 * The job that all contenders of the ETL benchmark do, once as Millrace's pipeline file and once as JSON for the others:
 * three rules with quarantine, a split by time, means for missing numbers, standard scaling, positions of categories, all
 * fitted on train rows; Parquet with zstd, one folder a split. The table is that of bench/memory/table.ts.
 */
export const NUMBERS = Array.from({ length: 10 }, (_, i) => `number_${i}`)
export const TEXTS = Array.from({ length: 6 }, (_, i) => `text_${i}`)
const RANGES = { number_2: [-1, 13.7], number_3: [-1, 27.4] } as const
const NOT_NULL = 'number_1'
export const MOST_CATEGORIES = 1000

/** Of few categories: where the job is that of pyspark.ml, vectors of 0 and 1 are made of them. */
export const ONE_HOT: readonly string[] = TEXTS.slice(0, 2)

/** What a contender reads and where it writes `features/split=*` and `quarantine/*`. */
export interface Job {
  readonly files: readonly string[]
  readonly out: string
}

export interface Form {
  readonly memoryLimit?: string
  /** Where Spark answers; absent: the engine in the process. */
  readonly remote?: string
  /** Texts whose step is `one_hot`; default none. */
  readonly oneHot?: readonly string[]
}

/** For bench/etl/duckdb.mjs and bench/peers/etl_*.py. */
export const jobFile = ({ files, out }: Job): string =>
  JSON.stringify({
    files,
    out,
    numbers: NUMBERS,
    texts: TEXTS,
    one_hot: ONE_HOT,
    not_null: NOT_NULL,
    ranges: RANGES,
    most: MOST_CATEGORIES,
    shares: [0.7, 0.85],
  })

/** As many partitions of shuffles as the other contenders have on Spark: the cores. */
const onSpark = (remote: string): string => `  engine: spark
  spark: {remote: ${JSON.stringify(remote)}}
  num_partitions: 2
`

export const pipelineFile = (
  pattern: string,
  output: string,
  { memoryLimit, remote, oneHot = [] }: Form = {},
): string => `pipeline_name: etl
version: "1"
label: label
positive: "yes"
entity: id
timestamp: happened_at
split: {method: time, train: 0.7, validation: 0.15, test: 0.15}
data:
  source_path: ${JSON.stringify(pattern)}
  output_path: ${JSON.stringify(output)}
  threads: 2
  compression: zstd
${memoryLimit === undefined ? '' : `  memory_limit: ${memoryLimit}\n`}${remote === undefined ? '' : onSpark(remote)}  validation_rules:
    non_null_columns: [${NOT_NULL}]
    on_null: drop
    value_ranges: ${JSON.stringify(RANGES)}
features:
  include: ${JSON.stringify([...NUMBERS, ...TEXTS])}
  columns:
${NUMBERS.map((name) => `    ${name}: [{impute: mean}, standard]`).join('\n')}
${TEXTS.map((name) => `    ${name}: [{${oneHot.includes(name) ? 'one_hot' : 'index'}: ${MOST_CATEGORIES}}]`).join('\n')}
training: {model_type: logistic_regression}
`
