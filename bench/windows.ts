/**
 * Rolling features of 1.75 million simulated card transactions, from the raw file to a registered model by the command
 * line: seconds a stage, peak memory, scores on later rows; once as it is and once under `data.memory_limit: 500MB`, which
 * must give the same bytes. The windows of 20,000 rows are compared with a plain computation in Python.
 * `npm run build`, then `npm run bench -- windows [TABLE]`; the result goes to bench/results/windows.json.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { evaluationOf, example, resultOf, ROOT, start, succeed } from '../test/e2e/cli.js'
import { PYTHON } from '../test/e2e/python.js'

const ROWS = 20_000

interface Status {
  readonly seconds: number
  readonly stages: readonly {
    readonly name: string
    readonly seconds?: number
    readonly value?: Readonly<Record<string, { readonly digest: string }>>
  }[]
}
type Table = { readonly rows: number; readonly files: readonly { readonly ref: { readonly digest: string } }[] }

/** The most memory that a process has had, in MB; Linux only. */
function peakMemory(pid: number | undefined): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

const stored = (home: string, digest: string): string => {
  const hex = digest.slice('sha256:'.length)
  return join(home, 'artifacts', 'sha256', hex.slice(0, 2), hex)
}

async function measured(table: string, limit: string | undefined, compare: boolean) {
  await using copy = await example('fraud-transactions')
  const home = join(copy.path, '.millrace')
  const set = [`data.source_path=${table}`, ...(limit === undefined ? [] : [`data.memory_limit=${limit}`])]
  const started = performance.now()
  const process = start(['run', copy.file, '--json', ...set.flatMap((pair) => ['--set', pair])])
  let peak = 0
  const timer = setInterval(() => (peak = Math.max(peak, peakMemory(process.child.pid))), 50)
  const finished = await process.finished
  clearInterval(timer)
  const wall = (performance.now() - started) / 1000
  if (finished.code !== 0)
    throw new Error(`exit code ${finished.code}\n${finished.stdout.slice(-2000)}\n${finished.stderr}`)
  const { run, registration } = resultOf(finished)
  const status = JSON.parse((await succeed(['status', run, '--json', '--home', home])).stdout) as Status
  const manifest = status.stages.find(({ name }) => name === 'features')?.value?.['table']?.digest ?? ''
  const features = JSON.parse(await readFile(stored(home, manifest), 'utf8')) as Table
  const { rows, metrics, parity } = await evaluationOf(copy.path, run)
  const { average_precision, roc_auc } = metrics
  const files = features.files.map(({ ref }) => stored(home, ref.digest))
  return {
    memoryLimit: limit ?? 'none',
    seconds: round(wall),
    stages: Object.fromEntries(status.stages.map(({ name, seconds = 0 }) => [name, round(seconds)])),
    peakMemoryMB: Math.round(peak),
    rows: features.rows,
    test: { rows, average_precision, roc_auc, parity },
    digests: { features: manifest, model: registration?.model.digest },
    ...(compare
      ? {
          compared: JSON.parse(
            execFileSync(PYTHON, [join(ROOT, 'bench/peers/windows.py'), table, String(ROWS), ...files], {
              encoding: 'utf8',
            }),
          ) as unknown,
        }
      : {}),
  }
}

const round = (value: number): number => Math.round(value * 100) / 100

const table = process.argv[2] ?? join(ROOT, '../shared/data/fraud_handbook_simulated/transactions.parquet')
if (!existsSync(table)) console.log(`skipped: there is no ${table}; give the path of transactions.parquet`)
else {
  const runs = [await measured(table, undefined, true), await measured(table, '500MB', false)]
  const [one, two] = runs
  if (JSON.stringify(one?.digests) !== JSON.stringify(two?.digests))
    throw new Error('the two runs differ in their bytes')
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, load: loadavg()[0] }
  const text = JSON.stringify({ what: 'fraud-transactions from raw file to registered model', machine, runs }, null, 2)
  mkdirSync(join(ROOT, 'bench/results'), { recursive: true })
  writeFileSync(join(ROOT, 'bench/results/windows.json'), `${text}\n`)
  console.log(text)
}
