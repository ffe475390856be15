import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { golden } from '../../test/golden.js'
import { MillraceError } from '../core/errors.js'
import type { PipelineConfig } from './config.js'
import { hideError } from './environment.js'
import { fromYaml, loadConfig, type LoadedConfig, reloadConfig, requireLabel, resolvePath, toYaml } from './load.js'

/** A file with exactly the keys of the configuration chapter. */
const CHAPTER_FILE = readFileSync(new URL('../../test/golden/config/chapter.yaml', import.meta.url), 'utf8')

const folder = mkdtempSync(join(tmpdir(), 'millrace-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

const MINIMAL = `pipeline_name: churn
version: 1.0
label: Churn
data:
  source_path: data.csv
  output_path: out
training:
  model_type: neural_network
`

function file(name: string, text: string | Buffer): string {
  writeFileSync(join(folder, name), text)
  return name
}

function failure(run: () => unknown): MillraceError {
  try {
    run()
  } catch (error) {
    if (error instanceof MillraceError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** A line for each fault, as a person would see them. */
function faults(run: () => unknown): string[] {
  return failure(run).others.map(
    (f) => `${f.at?.file}:${f.at?.line}:${f.at?.column} ${f.message}${f.hint ? `\n  hint: ${f.hint}` : ''}`,
  )
}

const load = (text: string, set: string[] = [], env: Record<string, string> = {}) =>
  loadConfig(file('p.yaml', text), { cwd: folder, set, env })

describe("a Spark address's token", () => {
  const spark = (remote: string): string => MINIMAL.replace('training:', `  spark: {remote: '${remote}'}\ntraining:`)
  const secret = 'abc%2Fdef9'

  it.each([
    [`sc://h:1/;token=${secret};user_id=ada`, 'sc://h:1/;token=***;user_id=ada'],
    [`sc://h/;use_ssl=true;Token=${secret}`, 'sc://h/;use_ssl=true;Token=***'],
    [`sc://h/;x-api-key=${secret};x-cluster=c7`, 'sc://h/;x-api-key=***;x-cluster=c7'],
    ['sc://h/;token=${TOKEN};x-cluster=c7', 'sc://h/;token=${TOKEN};x-cluster=c7'],
    [`sc://h/;token=\${ABSENT:-${secret}}`, 'sc://h/;token=***'],
    ['sc://h:1', 'sc://h:1'],
  ])('is neither stored nor shown: %s', (written, kept) => {
    const { config, recorded, environment, hide } = load(spark(written), [], { TOKEN: secret })
    expect((recorded as PipelineConfig).data.spark.remote).toBe(kept)
    const texts = [`--set data.spark.remote=${config.data.spark.remote}`, `of ${secret}.`, 'of abc/def9.']
    if (written !== 'sc://h:1') expect(texts.map(hide).join()).not.toMatch(/def9/)
    expect(hide('the author of a key: one')).toBe('the author of a key: one')
    // what was recorded is what this version would record of it again
    const again = reloadConfig(recorded, environment, { TOKEN: secret })
    expect(again.config?.data.spark.remote).toBe(kept.replace('${TOKEN}', secret))
    expect(again.recorded).toEqual(recorded)
  })

  it('is not shown where the command line gives it, however short it is', () => {
    const { recorded, hide } = load(MINIMAL, ['data.spark.remote=sc://h:1/;token=abc'])
    expect((recorded as PipelineConfig).data.spark.remote).toBe('sc://h:1/;token=***')
    expect(hide("run 'data.spark.remote=sc://h:1/;token=abc' --json")).toBe(
      "run 'data.spark.remote=sc://h:1/;token=***' --json",
    )
  })
})

describe('values from the environment', () => {
  const env = { KEY: 's3cret', BATCH: '64', HOST: 'db', EMPTY: '', OUT: 'elsewhere' }
  const text = `${MINIMAL}  batch_size: \${BATCH}
deploy:
  token: &token \${KEY}
  "a.b": [plain, "postgres://u:\${KEY}@\${HOST:-local}/x", *token]
  fallback: \${EMPTY:-nothing secret}
  literal: $\${KEY}
`

  const paths = (loaded: LoadedConfig) => loaded.environment.map(({ path }) => path)

  it('are known by their paths: whole, in part, in lists, by alias, of numbers; not defaults and literals', () => {
    expect(paths(load(text, [], env))).toEqual([
      ['training', 'batch_size'],
      ['deploy', 'token'],
      ['deploy', 'a.b', 1],
      ['deploy', 'a.b', 2],
    ])
    expect(paths(load(MINIMAL, [], env))).toEqual([])
  })

  it('are those of the layer that counts', () => {
    const layers = [file('under.yaml', text), file('over.yaml', 'deploy: {token: plain, more: "${KEY}"}\n')]
    const loaded = loadConfig(layers, { cwd: folder, env, set: ['data.output_path=${OUT}', 'deploy.more=1'] })
    expect(paths(loaded)).toEqual([
      ['data', 'output_path'],
      ['training', 'batch_size'],
      ['deploy', 'a.b', 1],
      ['deploy', 'a.b', 2],
    ])
  })

  it('are recorded as they were written', () => {
    const { config, recorded } = load(text, [], env)
    expect(JSON.stringify(recorded)).not.toContain('s3cret')
    const deploy = {
      token: '${KEY}',
      'a.b': ['plain', 'postgres://u:${KEY}@${HOST:-local}/x', '${KEY}'],
      fallback: 'nothing secret',
      literal: '${KEY}',
    }
    expect(recorded).toEqual({ ...config, training: { ...config.training, batch_size: '${BATCH}' }, deploy })
    expect(config.deploy).toMatchObject({ token: 's3cret' })
    expect(config.training.batch_size).toBe(64)
  })

  it('are taken from the environment again where a recorded configuration goes on', () => {
    const { config, recorded, environment } = load(text, [], env)
    expect(reloadConfig(recorded, environment, env).config).toEqual(config)
    const { config: today, hide } = reloadConfig(recorded, environment, { ...env, KEY: 'another', BATCH: '65' })
    expect(today?.training.batch_size).toBe(65)
    expect(today?.deploy).toMatchObject({ token: 'another', literal: '${KEY}' })
    expect(hide('of another')).toBe('of ${KEY}')
    // as YAML, too, it is what the file said
    expect(fromYaml(toYaml(recorded, environment), 'p.yaml', { env })).toEqual(config)
    const others = (changed: Record<string, string | undefined>) => {
      const error = failure(() => reloadConfig(recorded, environment, { ...env, ...changed }))
      return [error, ...error.others].map(({ code, message, at }) => [code, message, at?.line])
    }
    const [missing] = others({ BATCH: undefined })
    expect(missing).toEqual(['MR_CONFIG_INVALID', 'the environment variable BATCH is not set', 9])
    expect(others({ BATCH: 'not-a-number' })[0]?.[1]).toMatch(/^training.batch_size is "\$\{BATCH\}", it must be/)
    // another version would have recorded another
    expect(reloadConfig({ ...(recorded as object), no_more: 1 }, environment, env).config).toBeUndefined()
  })

  it('may be left to the default by whoever goes on with a run', () => {
    const { config, recorded, environment } = load(text, [], { ...env, EMPTY: 'filled' })
    expect(environment.map(({ path }) => path)).toContainEqual(['deploy', 'fallback'])
    for (const unset of ['', undefined]) {
      const again = reloadConfig(recorded, environment, { ...env, HOST: unset, EMPTY: unset })
      const deploy = { ...(config.deploy as object), fallback: 'nothing secret' }
      expect(again.config?.deploy).toMatchObject({
        ...deploy,
        'a.b': ['plain', 'postgres://u:s3cret@local/x', 's3cret'],
      })
      expect(again.recorded).toEqual(recorded)
    }
  })

  it('are at fault where they do not go with a literal of the recorded configuration', () => {
    const retry = 'retry:\n  initial_delay: 5\n  max_delay: ${MAX}\n'
    const { recorded, environment } = load(MINIMAL + retry, [], { MAX: '60' })
    const error = failure(() => reloadConfig(recorded, environment, { MAX: '1' }))
    expect(error.message).toBe('retry.initial_delay 5 must not be above retry.max_delay 1')
  })

  it('are hidden in texts, in the forms that texts have them in; short ones and the names of models are not', () => {
    const secret = `pa"ss'wo rd/\\`
    const { hide } = loadConfig(file('p.yaml', `${MINIMAL}deploy: {a: "\${A}", b: "\${B}", c: "\${C}"}\n`), {
      cwd: folder,
      env: { A: secret, B: 'short', C: `${secret}-longer`, NAME: 'my_model' },
      set: ['pipeline_name=${NAME}'],
    })
    expect(hide(`no ${secret}, ${JSON.stringify(secret)}, '${secret.replaceAll("'", "''")}'`)).toBe(
      'no ${A}, "${A}", \'${A}\'',
    )
    expect(hide(`https://x/${encodeURIComponent(secret)}?q=1`)).toBe('https://x/${A}?q=1')
    expect(hide(`${secret}-longer`)).toBe('${C}')
    expect(hide('short words of my_model')).toBe('short words of my_model')
  })

  it('are hidden in paths that were put together from them', () => {
    const hidden = (value: string, text: string) =>
      load(`${MINIMAL}deploy: {a: "\${LAKE}/rows.csv"}\n`, [], { LAKE: value }).hide(text)
    expect(hidden('./lake-token', 'no lake-token/rows.csv')).toBe('no ${LAKE}/rows.csv')
    expect(hidden('../lake-token/', '/srv/lake-token')).toBe('/srv/${LAKE}')
    expect(hidden('/srv/./x/../lake-token', 'no /srv/lake-token/rows.csv')).toBe('no ${LAKE}/rows.csv')
    expect(hidden('file:///srv/lake%20token', 'no /srv/lake token/rows.csv')).toBe('no ${LAKE}/rows.csv')
    expect(hidden('file://%/lake-token', 'no file://%/lake-token')).toBe('no ${LAKE}')
    // what is left may be too short to look for
    expect(hidden('../../a', 'a table')).toBe('a table')
  })

  it('are hidden in faults, before these are cut to a length', () => {
    const long = 'k'.repeat(80)
    const error = failure(() => load(`${MINIMAL}  batch_size: \${KEY}\n`, [], { KEY: long }))
    expect(error.message).toContain('training.batch_size is "${KEY}", it must be')
    expect(`${error.message} ${error.stack}`).not.toContain('kkkk')
    const cause = new Error(`said ${long}`, { cause: long })
    const { hide } = load(`${MINIMAL}deploy: {key: "\${KEY}"}\n`, [], { KEY: long })
    const hidden = hideError(new MillraceError('MR_FILE_MISSING', long, { hint: long, cause }), hide) as MillraceError
    expect(inspect(hidden)).not.toContain('kkkk')
    expect([hidden.message, hidden.hint, (hidden.cause as Error).message]).toEqual(['${KEY}', '${KEY}', 'said ${KEY}'])
  })
})

describe('a file of the chapter', () => {
  it('loads with its values, the defaults, and round-trips', () => {
    const config = fromYaml(CHAPTER_FILE)
    expect(config.training).toMatchObject({ num_workers: 8, batch_size: 512, hidden_dims: [64, 32], dropout: 0.1 })
    expect(config.data.validation_rules.value_ranges).toEqual({ tenure: [0, 100], monthly_charges: [0, 1000] })
    expect(config.monitoring.alert_thresholds).toEqual({ accuracy: 0.85, latency_p99: 100, error_rate: 0.01 })
    expect(config).not.toHaveProperty('label')
    expect(fromYaml(toYaml(config))).toEqual(config)
  })

  it('has no label, and says so only where one is needed', () => {
    const loaded = load(CHAPTER_FILE)
    expect(failure(() => requireLabel(loaded))).toMatchObject({
      code: 'MR_CONFIG_LABEL_ABSENT',
      at: { file: 'p.yaml', line: 1, column: 1 },
    })
    expect(requireLabel(load(MINIMAL))).toBe('Churn')
  })
})

describe('defaults', () => {
  it('are those of the specification', () => {
    golden('config/defaults.yaml', toYaml(fromYaml(MINIMAL)))
  })

  it('cannot be changed', () => {
    const { config } = load(MINIMAL)
    expect(() => (config.training.hidden_dims as number[]).push(1)).toThrow(TypeError)
    expect(Object.isFrozen(config.data.validation_rules.value_ranges)).toBe(true)
  })

  it('stand for sections with nothing in them', () => {
    const config = fromYaml(`${MINIMAL}features:\nsplit:\nmonitoring:\n  alert_thresholds:\n`)
    expect(config).toEqual(fromYaml(MINIMAL))
  })
})

describe('faults', () => {
  it('are reported all at once, each with place, value, rule and the nearest known key', () => {
    const text = `pipeline_name: a/b
versoin: 1
label: Churn
positive: 1
constructor: 1
seed: -1
batch_size: 5
features:
  exclude: [Churn, id, id]
  columns:
    tenure: [{impute: median, clip: 1}]
split: {method: tyme, train: 0.5, validation: 0.3, test: 0.3}
gate: {metric: acuracy, minimum: .nan}
evaluation:
  threshold: high
  bootstrap: 1.5
data:
  source_path: http://example.com/x.csv
  num_partitions: "2000"
  file_format: avro
  partition_by: city
  validation_rules:
    value_ranges: {age: [0], pay: [10, 1], "tot.al": [5, 4]}
    on_null: ignore
  memory_limit: 4 gigs
  toString: 1
training:
  batch_size: 0
  learning_rate: 0
  hidden_dims: [64, a]
  class_weights: {Yes: -1}
  max_epochs: 1e400
resources: []
retry: {initial_delay: 100, max_delay: 10}
monitoring:
  dashboard_url: ftp://x
  alert_thresholds: {accuracy: low}
`
    golden('config/faults.txt', `${faults(() => load(text)).join('\n')}\n`)
  })

  it.each([
    ['label in include', 'features: {include: [Churn]}', /features.include names "Churn"/],
    ['label as entity', 'entity: Churn', /entity and label are both "Churn"/],
    ['time split', 'split: {method: time}', /timestamp is required/],
    ['group split', 'split: {method: group}', /split.group is required/],
    ['group without its method', 'split: {group: g}', /split.group is "g", but split.method is hash/],
    ['minimum alone', 'gate: {minimum: 0.5}', /gate.metric is required/],
    ['steps for an excluded column', 'features: {exclude: [a], columns: {a: [standard]}}', /features.columns does too/],
    ['steps for a column left out', 'features: {include: [a], columns: {b: [standard]}}', /does not name it/],
  ])('%s', (_, extra, message) => {
    const found = faults(() => load(`${MINIMAL}${extra}\n`))
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(message)
    expect(found[0]).toMatch(/^p.yaml:9:/)
  })

  it('takes numbers where names are meant as they are written, but not text where numbers are meant', () => {
    const config = fromYaml(`${MINIMAL}positive: 1\nentity: 007\ntimestamp: true\nfeatures: {exclude: [1.50]}\n`)
    expect(config).toMatchObject({ version: '1.0', positive: '1', entity: '007', timestamp: 'true' })
    expect(config.features.exclude).toEqual(['1.50'])
    expect(faults(() => load(`${MINIMAL}seed: "7"\n`))).toEqual([
      'p.yaml:9:7 seed is "7", it must be a whole number from 0 to 4294967295\n  hint: a number stands without quotes',
    ])
  })

  it('keeps hostile column names as what they are', () => {
    const names = ['constructor', 'toString', 'a.b', 'say "hi"', '🚆', 'select', ' ', "it's", 'hasOwnProperty']
    const ranges = names.map((n) => `      ${JSON.stringify(n)}: [0, 1]`).join('\n')
    const config = fromYaml(
      MINIMAL.replace('training:', `  validation_rules:\n    value_ranges:\n${ranges}\ntraining:`),
    )
    expect(Object.keys(config.data.validation_rules.value_ranges)).toEqual(names)
    expect(fromYaml(toYaml(config))).toEqual(config)
  })

  it('names a missing, unreadable or binary file', () => {
    expect(failure(() => loadConfig('nope.yaml', { cwd: folder }))).toMatchObject({ code: 'MR_FILE_MISSING' })
    expect(failure(() => loadConfig('.', { cwd: folder }))).toMatchObject({ code: 'MR_FILE_ACCESS' })
    file('binary.yaml', Buffer.from([0xff, 0xfe, 0x00]))
    expect(failure(() => loadConfig('binary.yaml', { cwd: folder })).message).toMatch(/not UTF-8/)
  })
})

describe('layers, --set and variables', () => {
  it('lets later layers win, key by key', () => {
    file('base.yaml', MINIMAL)
    file('big.yaml', 'training: {batch_size: 1024, hidden_dims: [8]}\n')
    const loaded = loadConfig(['base.yaml', 'big.yaml'], { cwd: folder, set: ['training.batch_size=2048'] })
    expect(loaded.config.training).toMatchObject({ batch_size: 2048, hidden_dims: [8], model_type: 'neural_network' })
    expect(loaded.positionOf('training.hidden_dims')).toEqual({ file: 'big.yaml', line: 1, column: 43 })
    expect(loaded.positionOf('label')).toEqual({ file: 'base.yaml', line: 3, column: 8 })
    expect(loaded.positionOf('training.dropout')).toBeUndefined()
  })

  it('reads --set values as YAML, names with dots in quotes', () => {
    const { config } = load(MINIMAL, [
      'training.hidden_dims=[16, 8]',
      'data.validation_rules.value_ranges."a.b"=[0, 1]',
      'evaluation.class_weights={"0": 11.1}',
      'version=2.0',
      'monitoring.dashboard_url=null',
    ])
    expect(config.training.hidden_dims).toEqual([16, 8])
    expect(config.data.validation_rules.value_ranges).toEqual({ 'a.b': [0, 1] })
    expect(config.evaluation.class_weights).toEqual({ '0': 11.1 })
    expect(config.version).toBe('2.0')
  })

  it('names the argument that is wrong', () => {
    const found = faults(() =>
      load(MINIMAL, ['training.batch_sise=5', 'training.max_epochs=many', 'seed', '=1', 'a..b=1']),
    )
    expect(found.join('\n')).toMatch(
      /--set training.batch_sise=5:1:1 unknown key "batch_sise" in training: did you mean training.batch_size\?/,
    )
    expect(found.join('\n')).toMatch(/--set training.max_epochs=many:1:1 training.max_epochs is "many"/)
    expect(found.filter((f) => f.includes('must be key=value'))).toHaveLength(3)
  })

  it('expands variables and says which are not set', () => {
    const text = MINIMAL.replace('data.csv', '${ROOT}/data.csv') + 'seed: ${SEED:-7}\n'
    expect(load(text, [], { ROOT: '/x' }).config).toMatchObject({ seed: 7, data: { source_path: '/x/data.csv' } })
    expect(load(text, [], { ROOT: '${SEED}', SEED: '8' }).config).toMatchObject({
      seed: 8,
      data: { source_path: '${SEED}/data.csv' },
    })
    expect(faults(() => load(text))[0]).toMatch(/^p.yaml:5:16 the environment variable ROOT is not set/)
  })

  it('finds paths beside the pipeline file', () => {
    mkdirSync(join(folder, 'sub'), { recursive: true })
    file('sub/p.yaml', MINIMAL)
    const loaded = loadConfig('sub/p.yaml', { cwd: folder })
    expect(resolvePath(loaded, 'data.csv')).toBe(join(folder, 'sub', 'data.csv'))
    expect(resolvePath(loaded, '/abs/x')).toBe('/abs/x')
    expect(resolvePath(loaded, 's3://bucket/x')).toBe('s3://bucket/x')
    expect(resolvePath(loaded, 'file:///abs/a%20b')).toBe('/abs/a b')
  })
})

describe('fromYaml(toYaml(c)) equals c', () => {
  const name = fc
    .oneof(
      fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }),
      fc.constantFrom(
        '1',
        '1.0',
        'true',
        'null',
        '~',
        'yes',
        '${HOME}',
        '$${',
        '$$${X}',
        '- a',
        'a: b',
        '# c',
        ' x ',
        '\n',
        '"',
      ),
    )
    .filter((text) => text !== '__proto__')
  const map = <T>(value: fc.Arbitrary<T>) =>
    fc.uniqueArray(fc.tuple(name, value), { maxLength: 4, selector: ([k]) => k }).map((e) => Object.fromEntries(e))
  const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
  const defaults = fromYaml(MINIMAL)
  const config: fc.Arbitrary<PipelineConfig> = fc
    .record({
      label: fc.option(name, { nil: undefined }),
      positive: fc.option(name, { nil: undefined }),
      version: name,
      seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      exclude: fc.uniqueArray(name, { maxLength: 4 }),
      ranges: map(fc.tuple(finite, finite).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)),
      weights: map(finite.map(Math.abs)),
      alerts: map(finite),
      rate: fc.double({ min: 1e-300, max: 1e300, noNaN: true }),
      tuning: fc.option(
        map(fc.jsonValue().map((v) => JSON.parse(JSON.stringify(v).replaceAll('__proto__', 'x')) as never)),
        {
          nil: undefined,
        },
      ),
      source: fc.constantFrom('a b.csv', 's3://b/k', '${X}.csv', 'C:\\data\\x.csv', '~/x', 'données/*.parquet'),
    })
    .filter((c) => c.label === undefined || !c.exclude.includes(c.label))
    .map(({ label, positive, version, seed, exclude, ranges, weights, alerts, rate, tuning, source }) => ({
      ...(Object.fromEntries(Object.entries(defaults).filter(([k]) => k !== 'label')) as unknown as PipelineConfig),
      ...(label === undefined ? {} : { label }),
      ...(positive === undefined ? {} : { positive }),
      ...(tuning === undefined ? {} : { tuning }),
      version,
      seed,
      features: { ...defaults.features, exclude },
      data: {
        ...defaults.data,
        source_path: source,
        validation_rules: { ...defaults.data.validation_rules, value_ranges: ranges },
      },
      training: { ...defaults.training, learning_rate: rate, class_weights: weights },
      monitoring: { ...defaults.monitoring, alert_thresholds: alerts },
    }))

  it('for any configuration', () => {
    fc.assert(
      fc.property(config, (c) => {
        expect(fromYaml(toYaml(c), 'p.yaml', { env: {} })).toEqual(c)
      }),
      { numRuns: 200 },
    )
  })

  it('never breaks on arbitrary text: a configuration or faults with places', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 200, unit: fc.constantFrom(...'ab:-[]{}&*!|>\'"%#\n\t $?,1.'.split('')) }),
        (text) => {
          const error = failure(() => fromYaml(text, 'p.yaml', { env: {} }))
          expect(error.code).toBe('MR_CONFIG_INVALID')
          expect(error.others.length).toBeGreaterThan(0)
          for (const fault of error.others) expect(fault.at?.line).toBeGreaterThan(0)
        },
      ),
      { numRuns: 500 },
    )
  })
})
