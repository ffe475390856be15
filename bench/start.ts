/**
 * How long the command line takes to say something: `millrace --help` and `--version` of the built package beside a
 * Node that does nothing. Interleaved A-B-B-A. `npm run build`, then `node --import tsx bench/start.ts [ROUNDS]`:
 * milliseconds of wall time go to bench/results/start.json.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const CASES = [
  { name: 'node -e 0', args: ['-e', '0'] },
  { name: 'millrace --help', args: [main, '--help'] },
  { name: 'millrace --version', args: [main, '--version'] },
]
const rounds = Number(process.argv[2] ?? 20)

function measure(args: readonly string[]): number {
  const started = performance.now()
  const { status, stderr } = spawnSync(process.execPath, args)
  if (status !== 0) throw new Error(`node ${args.join(' ')}: ${String(stderr)}`)
  return performance.now() - started
}

const times = CASES.map((): number[] => [])
for (const { args } of CASES) measure(args) // the disk's cache is warm from here on
for (let round = 0; round < rounds; round++) {
  const order = [...CASES.keys()]
  for (const i of [...order, ...order.reverse()]) times[i]?.push(measure(CASES[i]?.args ?? []))
}
const milliseconds = Object.fromEntries(
  CASES.map(({ name }, i) => {
    const sorted = (times[i] ?? []).sort((a, b) => a - b)
    const at = (share: number): number => Math.round((sorted[Math.floor(share * (sorted.length - 1))] ?? NaN) * 10) / 10
    return [name, { median: at(0.5), least: at(0), most: at(1) }]
  }),
)
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, load: loadavg()[0] }
const result = { what: 'wall time of one process, milliseconds', runs: rounds * 2, machine, milliseconds }
mkdirSync(new URL('results/', import.meta.url), { recursive: true })
writeFileSync(new URL('results/start.json', import.meta.url), `${JSON.stringify(result, null, 2)}\n`)
console.table(milliseconds)
