/**
 * Writes docs/benchmarks.md from bench/results/*.json: one table an area, each goal with what was measured, its interval,
 * and whether its worse end meets it; then what crash tests and fuzzing counted. Results that are not there, or hold no
 * goals, are left out. Also docs/parity.md (parity/page.ts). `npm run bench -- page`.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { writeParityPage } from './parity/page.js'
import { isMet, type GoalRow } from './report.js'

interface Report {
  readonly bench: string
  readonly machine?: { readonly cpu?: string; readonly cores?: number; readonly node?: string; readonly load?: number }
  readonly goals?: readonly GoalRow[]
  /** Peers that did not install or run, and why. */
  readonly missing?: Readonly<Record<string, string>>
}

const INTRODUCTION = `# Benchmarks

Written by \`npm run bench -- page\` from the files in \`bench/results\`, which hold every sample. Each benchmark runs
Millrace and its peer in turns (A, B, B, A) in one run and compares what both computed before anything is timed. Goals
are set above the best that exists. A goal is met only if the worse end of the 95 % bootstrap interval meets it. To
measure again: \`bash bench/peers/setup.sh torch\` (or another peer), then \`npm run bench -- NAME\`.
`

/** The reports with goals, by name; a file that cannot be read as one is named and left out. */
function readReports(folder: URL): readonly Report[] {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'))
  return names.sort().flatMap((name) => {
    try {
      const report = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Report
      return (report.goals ?? []).length > 0 ? [{ ...report, bench: name.replace('.json', '') }] : []
    } catch (error) {
      console.error(`${name} is left out: ${String(error)}`)
      return []
    }
  })
}

function figure(value: number): string {
  if (!Number.isFinite(value)) return '–'
  return value >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
}

function line(row: GoalRow): string {
  const { value, low, high } = row.measured
  const goal = `${row.better === 'more' ? 'at least' : 'at most'} ${figure(row.goal)} ${row.unit}`
  const cells = [row.what, row.peer ?? '–', goal, figure(value), `${figure(low)} to ${figure(high)}`]
  return `| ${[...cells, isMet(row) ? 'yes' : '**no**'].map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function section({ bench, machine, goals = [], missing = {} }: Report): string {
  const areas = [...new Set(goals.map(({ area }) => area))].join(', ')
  const notes = [
    ...goals.flatMap(({ what, note }) => (note === undefined ? [] : [`- ${what}: ${note}`])),
    ...Object.entries(missing).map(([peer, why]) => `- Not measured: ${peer}: ${why}`),
  ]
  const place = [machine?.cpu, machine?.cores === undefined ? undefined : `${machine.cores} cores`, machine?.node]
  const load = machine?.load === undefined ? '' : ` Load of the machine at the end: ${machine.load.toFixed(1)}.`
  return [
    `## ${areas === '' ? bench : areas}`,
    '',
    '| measured | peer | goal | value | 95 % interval | met |',
    '|---|---|---|---|---|---|',
    ...goals.map(line),
    '',
    ...notes,
    ...(notes.length > 0 ? [''] : []),
    `\`npm run bench -- ${bench}\`: ${place.filter((part) => part !== undefined).join(', ')}.${load}`,
    '',
  ].join('\n')
}

/** What the long runs of the crash tests and of the fuzzing counted; nothing where neither was recorded. */
function counted(folder: URL): readonly string[] {
  const read = <T>(name: string): T | undefined => {
    const path = new URL(name, folder)
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined
  }
  const chaos = read<Counts>('chaos.json')
  const fuzz = read<Fuzz>('fuzz.json')
  const lines = [
    ...Object.entries(chaos?.tests ?? {}).map(([what, counts]) => {
      const words = Object.entries(counts).map(([name, count]) => `${count.toLocaleString('en')} ${name}`)
      return `| ${what} | ${words.join(', ')} |`
    }),
    ...(fuzz === undefined
      ? []
      : [
          `| ${fuzz.parsers.length} parsers fuzzed for ${fuzz.secondsAParser} s each | ${fuzz.cases.toLocaleString('en')} cases |`,
        ]),
  ]
  if (lines.length === 0) return []
  return [
    [
      '## Crashes and fuzzing',
      '',
      'What the last `npm run chaos:full` and `npm run fuzz:long` counted; all of it held. [reliability.md](reliability.md)',
      'says what that is.',
      '',
      '| test | counts |',
      '|---|---|',
      ...lines,
      '',
    ].join('\n'),
  ]
}

interface Counts {
  readonly tests: Readonly<Record<string, Readonly<Record<string, number>>>>
}

interface Fuzz {
  readonly secondsAParser: number
  readonly cases: number
  readonly parsers: readonly unknown[]
}

const RESULTS = new URL('results/', import.meta.url)
const reports = readReports(RESULTS)
const page = [INTRODUCTION, ...reports.map(section), ...counted(RESULTS)].join('\n')
writeFileSync(new URL('../docs/benchmarks.md', import.meta.url), page)
console.log(`docs/benchmarks.md: ${reports.flatMap(({ goals = [] }) => goals).length} goals`)
writeParityPage()
