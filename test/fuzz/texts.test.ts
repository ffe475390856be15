/** What people write: pipeline files, suites, sizes, addresses of models, names, patterns. */
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { fromYaml, toYaml } from '../../src/config/load.js'
import { parseDuration, parseRate, parseSize } from '../../src/config/units.js'
import { parseSuite, suiteRules } from '../../src/etl/expectations.js'
import { globMatcher } from '../../src/etl/glob.js'
import { expandSource } from '../../src/etl/source.js'
import { checkAlias, checkModelName, parseModelUri } from '../../src/registry/names.js'
import { fuzz, hostile, json, mutatedText } from './fuzz.js'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const examples = ['churn', 'fraud', 'fraud-transactions'].map((name) => read(`examples/${name}/pipeline.yaml`))
const env = { HOME: '/home/me', SECRET: 'x: [1, 2' }

fuzz('pipeline file, bytes', {
  cases: mutatedText(examples),
  parse: (text) => fromYaml(toYaml(fromYaml(text, 'p.yaml', { env })), 'p.yaml', { env }),
  runs: 100,
  codes: /^MR_CONFIG_/,
})
const KEYS = [
  'data',
  'training',
  'features',
  'split',
  'gate',
  'label',
  'validation_rules',
  'source_path',
  'schema',
  '<<',
]
fuzz('pipeline file, values', {
  cases: fc.dictionary(
    fc.oneof(fc.constantFrom(...KEYS), hostile),
    fc.oneof(json, fc.dictionary(fc.constantFrom(...KEYS), json)),
  ),
  parse: (tree) => fromYaml(stringify({ pipeline_name: 'x', version: '1', ...tree }), 'p.yaml', { env }),
  runs: 100,
  codes: /^MR_CONFIG_/,
})
fuzz('--set', {
  cases: fc.tuple(
    fc.oneof(hostile, fc.constantFrom('seed', 'training.batch_size', 'data.output_path', 'data."a.b"', '__proto__.x')),
    fc.oneof(hostile, fc.nat({ max: 1000 }).map(String)),
  ),
  parse: ([key, value]) => fromYaml(examples[0] ?? '', 'p.yaml', { env, set: [`${key}=${value}`] }),
  runs: 80,
  codes: /^MR_CONFIG_/,
})

const suiteFolder = 'test/golden/gx'
const suites = readdirSync(new URL(`../../${suiteFolder}`, import.meta.url), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.json'))
  .map((name) => read(`${suiteFolder}/${name}`))
const schema = [
  { name: 'a', type: 'number' },
  { name: 'b', type: 'text' },
  { name: 'c', type: 'timestamp' },
] as const
const rules = (text: string): unknown => suiteRules([parseSuite(text, 'suite.json')], schema, '__row').unchecked
fuzz('Great Expectations suite, bytes', {
  cases: mutatedText(suites),
  parse: rules,
  runs: 300,
  codes: /^MR_(SUITE|PLAN|CONFIG)_/,
})
const types = [...new Set(suites.join().match(/expect_\w+/g) ?? [])]
const KWARGS = [
  'column',
  'min_value',
  'max_value',
  'value_set',
  'regex',
  'mostly',
  'row_condition',
  'type_',
  'column_list',
  'column_A',
  'column_B',
]
fuzz('Great Expectations suite, values', {
  cases: fc.array(
    fc.record({
      type: fc.constantFrom(...types),
      kwargs: fc.dictionary(fc.constantFrom(...KWARGS), fc.oneof(json, fc.constantFrom('a', 'b', 'c', 0, 1, 0.5))),
    }),
    { maxLength: 3 },
  ),
  parse: (expectations) => rules(JSON.stringify({ expectations })),
  runs: 500,
  codes: /^MR_(SUITE|PLAN|CONFIG)_/,
})

const unit = fc.oneof(hostile, mutatedText(['64GB', '1.5GiB', '10Gbps', '1.25GBps', '90s', '7d', '999999999999999PB']))
fuzz('sizes, rates, durations', {
  cases: fc.tuple(fc.constantFrom(parseSize, parseRate, parseDuration), unit),
  parse: ([parse, text]) => parse(text),
  runs: 3_000,
  codes: /^MR_CONFIG_UNIT$/,
})
const address = fc.oneof(hostile, mutatedText(['models:/churn@champion', 'models:/churn/12', 'models:/a b/latest']))
fuzz('addresses and names of models', {
  cases: fc.tuple(fc.constantFrom<(text: string) => unknown>(parseModelUri, checkModelName, checkAlias), address),
  parse: ([parse, text]) => parse(text),
  runs: 3_000,
  codes: /^MR_MODEL_(NAME|URI)$/,
})
fuzz('patterns of file names', {
  cases: fc.tuple(
    fc.oneof(hostile, fc.string({ unit: fc.constantFrom(...'*?[]{},!ab/.^-'.split('')), maxLength: 40 })),
    hostile,
  ),
  parse: ([pattern, name]) => globMatcher(pattern)(name),
  runs: 2_000,
})
const LOCATIONS = ['s3://bucket/a/*.csv', 's3a://b.c/key', 'gs://x/y.csv', 'hdfs://h:1/x.parquet']
fuzz('locations of data', {
  // nothing says how to reach a store, so no case leaves this machine; and none lists all of its disk
  cases: fc.oneof(
    mutatedText(LOCATIONS).filter((text) => /^[a-eg-z0-9]+:\/\//.test(text)),
    hostile.map((text) => `/no/such/folder/${text.replaceAll('.', '_')}`),
    hostile.map((text) => `s3://${text}`),
  ),
  parse: (location) => expandSource(location),
  runs: 1_000,
  codes: /^MR_(SOURCE|FILE)_/,
})
