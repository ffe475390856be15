/** The executor where its surroundings change: sources, versions of engines, failures and time; and looked at only. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ArtifactRef } from '../core/artifacts.js'
import type { Clock } from '../core/clock.js'
import { MillraceError } from '../core/errors.js'
import { RetryStrategy } from '../core/retry.js'
import type { RunEvent } from './events.js'
import { PipelineExecutor } from './executor.js'
import { formatReason } from './explain.js'
import { openHome, readHome, type Home } from './home.js'
import type { StageKind } from './stage.js'
import type { RunState } from './state.js'

type Config = Readonly<Record<string, never>>

let folder: string
let home: Home
let executor: PipelineExecutor
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-executor-'))
  home = await openHome(join(folder, 'home'))
  executor = new PipelineExecutor({ ...home, retry: new RetryStrategy({ initialDelay: 0 }) })
})
afterEach(async () => {
  await home.close()
  await rm(folder, { recursive: true, force: true })
})

const run = (...stages: StageKind<Config>[]) => executor.execute({ name: 'p', stages, config: {}, seed: 1 })
const why = async (...stages: StageKind<Config>[]) =>
  (await executor.explain(stages, {})).map(({ action, reasons }) => [action, ...reasons.map(formatReason)])
async function eventsOf(name: string): Promise<RunEvent[]> {
  const events: RunEvent[] = []
  for await (const event of home.journal.replay(name)) events.push(event)
  return events
}

describe('a source that changes while it is read', () => {
  let content: string
  let meanwhile: string[]
  /** Reads `content`; `meanwhile` holds what it becomes just before, attempt by attempt. */
  const reading = (during: (context: Parameters<StageKind<Config>['run']>[0]) => Promise<void>): StageKind<Config> => ({
    name: 'read',
    version: 1,
    after: [],
    fingerprint: async () => content,
    async run(context) {
      content = meanwhile.shift() ?? content
      const read = content
      await during(context)
      return { read: await context.store.put(read, 'text/plain') }
    },
  })
  const stage = reading(async () => undefined)

  test('is read again; what was made of it is never found under either content', async () => {
    content = 'one'
    meanwhile = ['two']
    const first = await run(stage)
    expect(first.stages[0]).toMatchObject({ status: 'success', retries: 1 })
    const retrying = (await eventsOf(first.run)).find((event) => event.type === 'stage-retrying')
    expect(retrying?.error).toMatchObject({
      code: 'MR_SOURCE_CHANGED',
      message: expect.stringContaining('"read"') as string,
    })
    for (const now of ['two', 'one']) {
      content = now
      const ref = (await run(stage)).stages[0]?.value?.['read']
      expect(ref && Buffer.from(await home.store.get(ref)).toString()).toBe(now)
    }
  })

  test('without an end: the run fails', async () => {
    content = '0'
    meanwhile = ['1', '2', '3', '4']
    const state = await run(stage)
    expect(state.stages[0]).toMatchObject({ status: 'failed', retries: 3, error: { code: 'MR_SOURCE_CHANGED' } })
    expect(await home.journal.successes('read')).toEqual([])
  })

  test('leaves no checkpoint either', async () => {
    content = 'one'
    meanwhile = ['two']
    const resumed: unknown[] = []
    const checkpointing = reading(async (context) => {
      resumed.push(context.resumed)
      await context.checkpoint(await context.store.put('half of it', 'text/plain'))
    })
    const { run: name } = await run(checkpointing)
    const types = (await eventsOf(name)).map(({ type }) => type)
    expect(types.filter((type) => type === 'stage-checkpoint')).toHaveLength(1)
    expect(types.indexOf('stage-checkpoint')).toBeGreaterThan(types.indexOf('stage-retrying'))
    content = 'one'
    await run(checkpointing)
    expect(resumed).toEqual([undefined, undefined, undefined])
  })
})

describe('versions of what computes', () => {
  const stage = (engines?: Readonly<Record<string, string>>): StageKind<Config> => ({
    ...{
      name: 'query',
      version: 1,
      after: [],
      run: async ({ store }) => ({ rows: await store.put('1', 'text/plain') }),
    },
    ...(engines === undefined ? {} : { engines }),
  })
  const statusWith = async (engines?: Readonly<Record<string, string>>) => (await run(stage(engines))).stages[0]?.status

  test('are part of the key, are recorded, and explain says which changed', async () => {
    const { run: name } = await run(stage({ duckdb: '1.5.4', node: '22' }))
    const recorded = (await eventsOf(name)).find((event) => event.type === 'stage-succeeded')
    expect(recorded?.engines).toEqual({ duckdb: '1.5.4', node: '22' })
    expect(await statusWith({ node: '22', duckdb: '1.5.4' })).toBe('cached')
    expect(await why(stage({ duckdb: '1.5.5', node: '22' }))).toEqual([['run', 'duckdb changed: 1.5.4 -> 1.5.5']])
    expect((await executor.explain([stage({ duckdb: '1.5.4' })], {}))[0]?.reasons).toEqual([
      { kind: 'engine', name: 'node', from: '22' },
    ])
    expect(await statusWith({ duckdb: '1.5.5', node: '22' })).toBe('success')
    expect(await statusWith({ duckdb: '1.5.4', node: '22' })).toBe('cached') // back again: still known
  })
})

describe('retries, on a clock of the test', () => {
  /** Time passes only by sleeping; every sleep is noted and over at once, but those of `stuck` milliseconds. */
  function testClock(): { clock: Clock; slept: number[]; pass: (ms: number) => void } {
    let time = 1_700_000_000_000
    const slept: number[] = []
    const alarms = new Map<number, () => void>()
    return {
      slept,
      pass(ms) {
        time += ms
        alarms.get(ms)?.()
      },
      clock: {
        now: () => time,
        monotonic: () => time,
        sleep(ms, signal) {
          slept.push(ms)
          if (ms !== TIMEOUT) {
            time += ms
            return Promise.resolve()
          }
          return new Promise((resolve, reject) => {
            alarms.set(ms, resolve)
            signal?.addEventListener('abort', () => reject(new Error('over')), { once: true })
          })
        },
      },
    }
  }
  const TIMEOUT = 77_777
  const uniform = [0, 0.5, 0.999]
  const retry = new RetryStrategy({ maxRetries: 3, initialDelay: 1000, backoffFactor: 3, maxDelay: 5000 })
  const passing = () => Object.assign(new Error('reset'), { code: 'ECONNRESET' })

  function executorOn(clock: Clock): PipelineExecutor {
    let draws = 0
    return new PipelineExecutor({ ...home, clock, retry, random: { uniform: () => uniform[draws++ % 3] ?? 0 } })
  }
  const failing = (failures: number, error: () => Error, more: Partial<StageKind<Config>> = {}): StageKind<Config> => {
    let attempts = 0
    return {
      ...{ name: 'flaky', version: 1, after: [], ...more },
      async run({ store }) {
        if (++attempts <= failures) throw error()
        return { done: await store.put(`attempt ${attempts}`, 'text/plain') }
      },
    }
  }
  const execute = (on: PipelineExecutor, stage: StageKind<Config>) =>
    on.execute({ name: 'p', stages: [stage], config: {}, seed: 1, runId: 'r' })

  test('three, after delays by the formula, each recorded before it is waited', async () => {
    const { clock, slept } = testClock()
    const state = await execute(executorOn(clock), failing(3, passing))
    // half of min(1000 * 3^n, 5000), and the drawn part of the other half
    const delays = [500, 1500 + 1500 * 0.5, 2500 + 2500 * 0.999]
    expect(slept).toEqual(delays)
    expect(state.stages[0]).toMatchObject({ status: 'success', retries: 3, seconds: (500 + 2250 + 4997.5) / 1000 })
    const events = await eventsOf('r')
    const retries = events.flatMap((event) => (event.type === 'stage-retrying' ? [event] : []))
    expect(retries.map(({ attempt, delay, error }) => [attempt, delay, error.code])).toEqual(
      delays.map((delay, n) => [n + 1, delay, 'MR_STAGE_FAILED']),
    )
    const starts = events.flatMap((event) => (event.type === 'stage-started' ? [event] : []))
    expect(starts.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4])
    retries.forEach(({ time, delay }, n) => expect(starts[n + 1]?.time).toBe(time + delay))
  })

  test('not a fourth', async () => {
    const { clock, slept } = testClock()
    const state = await execute(executorOn(clock), failing(4, passing))
    expect(slept).toHaveLength(3)
    expect(state.stages[0]).toMatchObject({ status: 'failed', retries: 3 })
  })

  test.each([
    ['a bug', () => new TypeError('x is not a function')],
    ['what a person must mend', () => new MillraceError('MR_CONFIG_INVALID', 'top must be positive')],
  ])('none for %s', async (_, error) => {
    const { clock, slept } = testClock()
    const state = await execute(executorOn(clock), failing(1, error))
    expect(slept).toEqual([])
    expect(state.stages[0]).toMatchObject({ status: 'failed', retries: 0 })
  })

  test('one for an attempt that took longer than it may', async () => {
    const { clock, slept, pass } = testClock()
    let attempts = 0
    const state = await execute(executorOn(clock), {
      name: 'slow',
      version: 1,
      after: [],
      timeout: TIMEOUT,
      async run({ store, signal }) {
        if (++attempts > 1) return { done: await store.put('second', 'text/plain') }
        pass(TIMEOUT)
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
      },
    })
    expect(slept).toEqual([TIMEOUT, 500, TIMEOUT])
    expect(state.stages[0]).toMatchObject({ status: 'success', retries: 1, seconds: (TIMEOUT + 500) / 1000 })
    const retrying = (await eventsOf('r')).find((event) => event.type === 'stage-retrying')
    expect(retrying?.error.code).toBe('MR_TIMEOUT')
  })
})

describe('a home that is only looked at', () => {
  const stage: StageKind<Config> = {
    name: 'query',
    version: 1,
    after: [],
    run: async ({ store }) => ({ rows: await store.put('1', 'text/plain') }),
  }
  const explain = async (path: string) => {
    const looked = await readHome(path)
    try {
      const [explained] = await new PipelineExecutor({ ...looked }).explain([stage], {})
      return explained?.action
    } finally {
      await looked.close()
    }
  }

  test('explains where nothing is yet, and makes nothing', async () => {
    expect(await explain(join(folder, 'none', 'yet'))).toBe('run')
    expect(await readdir(folder)).toEqual(['home'])
  })

  test('explains beside a run that holds the lock, and changes nothing', async () => {
    const seen: unknown[] = []
    const state = await run(stage, {
      ...{ name: 'look', version: 1, after: ['query'] },
      async run({ store }) {
        const scratch = await store.scratch()
        const before = await readdir(join(folder, 'home'), { recursive: true })
        seen.push(await explain(join(folder, 'home')))
        expect(await readdir(join(folder, 'home'), { recursive: true })).toEqual(before)
        expect(before.some((name) => scratch.endsWith(name))).toBe(true)
        return {}
      },
    })
    expect(state.status).toBe('success')
    expect(seen).toEqual(['cached'])
  })

  test('takes nothing', async () => {
    const looked = await readHome(join(folder, 'home'))
    for (const use of [
      () => looked.store.put('x', 'text/plain'),
      () => looked.store.putFile(join(folder, 'home', 'journal'), 'text/plain'),
      () => looked.store.scratch(),
    ])
      await expect(use()).rejects.toMatchObject({ code: 'MR_FILE_ACCESS' })
    const start = { type: 'run-started', run: 'r', time: 1, name: 'p', config: {}, seed: 1 } as const
    const event: RunEvent = { ...start, versions: {}, argv: [], force: false, stages: [] }
    await expect(looked.journal.append(event)).rejects.toMatchObject({ code: 'MR_JOURNAL_CLOSED' })
    await looked.close()
  })
})

test('a run that took values from the environment goes on with these values or not at all', async () => {
  let isReady = false
  const stages: readonly StageKind<{ readonly token: string }>[] = [
    {
      name: 'call',
      version: 1,
      after: [],
      async run({ config, store }) {
        if (!isReady) throw new MillraceError('MR_CONFIG_INVALID', 'not ready')
        return { token: await store.put(config.token, 'text/plain') }
      },
    },
  ]
  const at = { file: 'p.yaml', line: 1, column: 1 }
  const secrets = {
    recorded: { token: '${TOKEN}' },
    environment: [{ path: ['token'], isPlain: false, at }],
    hide: (text: string) => text,
  }
  const config = { token: 'hunter2' }
  const { run: name } = await executor.execute({ name: 'p', stages, config, seed: 1, secrets })
  isReady = true
  const before = await eventsOf(name)
  for (const given of [{}, { secrets }, { config }])
    await expect(executor.resume(name, { stages, ...given })).rejects.toMatchObject({ code: 'MR_RUN_INVALID' })
  expect(await eventsOf(name)).toEqual(before)
  const token = (await executor.resume(name, { stages, config, secrets })).stages[0]?.value?.['token']
  expect(token && Buffer.from(await home.store.get(token)).toString()).toBe('hunter2')
})

describe('outputs of the stage before', () => {
  const two = (report: string, reads: 'table' | 'report'): readonly StageKind<Config>[] => [
    {
      name: 'first',
      version: 1,
      after: [],
      fingerprint: () => Promise.resolve(report),
      run: async ({ store }) => ({
        table: await store.put('rows', 'text/plain'),
        report: await store.put(report, 'text/plain'),
      }),
    },
    {
      name: 'second',
      version: 1,
      after: ['first'],
      run: async ({ inputs, store }) => ({
        copy: await store.put((inputs['first']?.[reads] as ArtifactRef).digest, 'x'),
      }),
    },
  ]
  const execute = (report: string, reads: 'table' | 'report') =>
    executor.execute({ name: 'p', stages: two(report, reads), config: {}, seed: 1 })
  const statuses = (state: RunState) => state.stages.map(({ status }) => status).join(' ')

  test('one that a stage does not look at may change without its work being done again', async () => {
    await execute('a', 'table')
    expect(statuses(await execute('b', 'table'))).toBe('success cached')
    const [first, second] = await executor.explain(two('c', 'table'), {})
    expect([first?.action, second?.action]).toEqual(['run', 'perhaps'])
  })

  test('one that it looks at may not', async () => {
    await execute('a', 'report')
    expect(statuses(await execute('b', 'report'))).toBe('success success')
    expect(statuses(await execute('a', 'report'))).toBe('cached cached')
  })
})
