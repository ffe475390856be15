/**
 * Chapter program 2: a person's own stages in the executor. They get what Millrace's own stages get: a journal, caching
 * by content, retries with backoff, resuming after kill -9.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MillraceError, openHome, PipelineExecutor, RetryStrategy, type StageKind } from 'millrace'

interface Config {
  readonly numbers: number
  readonly scale: number
}

let calls = 0

const count: StageKind<Config> = {
  name: 'count',
  version: 1,
  after: [],
  async run({ config, store }) {
    const numbers = Array.from({ length: config.numbers }, (_, i) => i + 1)
    return { numbers: await store.put(JSON.stringify(numbers), 'application/json') }
  },
}

const sum: StageKind<Config> = {
  name: 'sum',
  version: 1,
  after: ['count'],
  async run({ config, inputs, store, log }) {
    // the first attempt meets a service that is away for a moment: only errors that can pass are tried again
    if (++calls === 1) throw new MillraceError('MR_TIMEOUT', 'the service did not answer', { retryable: true })
    const ref = inputs['count']?.['numbers']
    if (ref === undefined) throw new Error('count left no numbers')
    const numbers = JSON.parse(new TextDecoder().decode(await store.get(ref))) as number[]
    const total = config.scale * numbers.reduce((a, b) => a + b, 0)
    log(`the sum is ${total}`)
    return { total: await store.put(String(total), 'text/plain') }
  },
}

const folder = await mkdtemp(join(tmpdir(), 'millrace-chapter-'))
const home = await openHome(folder, 'chapter')
try {
  const executor = new PipelineExecutor({
    journal: home.journal,
    store: home.store,
    retry: new RetryStrategy({ maxRetries: 3, initialDelay: 50, backoffFactor: 2, maxDelay: 1000 }),
  })
  const show = async (config: Config): Promise<void> => {
    const state = await executor.execute({ name: 'sums', stages: [count, sum], config, seed: 1 })
    const stages = state.stages.map(({ name, status, retries }) => `${name} ${status} (${retries} retries)`)
    console.log(`${state.status}: ${stages.join(', ')}`)
  }
  await show({ numbers: 10, scale: 1 }) // success; sum was tried twice
  await show({ numbers: 10, scale: 1 }) // both cached
  await show({ numbers: 10, scale: 3 }) // only sum read `scale`, so only sum runs
} finally {
  await home.close()
  await rm(folder, { recursive: true, force: true })
}
