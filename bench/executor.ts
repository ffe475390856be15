/**
 * The cost of durability: overhead of one durable step alone, and durable steps a second over 64 flows that share a
 * journal. A step is a whole stage: lookup, context, recorded reads, `stage-succeeded` synced before the next begins.
 * Beside it, in the same run and interleaved, the disk's own bound: write and fdatasync of a line of the same size.
 * Usage: tsx bench/executor.ts [folder] [rounds]; prints JSON with every sample.
 */
import { mkdtemp, open, rm, stat } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { PipelineExecutor } from '../src/pipeline/executor.js'
import { openHome } from '../src/pipeline/home.js'
import type { StageKind } from '../src/pipeline/stage.js'

interface Config {
  readonly train: { readonly rate: number; readonly rows: number }
}

const config: Config = { train: { rate: 0.1, rows: 10 } }
const chain = (length: number): StageKind<Config>[] =>
  Array.from({ length }, (_, i) => ({
    name: `step${i}`,
    version: 1,
    after: i === 0 ? [] : [`step${i - 1}`],
    run: async (context) => (context.config.train.rate > 0 ? {} : {}),
  }))

async function flows(folder: string, count: number, steps: number) {
  const path = await mkdtemp(join(folder, 'millrace-bench-'))
  const home = await openHome(path)
  const executor = new PipelineExecutor({ journal: home.journal, store: home.store })
  const stages = chain(steps)
  const cpu = process.cpuUsage()
  const start = performance.now()
  const states = await Promise.all(
    Array.from({ length: count }, (_, flow) =>
      executor.execute({ name: `flow${flow}`, stages, config, seed: flow, force: true }),
    ),
  )
  const seconds = (performance.now() - start) / 1000
  const used = process.cpuUsage(cpu)
  if (states.some(({ status }) => status !== 'success')) throw new Error('a flow failed')
  const { size } = await stat(join(path, 'journal'))
  await home.close()
  await rm(path, { recursive: true })
  const n = count * steps
  return {
    stepsPerSecond: n / seconds,
    millisecondsPerStep: (seconds * 1000) / n,
    cpuMicrosecondsPerStep: (used.user + used.system) / n,
    bytesPerStep: size / n,
  }
}

async function disk(folder: string, n: number) {
  const path = await mkdtemp(join(folder, 'millrace-bench-'))
  const file = await open(join(path, 'x'), 'a')
  const line = Buffer.alloc(700, 'x')
  const start = performance.now()
  for (let i = 0; i < n; i++) {
    await file.write(line)
    await file.datasync()
  }
  const milliseconds = (performance.now() - start) / n
  await file.close()
  await rm(path, { recursive: true })
  return { millisecondsPerSync: milliseconds }
}

const folder = process.argv[2] ?? tmpdir()
const rounds = Number(process.argv[3] ?? 4)
await flows(folder, 8, 50) // warm
const samples = { disk: [], alone: [], flows64: [] } as {
  disk: Awaited<ReturnType<typeof disk>>[]
  alone: Awaited<ReturnType<typeof flows>>[]
  flows64: Awaited<ReturnType<typeof flows>>[]
}
for (let round = 0; round < rounds; round++) {
  samples.disk.push(await disk(folder, 500))
  samples.alone.push(await flows(folder, 1, 300))
  samples.flows64.push(await flows(folder, 64, 300))
}
process.stdout.write(`${JSON.stringify({ node: process.version, cpu: cpus()[0]?.model, folder, samples }, null, 2)}\n`)
