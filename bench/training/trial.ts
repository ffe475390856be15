/**
 * One trial of the embedded trainer in a process of its own, which answers the commands that peers/torch_training.py
 * answers: the trainer's own filling of blocks (rows gathered in a random order) and its training session.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { EpochReader } from '../../src/train/epoch-reader.js'
import { initialWeights } from '../../src/train/onnx/network.js'
import { TrainingSession, type Vectors } from '../../src/train/onnx/sessions.js'
import { dropoutPool, StepFiller } from '../../src/train/onnx/steps.js'
import { ShardReader } from '../../src/train/shard-reader.js'
import type { ShardSet } from '../../src/train/shards.js'
import { makeJob, ROW_BYTES, rowOrder, STEPS_PER_EPOCH, type Setting } from './data.js'

/** Most steps of one call, about what the trainer's own pace of 150 ms a call comes to. */
const CALL = 50

const setting = JSON.parse(process.argv[2] ?? '') as Setting
const set = JSON.parse(readFileSync(join(setting.folder, 'set.json'), 'utf8')) as ShardSet
const job = makeJob(setting, set)
const order = rowOrder(set.rows)
const reader = new EpochReader(new ShardReader(set), order)
const filler = new StepFiller(job, { counts: [], mean: 0, scale: 1 }, reader, () => order, ROW_BYTES)
const options = { batch: setting.batch, pool: filler.poolSize, clipNorm: 0, weightDecay: 0 }
const pool = dropoutPool(job, filler.poolSize)
const session = await TrainingSession.create(job.network, options, pool, filler.capacity, setting.threads)

function fresh(): { vectors: Vectors; done: number } {
  const parameters = initialWeights(job.network, job.seed)
  const zeros = (): Float32Array => new Float32Array(parameters.length)
  return { vectors: { parameters, first: zeros(), second: zeros() }, done: 0 }
}

/** Trains `count` more steps; the losses. */
async function train(state: ReturnType<typeof fresh>, count: number): Promise<readonly number[]> {
  const losses: number[] = []
  while (losses.length < count) {
    const step = state.done % STEPS_PER_EPOCH
    const call = Math.min(CALL, count - losses.length, STEPS_PER_EPOCH - step)
    filler.begin(1)
    filler.fill(step, call, state.done)
    const result = await session.run(state.vectors, filler.block, call)
    state.vectors = result
    state.done += call
    losses.push(...result.losses)
  }
  return losses
}

const answer = (value: unknown): unknown => process.stdout.write(`${JSON.stringify(value)}\n`)
answer({ version: 'millrace' })
const timed = fresh()
for await (const line of createInterface({ input: process.stdin })) {
  const [command, count] = [line.split(' ')[0], Number(line.split(' ').at(-1))]
  if (command === 'losses') answer({ losses: await train(fresh(), count) })
  else {
    const [wall, cpu] = [performance.now(), process.cpuUsage()]
    await train(timed, count)
    const used = process.cpuUsage(cpu)
    answer({ wall: (performance.now() - wall) / 1000, cpu: (used.user + used.system) / 1e6 })
  }
}
