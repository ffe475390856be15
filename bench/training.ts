/**
 * The embedded trainer beside PyTorch (eager, fused Adam, torch.compile), on the same rows from the same weights: one
 * thread with a batch of 512, then two cores. Losses are compared before anything is timed (the first 50 steps, then the
 * means of four epochs); each round goes through the contenders and back. `bash bench/peers/setup.sh torch`, then
 * `npm run bench -- training [ROUNDS]`; the result goes to bench/results/training.json.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { times, writeReport, type GoalRow } from './report.js'
import { STEPS_PER_EPOCH, writeData, type Setting } from './training/data.js'

const PYTHON = fileURLToPath(new URL('../.venv-bench-torch/bin/python', import.meta.url))
const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const rounds = Number(process.argv[2] ?? 6)
const BATCH = 512
const HIDDEN = [256, 128, 64]
const EPOCHS = 4
/** Milliseconds after which a case begins no further round, and after which an answer counts as never coming. */
const CASE_LIMIT = 60_000
const ANSWER_LIMIT = 180_000

type Kind = 'ours' | 'eager' | 'fused' | 'compile'

/** A process that trains on command; both sides speak the same lines. */
class Contender {
  private constructor(
    private readonly process: ChildProcessWithoutNullStreams,
    private readonly lines: AsyncIterator<string>,
    readonly version: string,
  ) {}

  static async start(who: 'ours' | 'torch', setting: Setting): Promise<Contender> {
    const [command, ...args] =
      who === 'ours'
        ? [process.execPath, '--import', 'tsx', file('training/trial.ts')]
        : [PYTHON, file('peers/torch_training.py')]
    const child = spawn(command ?? '', [...args, JSON.stringify(setting)])
    let errors = ''
    child.stderr.on('data', (data: Buffer) => (errors = (errors + data.toString()).slice(-2000)))
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const failed = new Promise<never>((_, reject) => child.once('error', reject))
    const first = await Promise.race([lines.next(), failed])
    if (first.done === true) throw new Error(`${who} did not start: ${errors}`)
    return new Contender(child, lines, (JSON.parse(first.value) as { version: string }).version)
  }

  async ask<T extends object>(command: string): Promise<T> {
    this.process.stdin.write(`${command}\n`)
    const late = setTimeout(() => this.process.kill('SIGKILL'), ANSWER_LIMIT)
    const answer = await this.lines.next().finally(() => clearTimeout(late))
    if (answer.done === true) throw new Error(`${this.version} ended, or gave no answer in time, at: ${command}`)
    const said = JSON.parse(answer.value) as T | { readonly error: string }
    if ('error' in said) throw new Error(`${this.version}: ${command}: ${String(said.error)}`)
    return said
  }

  stop(): void {
    this.process.stdin.end()
  }
}

interface Sample {
  readonly wall: number
  readonly cpu: number
}
/** Per step, by contender, in the order they were taken. */
type Samples = Record<string, Sample[]>

/** Settings of torch that do not run here, and why: torch.compile needs a C++ compiler. */
const missing: Record<string, string> = {}

/**
 * Rounds there and back over the contenders, each sample per step; `time` runs `steps` steps of one of them. As many as
 * fit the limit of a case, at least one: what a fast machine does in rounds of seconds takes others minutes.
 */
async function measure(all: readonly string[], time: (name: string) => Promise<Sample>): Promise<Samples> {
  const names: string[] = []
  for (const name of all) {
    console.error(`  warming ${name}`)
    try {
      await time(name)
      names.push(name)
    } catch (error) {
      if (name !== 'compile') throw error
      missing['torch.compile'] = String(error)
    }
  }
  const samples: Samples = Object.fromEntries(names.map((name) => [name, []]))
  const start = performance.now()
  for (let round = 0; round < rounds && (round === 0 || performance.now() < start + CASE_LIMIT); round++) {
    console.error(`  round ${round + 1} of ${rounds}`)
    for (const name of [...names, ...names.toReversed()]) samples[name]?.push(await time(name))
  }
  return samples
}

const perStep = (sample: Sample, steps: number): Sample => ({ wall: sample.wall / steps, cpu: sample.cpu / steps })
const walls = (samples: Samples, name: string): number[] => (samples[name] ?? []).map(({ wall }) => wall)

async function withData<T>(setting: Omit<Setting, 'folder'>, use: (setting: Setting) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    await writeData({ ...setting, folder })
    return await use({ ...setting, folder })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Largest relative differences: of the first 50 losses, and of the epochs' means. Throws if they are not the same curve. */
async function compare(ours: Contender, torch: Contender): Promise<{ first50: number; epochMeans: number }> {
  const command = `losses ${EPOCHS * STEPS_PER_EPOCH}`
  const [{ losses: a }, { losses: b }] = [
    await ours.ask<{ losses: number[] }>(command),
    await torch.ask<{ losses: number[] }>(command),
  ]
  const means = (losses: readonly number[]): number[] =>
    Array.from({ length: EPOCHS }, (_, epoch) => {
      const own = losses.slice(epoch * STEPS_PER_EPOCH, (epoch + 1) * STEPS_PER_EPOCH)
      return own.reduce((sum, loss) => sum + loss, 0) / own.length
    })
  const largest = (left: readonly number[], right: readonly number[]): number =>
    Math.max(...left.map((value, i) => Math.abs(value / (right[i] ?? NaN) - 1)))
  const found = { first50: largest(a.slice(0, 50), b.slice(0, 50)), epochMeans: largest(means(a), means(b)) }
  if (!(found.first50 < 1e-5 && found.epochMeans < 1e-3))
    throw new Error(`the loss curves differ: ${JSON.stringify(found)}`)
  return found
}

/** One thread: ours beside each kind of torch. Dropout's masks differ, so there only networks without it are compared. */
async function oneThread(name: string, shape: Pick<Setting, 'hidden' | 'dropout'>, steps: number, kinds: Kind[]) {
  console.error(name)
  return withData({ ...shape, threads: 1, batch: BATCH }, async (setting) => {
    const [ours, torch] = [await Contender.start('ours', setting), await Contender.start('torch', setting)]
    const curves = shape.dropout === 0 ? await compare(ours, torch) : undefined
    const samples = await measure(['ours', ...kinds], async (kind) =>
      perStep(await (kind === 'ours' ? ours : torch).ask<Sample>(`time ${kind} ${steps}`), steps),
    )
    for (const contender of [ours, torch]) contender.stop()
    return { name, curves, samples, version: torch.version }
  })
}

/** Two cores: two trials of ours side by side, and one on two threads, beside torch's two threads with fused Adam. */
async function twoCores(steps: number) {
  console.error('two cores')
  return withData({ hidden: HIDDEN, dropout: 0, threads: 1, batch: BATCH }, async (setting) => {
    const trials = [await Contender.start('ours', setting), await Contender.start('ours', setting)]
    const two = await Contender.start('ours', { ...setting, threads: 2 })
    const torch = await Contender.start('torch', { ...setting, threads: 2 })
    const curves = await compare(two, torch)
    const samples = await measure(['two trials', 'fused', 'one trial'], async (name) => {
      if (name !== 'two trials')
        return perStep(await (name === 'fused' ? torch : two).ask<Sample>(`time ${name} ${steps}`), steps)
      const both = await Promise.all(trials.map((trial) => trial.ask<Sample>(`time ours ${steps}`)))
      const sum = { wall: Math.max(...both.map(({ wall }) => wall)), cpu: both.reduce((all, { cpu }) => all + cpu, 0) }
      return perStep(sum, 2 * steps)
    })
    for (const contender of [...trials, two, torch]) contender.stop()
    return { name: 'two cores', curves, samples, version: torch.version }
  })
}

const plain = await oneThread('one thread', { hidden: HIDDEN, dropout: 0 }, 200, ['eager', 'fused', 'compile'])
const dropout = await oneThread('dropout 0.2', { hidden: HIDDEN, dropout: 0.2 }, 200, ['eager'])
const logistic = await oneThread('logistic regression', { hidden: [], dropout: 0 }, 2000, ['eager'])
const two = await twoCores(200)

type Case = Awaited<ReturnType<typeof twoCores>>
function row(found: Case | typeof plain, what: string, ours: string, peer: Kind, goal: number): GoalRow {
  const measured = times(walls(found.samples, ours), walls(found.samples, peer))
  const setting = peer === 'compile' ? 'torch.compile, fused Adam' : peer === 'fused' ? 'fused Adam' : 'eager'
  const version = `${found.version}, ${setting}`
  return { area: 'embedded training', what, goal, unit: 'times', better: 'more', measured, peer: version }
}
writeReport(
  'training',
  [
    row(plain, 'one thread, batch 512', 'ours', 'eager', 1.6),
    row(plain, 'one thread, batch 512', 'ours', 'fused', 1.3),
    ...(plain.samples['compile'] === undefined ? [] : [row(plain, 'one thread, batch 512', 'ours', 'compile', 1.3)]),
    row(dropout, 'one thread, dropout 0.2', 'ours', 'eager', 2.6),
    row(logistic, 'one thread, logistic regression', 'ours', 'eager', 3.5),
    row(two, 'two cores: two trials side by side', 'two trials', 'fused', 1.5),
    row(two, 'two cores: one trial on two threads', 'one trial', 'fused', 1),
  ],
  { unit: 'seconds per step', batch: BATCH, missing, cases: [plain, dropout, logistic, two] },
)
