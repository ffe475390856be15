/** Every key of the pipeline file: its type, its default, the rule in words and what it is for. */
import { z } from 'zod'
import { METRICS } from '../core/metrics.js'
import { DURATION_RULE, parseDuration, parseRate, parseSize, RATE_RULE, SIZE_RULE } from './units.js'

/** What is known of a key beside its zod schema. */
export interface KeyFacts {
  /** Completes "must be …". */
  readonly rule: string
  /** The text as it stands in the file is the value: `positive: 1` is the class "1", `version: 1.0` is "1.0". */
  readonly verbatim: boolean
}

const FACTS = new WeakMap<object, KeyFacts>()

function key<S extends z.ZodType>(schema: S, rule: string, about?: string, verbatim = false): S {
  const described = about === undefined ? schema : schema.describe(about)
  FACTS.set(described, { rule, verbatim })
  return described
}

/** Names a column, a class or a version: any text that is not empty. */
const name = (what: string, about?: string) => key(z.string().min(1), what, about, true)
const columns = (about: string) => key(z.array(name('the name of a column')), 'a list of column names', about)
const count = (about: string, minimum = 1) => key(z.int().min(minimum), `a whole number of at least ${minimum}`, about)
const oneOf = <const T extends readonly string[]>(values: T, about: string) =>
  key(z.enum(values), `one of ${values.join(', ')}`, about)
const perColumn = <S extends z.ZodType>(value: S, about: string) =>
  key(z.record(z.string(), value), 'a map from column names', about)
const weights = (about: string) =>
  key(
    z.record(z.string(), key(z.number().min(0), 'a weight: a number of at least 0')),
    'a map from class to weight',
    about,
  )
const fraction = (about: string) => key(z.number().gt(0).lt(1), 'a fraction above 0 and below 1', about)
/** A union reports a fault as its own, with this rule, not once for each branch. */
const union = <const T extends readonly [z.ZodType, ...z.ZodType[]]>(options: T, rule: string, about: string) =>
  key(z.union(options), rule, about)
const readable = (parse: (text: string) => number, rule: string, about: string) =>
  key(
    z.string().refine((text) => succeeds(() => parse(text))),
    rule,
    about,
  )

const KNOWN_SCHEMES = ['s3', 's3a', 'hdfs', 'gs', 'abfss', 'file']
const LOCATION_RULE = `a path, or an address that starts with ${KNOWN_SCHEMES.map((s) => `${s}://`).join(', ')}`
const location = (about: string) =>
  key(
    z.string().refine((text) => {
      const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]

      if (text.trim() === '' || /[\u0000-\u001f\u007f]/.test(text)) return false
      return scheme === undefined || KNOWN_SCHEMES.includes(scheme.toLowerCase())
    }),
    LOCATION_RULE,
    about,
  )

const duration = (about: string) => readable(parseDuration, DURATION_RULE, about)

const window = key(
  z.strictObject({
    by: name('the name of a column', 'Rows with one value of it are one history: a customer, a card.'),
    of: name(
      'the name of a column',
      'The values of the earlier rows that are looked at; count can do without.',
    ).exactOptional(),
    compute: oneOf(['count', 'sum', 'mean', 'min', 'max', 'lag'], 'What is made of the earlier rows.'),
    over: duration('Earlier rows no older than this, such as 7d.').exactOptional(),
    rows: count('The last so many earlier rows; for lag, how many rows back.').exactOptional(),
    delay: duration(
      'Rows younger than this are not known yet, such as 7d for a label that comes late.',
    ).exactOptional(),
  }),
  'a window such as {by: customer, of: amount, compute: mean, over: 7d}',
)

const features = z.strictObject({
  include: columns('Only these columns become features; all but the label if absent.').exactOptional(),
  exclude: columns('Columns that do not become features.').default([]),
  columns: perColumn(
    key(
      z.array(
        union(
          [z.string().min(1), z.record(z.string().min(1), z.json()).refine((step) => Object.keys(step).length === 1)],
          'the name of a step (standard), or one step with its options ({clip: [0, 100]})',
          'A step.',
        ),
      ),
      'a list of steps such as [{impute: median}, standard]',
    ),
    'Steps of a column where the defaults are not wanted.',
  ).default({}),
  max_categories: count('Text columns keep this many values, the rest share one index.').default(100),
  windows: key(
    z.record(z.string().min(1), window),
    'a map from the name of a new column to its window',
    'Columns made of the earlier rows of the same entity, never of later ones; the file needs timestamp.',
  ).default({}),
})

const split = z.strictObject({
  method: oneOf(
    ['hash', 'stratified', 'time', 'group'],
    'How rows are told apart: by the entity, evenly over the classes, by time, or whole groups.',
  ).default('hash'),
  train: fraction('Fraction of rows to learn from.').default(0.7),
  validation: fraction('Fraction of rows for early stopping and the threshold.').default(0.15),
  test: fraction('Fraction of rows for the scores.').default(0.15),
  group: name('the name of a column', 'Rows with one value of this column stay together.').exactOptional(),
})

const gate = z.strictObject({
  metric: oneOf(METRICS, 'The score that decides.').exactOptional(),
  minimum: key(z.number(), 'a number', 'The score it must reach.').exactOptional(),
  champion: key(z.boolean(), 'true or false', 'Must not be worse than the model that serves now.').default(true),
})

const cost = (about: string) => key(z.number().min(0), 'a cost: a number of at least 0', about)
const costs = key(
  z.strictObject({
    false_positive: cost('Of a negative row that is called positive.'),
    false_negative: cost('Of a positive row that is called negative.'),
    true_positive: cost('Of a positive row that is found, e.g. of the check.').default(0),
    true_negative: cost('Of a negative row that is left alone.').default(0),
  }),
  'a map of costs',
)

const evaluation = z.strictObject({
  threshold: union(
    [z.number().min(0).max(1), z.enum(['f1', 'accuracy', 'balanced_accuracy']), z.strictObject({ cost: costs })],
    'f1, accuracy, balanced_accuracy, a number from 0 to 1, or {cost: {false_positive: 1, false_negative: 20}}',
    'Two classes: a fixed threshold, or what is best on validation rows: a score, or the least cost.',
  ).default('f1'),
  calibration: oneOf(
    ['none', 'temperature', 'isotonic'],
    'How probabilities are corrected on validation rows; the correction is part of the model file.',
  ).default('none'),
  slices: columns('Columns by whose values the scores are given apart.').default([]),
  class_weights: weights('Weight of a row by its class in all scores, e.g. the natural prevalence.').exactOptional(),
  bootstrap: count('Resamples for the intervals of the scores; 0 gives none.', 0).default(1000),
})

const severity = ['warn', 'drop', 'fail'] as const
const scalar = z.union([z.string(), z.number(), z.boolean()])
const types = ['number', 'integer', 'boolean', 'text', 'timestamp', 'date'] as const

const validationRules = z.strictObject({
  required_columns: columns('Columns that must be there; else the run stops.').default([]),
  non_null_columns: columns('Columns in which a missing value counts as a fault.').default([]),
  on_null: oneOf(severity, 'What happens to rows with such a fault.').default('warn'),
  value_ranges: perColumn(
    key(z.tuple([z.number(), z.number()]), 'two numbers, [minimum, maximum]'),
    'Rows outside are taken out and kept apart, with the rule that they broke.',
  ).default({}),
  unique_columns: key(
    z.array(
      union(
        [z.string().min(1), z.array(z.string().min(1)).min(2)],
        'the name of a column, or a list of columns that are unique together',
        'A key.',
      ),
    ),
    'a list of column names, or of lists of them',
    'Rows that repeat the values of these columns are dropped.',
  ).default([]),
  unique_order: key(
    z.strictObject({
      by: columns('The columns that order repeated rows; ties by their place in the source.'),
      keep: oneOf(['first', 'last'], 'Which of them stays.').default('first'),
    }),
    'a map such as {by: [updated_at], keep: last}',
    'Which of repeated rows stays; the first in the source if absent.',
  ).exactOptional(),
  types: perColumn(oneOf(types, 'A type.'), 'The type that a column must have; else the run stops.').default({}),
  allowed_values: perColumn(
    key(z.array(scalar).min(1), 'a list of values'),
    'The only values that a column may have.',
  ).default({}),
  patterns: perColumn(
    key(
      // flags at the start, (?i), are RE2's and Java's, not JavaScript's
      z.string().refine((pattern) => succeeds(() => new RegExp(pattern.replace(/^\(\?[ims]+\)/, '')))),
      'a regular expression',
    ),
    'A regular expression that each value must match (anywhere: use ^ and $).',
  ).default({}),
  comparisons: key(
    z.array(
      z.strictObject({
        left: name('the name of a column'),
        is: oneOf(['<', '<=', '=', '!=', '>=', '>'], 'How they must stand to each other.'),
        right: union([z.string().min(1), z.number()], 'the name of a column, or a number', 'What it is compared with.'),
      }),
    ),
    'a list such as [{left: start, is: <=, right: end}]',
    'What columns must be to each other in each row; rows with a missing value are not judged.',
  ).default([]),
  freshness: perColumn(
    duration('The longest that the newest value may lie back.'),
    'How old the newest value of a time column may be when the run begins.',
  ).default({}),
  severity: key(
    z.record(z.string(), oneOf(severity, 'A severity.')),
    'a map from a rule (patterns) or one rule of a column (patterns.email) to warn, drop or fail',
    'What happens where a rule is broken, if not what is usual for it.',
  ).default({}),
  expectations: key(
    z.array(location('A suite.')),
    'a list of paths',
    'Great Expectations suites (JSON), read as they are.',
  ).default([]),
  min_records: count('Fewer rows than this stop the run.', 0).default(1),
})

const data = z.strictObject({
  source_path: location('The file, pattern or folder to read, beside the pipeline file unless absolute.'),
  output_path: location('The folder that the prepared table is written to.'),
  num_partitions: count('Partitions on a cluster.').default(1000),
  file_format: oneOf(['parquet', 'csv', 'json'], 'Format of what is written.').default('parquet'),
  compression: oneOf(['snappy', 'zstd', 'gzip', 'none'], 'Compression of what is written.').default('snappy'),
  partition_by: columns(
    'One folder for each value of these columns: of the source, split, or of the features.',
  ).default([]),
  write_mode: oneOf(
    ['overwrite', 'append'],
    'Whether what is published replaces what is there or is added to it (the same table once only).',
  ).default('overwrite'),
  schema_drift: oneOf(
    ['refuse', 'fill'],
    'Files with other columns than the rest: the run stops, or what a file lacks is missing in its rows.',
  ).default('refuse'),
  s3: z
    .strictObject({
      endpoint: key(
        z.string().regex(/^https?:\/\/[^\s/]/i),
        'an address that starts with http:// or https://',
        'Of a store other than AWS.',
      ).exactOptional(),
      region: key(z.string().min(1), 'a region such as eu-central-1', 'Of the bucket.').exactOptional(),
    })
    .prefault({}),
  validation_rules: key(validationRules, 'a map of rules').prefault({}),
  schema: perColumn(oneOf(types, 'A type.'), 'Types of columns where inference is not wanted.').default({}),
  csv: z
    .strictObject({
      delimiter: key(z.string().min(1).max(4), 'one to four characters', 'Between fields.').exactOptional(),
      quote: key(z.string().max(1), 'one character', 'Around fields.').exactOptional(),
      header: key(z.boolean(), 'true or false', 'The first line names the columns.').exactOptional(),
    })
    .prefault({}),
  engine: oneOf(['duckdb', 'spark'], 'What reads and prepares the data.').default('duckdb'),
  spark: z
    .strictObject({
      remote: key(
        z.string().regex(/^sc:\/\/[^\s/]+/i),
        'an address such as sc://host:15002',
        'Spark Connect.',
      ).exactOptional(),
    })
    .prefault({}),
  threads: count('Threads of the embedded engine; all cores if absent.').exactOptional(),
  memory_limit: readable(parseSize, SIZE_RULE, 'Memory of the embedded engine; it spills beyond.').exactOptional(),
})

const training = z.strictObject({
  model_type: oneOf(['neural_network', 'logistic_regression', 'gradient_boosting'], 'What is trained.'),
  task: oneOf(['auto', 'classification', 'regression'], 'auto goes by the label.').default('auto'),
  num_workers: count('Workers of distributed training.').default(4),
  num_gpus_per_worker: count('GPUs of each worker.', 0).default(1),
  batch_size: count('Rows in a step.').default(256),
  max_epochs: count('Passes over the training rows at most.').default(100),
  learning_rate: key(z.number().gt(0), 'a number above 0', 'Adam, at its highest.').default(0.001),
  checkpoint_freq: count('Epochs between checkpoints.').default(10),
  early_stopping_patience: count('Epochs without a better validation loss before it stops; 0: never.', 0).default(5),
  hidden_dims: key(
    z.array(count('Width of a layer.')),
    'a list of whole numbers such as [64, 32]',
    'Width of each hidden layer.',
  ).default([64, 32]),
  dropout: key(z.number().min(0).lt(1), 'a number from 0 to below 1', 'Fraction of units left out.').default(0.1),
  weight_decay: key(z.number().min(0), 'a number of at least 0', 'AdamW.').default(0.0001),
  clip_norm: key(z.number().min(0), 'a number of at least 0', 'Global norm of the gradient; 0: no limit.').default(5),
  schedule: oneOf(['constant', 'cosine', 'linear'], 'Of the learning rate.').default('cosine'),
  warmup: key(z.number().min(0).max(1), 'a fraction from 0 to 1', 'Of all steps.').default(0.05),
  class_weights: union(
    [z.enum(['none', 'balanced']), weights('Weight of each class.')],
    'none, balanced, or a map from class to a weight of at least 0',
    'Weight of a row in the loss, by its class.',
  ).default('none'),
  backend: oneOf(['auto', 'embedded', 'torch'], 'What trains.').default('auto'),
  torch: z
    .strictObject({ python: key(z.string().min(1), 'a command', 'The interpreter.').default('python3') })
    .prefault({}),
})

const resources = z.strictObject({
  num_nodes: count('Machines.').default(4),
  cpus_per_node: count('Cores of each.').default(16),
  memory_per_node: readable(parseSize, SIZE_RULE, 'Memory of each.').default('64GB'),
  gpus_per_node: count('GPUs of each.', 0).default(4),
  storage_type: key(z.string().min(1), 'a kind of storage such as ssd', 'Storage.').default('ssd'),
  network_bandwidth: readable(parseRate, RATE_RULE, 'Between machines.').default('10Gbps'),
})

const seconds = (about: string) => key(z.number().min(0), 'a number of seconds, at least 0', about)

const retry = z.strictObject({
  max_retries: count('Tries after the first.', 0).default(3),
  initial_delay: seconds('Before the first retry.').default(1),
  backoff_factor: key(z.number().min(1), 'a number of at least 1', 'Each delay is this many times the last.').default(
    2,
  ),
  max_delay: seconds('No delay is longer.').default(60),
  timeout: key(
    z.number().gt(0),
    'a number of seconds above 0',
    'An attempt at a stage may take no longer.',
  ).exactOptional(),
})

const monitoring = z.strictObject({
  metrics_interval: key(z.number().gt(0), 'a number of seconds above 0', 'Between metrics.').default(60),
  log_level: oneOf(['DEBUG', 'INFO', 'WARNING', 'ERROR'], 'The least that is logged.').default('INFO'),
  alert_thresholds: key(
    z.record(z.string(), key(z.number(), 'a number')),
    'a map from metric to a number',
    'Quality metrics alert below, latency (milliseconds) and error rates above.',
  ).default({}),
  dashboard_url: key(
    z.union([z.null(), z.string().regex(/^https?:\/\/[^\s/]/i)]),
    'null, or an address that starts with http:// or https://',
    'Where the dashboard is.',
  ).default(null),
})

const leakCheck = z.strictObject({
  action: oneOf(
    ['refuse', 'warn'],
    'What happens when a leak is found: nothing is trained, or it is reported.',
  ).default('refuse'),
  allow: key(
    z.array(z.string().min(1)),
    'a list of columns and checks such as [closed_at, duplicates]',
    'Findings that are known and right: columns, or whole checks.',
  ).default([]),
})

export const pipelineSchema = z.strictObject({
  pipeline_name: key(
    z.string().regex(/^[\p{L}\p{N}][\p{L}\p{N}_. -]{0,127}$/u),
    'a name of at most 128 letters, digits, spaces, _ . or -, that starts with a letter or digit',
    'Names the runs and the model in the registry.',
    true,
  ),
  version: name('a version such as 1.0', 'Of this pipeline.'),
  seed: key(
    z
      .int()
      .min(0)
      .max(2 ** 32 - 1),
    'a whole number from 0 to 4294967295',
    'Of all that is random.',
  ).default(42),
  label: name('the name of a column', 'The column to predict.').exactOptional(),
  positive: name('a class', 'Two classes: the one of interest; the last in order if absent.').exactOptional(),
  entity: name('the name of a column', 'Identifies the row or the customer.').exactOptional(),
  timestamp: name('the name of a column', 'When the row happened.').exactOptional(),
  features: features.prefault({}),
  split: split.prefault({}),
  leak_check: leakCheck.prefault({}),
  gate: gate.prefault({}),
  evaluation: evaluation.prefault({}),
  data,
  training,
  resources: resources.prefault({}),
  retry: retry.prefault({}),
  monitoring: monitoring.prefault({}),
  tuning: key(z.record(z.string(), z.json()), 'a map', 'Search for the best settings of training.').exactOptional(),
  deploy: key(z.record(z.string(), z.json()), 'a map', 'How the model is served.').exactOptional(),
})

/** What is known of the key of a schema made here; undefined for a schema inside one. */
export function factsOf(schema: z.core.$ZodType): KeyFacts | undefined {
  return FACTS.get(schema)
}

/** A schema without its wrappers, and what is known of the key. */
export interface SchemaNode {
  readonly schema: z.core.$ZodType
  readonly facts: KeyFacts | undefined
  /** Keys that are known here; undefined where any name goes (a map from columns), or where it is no map. */
  readonly keys: readonly string[] | undefined
  readonly collection: 'map' | 'list' | undefined
}

/** The schema at a path of keys; undefined for an unknown key. */
export function schemaAt(path: readonly PropertyKey[]): SchemaNode | undefined {
  let node = unwrap(pipelineSchema)
  for (const segment of path) {
    const next = child(node.schema, segment)
    if (!next) return undefined
    node = unwrap(next)
  }
  return node
}

/** Paths of all keys with a fixed name, e.g. `training.batch_size`, in the order of the file. */
export function knownPaths(): readonly string[] {
  const paths: string[] = []
  const walk = (prefix: string): void => {
    for (const k of schemaAt(prefix === '' ? [] : prefix.split('.'))?.keys ?? []) {
      const path = prefix === '' ? k : `${prefix}.${k}`
      paths.push(path)
      walk(path)
    }
  }
  walk('')
  return paths
}

function child(schema: z.core.$ZodType, segment: PropertyKey): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodObject) {
    const shape = schema.shape as Readonly<Record<string, z.core.$ZodType>>
    return Object.hasOwn(shape, segment) ? shape[String(segment)] : undefined
  }
  if (schema instanceof z.ZodRecord) return schema.valueType
  if (schema instanceof z.ZodArray) return schema.element
  if (schema instanceof z.ZodUnion)
    return schema.options.map((o) => child(unwrap(o).schema, segment)).find((s) => s !== undefined)
  return undefined
}

function unwrap(schema: z.core.$ZodType): SchemaNode {
  let facts = FACTS.get(schema)
  while (
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodExactOptional ||
    schema instanceof z.ZodNullable
  ) {
    schema = schema.def.innerType
    facts ??= FACTS.get(schema)
  }
  const map = schema instanceof z.ZodObject || schema instanceof z.ZodRecord
  const list = schema instanceof z.ZodArray || schema instanceof z.ZodTuple
  return {
    schema,
    facts,
    keys: schema instanceof z.ZodObject ? Object.keys(schema.shape) : undefined,
    collection: map ? 'map' : list ? 'list' : undefined,
  }
}

function succeeds(run: () => unknown): boolean {
  try {
    run()
    return true
  } catch {
    return false
  }
}
