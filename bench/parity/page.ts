/** Writes docs/parity.md from bench/results/parity.json: for each example what was compared, and how far apart it is. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { SPLITS } from '../../src/etl/split.js'
import type { Outcome } from './compare.js'
import type { Compared } from './tables.js'

/** The examples, in the order of the page. */
export const NAMES = ['churn', 'fraud', 'fraud-transactions'] as const

export interface ParityExample extends Outcome {
  readonly name: string
  /** Of the machine, at the end. */
  readonly load: number
}

interface ParityReport {
  readonly machine: { readonly cpu?: string; readonly cores: number }
  readonly cluster: { readonly workers: number; readonly serverMemory: string; readonly executorMemory: string }
  readonly examples: readonly ParityExample[]
  /** Examples that did not run, and why. */
  readonly skipped: Readonly<Record<string, string>>
}

const count = (value: number): string => value.toLocaleString('en')
const small = (value: number): string => (value === 0 ? '0' : value.toExponential(1))
const row = (cells: readonly (string | number)[]): string =>
  `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`
const heading = (cells: readonly string[]): readonly string[] => [row(cells), `|${'---|'.repeat(cells.length)}`]

function introduction({ cluster, machine, examples }: ParityReport): readonly string[] {
  const versions = examples[0]?.versions ?? {}
  const named = ['millrace', 'duckdb', 'spark', 'onnxruntime', 'node'].map((name) => `${name} ${versions[name]}`)
  return [
    '# The same pipeline on DuckDB and on Spark',
    '',
    'Written by `npm run bench -- parity` from `bench/results/parity.json`. Each example runs twice from raw file to registered',
    'model, each time in an empty home: on DuckDB in the process, and on a Spark cluster, to which only `data.engine` and the',
    "cluster's address in the file point. Then all that both left is compared.",
    '',
    '- Texts, categories, times, whole numbers, which rows there are and their order, the split of each row, and what is',
    '  missing must be equal. Numbers with fractions may differ by what stands under "allowed": a share of the larger one, or',
    '  of 0.001 where both are smaller.',
    '- Scores, and what the leak check measures (it counts rows in bins between quantiles), may differ by 0.001.',
    '- How a table is cut into files, and the bytes of these, are not compared: they are not the same.',
    '',
    `Spark: a standalone master, ${cluster.workers} workers with one core and an executor of ${cluster.executorMemory} each, a Connect server of`,
    `${cluster.serverMemory}, all on one machine (${machine.cpu}, ${machine.cores} cores), where one was idle while the other ran. The`,
    'seconds show what a cluster costs where tables are small, not what it gains where they are large; those of an',
    'example hold the slow beginning of a cluster just started, where each ran by itself.',
    `Versions: ${named.join(', ')}.`,
    '',
  ]
}

function summary({ examples }: ParityReport): readonly string[] {
  const line = ({ name, compared, seconds }: ParityExample): string => {
    const sum = (of: (one: Compared) => number): number => compared.reduce((total, one) => total + of(one), 0)
    const exact = compared.filter(({ allowed }) => allowed < 1e-6)
    const largest = Math.max(...exact.map((one) => one.largest))
    const score = compared.find(({ what }) => what.startsWith('scores'))?.largest ?? NaN
    return row([
      ...[name, count(sum(({ values }) => values)), count(sum(({ unequal }) => unequal)), small(largest), small(score)],
      ...[sum(({ beyond }) => beyond) === 0 ? 'yes' : '**no**', seconds.duckdb.toFixed(1), seconds.spark.toFixed(1)],
    ])
  }
  const columns = ['example', 'values compared', 'not equal to the last bit', 'largest difference of data and plan']
  const others = ['largest difference of scores', 'all within what is allowed', 's on DuckDB', 's on Spark']
  return [...heading([...columns, ...others]), ...examples.map(line), '']
}

function section({ name, load, splits, compared, sameWeights, seconds, stages }: ParityExample): readonly string[] {
  const columns = ['compared', 'rows', 'values', 'not equal to the last bit', 'largest difference', 'allowed', 'within']
  const parts = SPLITS.map((split) => `${count(splits[split])} ${split}`)
  const times = (engine: 'duckdb' | 'spark'): readonly string[] =>
    [...Object.values(stages).map((stage) => stage[engine]), seconds[engine]].map((time) => time.toFixed(1))
  return [
    `## ${name}`,
    '',
    `Rows on both: ${parts.join(', ')}. Load of the machine at the end: ${load.toFixed(1)}.`,
    '',
    ...heading(columns),
    ...compared.map(({ what, rows, values, unequal, largest, at, allowed, beyond }) =>
      row([
        ...[what, rows === undefined ? '–' : count(rows), count(values), count(unequal)],
        ...[`${small(largest)}${at === undefined ? '' : ` (\`${at}\`)`}`, small(allowed)],
        beyond === 0 ? 'yes' : `**no**: ${count(beyond)}`,
      ]),
    ),
    '',
    ...compared.flatMap(({ what, faults }) => faults.map((fault) => `- ${what}: ${fault}`)),
    ...(compared.some(({ faults }) => faults.length > 0) ? [''] : []),
    `The weights of the trained network are ${sameWeights ? 'the same bytes' : 'not the same bytes'} on both.`,
    '',
    ...heading(['seconds', ...Object.keys(stages), 'the whole run']),
    row(['DuckDB', ...times('duckdb')]),
    row(['Spark', ...times('spark')]),
    '',
  ]
}

/** The last result, where there is one. */
export function readParity(): ParityReport | undefined {
  const result = new URL('../results/parity.json', import.meta.url)
  return existsSync(result) ? (JSON.parse(readFileSync(result, 'utf8')) as ParityReport) : undefined
}

/** Writes the page; nothing where there is no result. */
export function writeParityPage(): void {
  const report = readParity()
  if (report === undefined) return
  const missing = NAMES.filter((name) => !report.examples.some((one) => one.name === name)).map(
    (name) =>
      `- Not compared: ${name}: ${report.skipped[name] ?? `it has no result yet: npm run bench -- parity ${name}`}`,
  )
  const lines = [
    ...introduction(report),
    ...summary(report),
    ...(missing.length > 0 ? [...missing, ''] : []),
    ...report.examples.flatMap(section),
  ]
  writeFileSync(new URL('../../docs/parity.md', import.meta.url), lines.join('\n'))
  console.log(`docs/parity.md: ${report.examples.map(({ name }) => name).join(', ')}`)
}
