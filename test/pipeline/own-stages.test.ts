/** The pipeline as a library: a person's own stages, written against the public interfaces, on a real home. */
import { appendFile, mkdtemp, readFile, rm, writeFile, stat, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MillraceError } from '../../src/core/errors.js'
import { sha256File } from '../../src/core/files.js'
import { RetryStrategy } from '../../src/core/retry.js'
import type { RunEvent } from '../../src/pipeline/events.js'
import { PipelineExecutor, type ExecutionEvent } from '../../src/pipeline/executor.js'
import { formatReason } from '../../src/pipeline/explain.js'
import { openHome, type Home } from '../../src/pipeline/home.js'
import { openJournal } from '../../src/pipeline/journal.js'
import type { StageKind } from '../../src/pipeline/stage.js'
import { foldRun, type RunState } from '../../src/pipeline/state.js'

interface WordsConfig {
  readonly source: string
  readonly minimumLength: number
  readonly report: { readonly title: string; readonly top: number }
}

let folder: string
let home: Home
let executor: PipelineExecutor
const count = async (stage: string) => (await readFile(join(folder, `ran-${stage}`), 'utf8').catch(() => '')).length
const collect = async (events: AsyncIterable<RunEvent>) => {
  const all: RunEvent[] = []
  for await (const event of events) all.push(event)
  return all
}
const ran = (stage: string) => appendFile(join(folder, `ran-${stage}`), 'x')

/** read -> (count, longest) -> report */
function stages(): StageKind<WordsConfig>[] {
  const text = async (
    context: { inputs: Parameters<StageKind<WordsConfig>['run']>[0]['inputs']; store: Home['store'] },
    name: string,
    output: string,
  ) => {
    const ref = context.inputs[name]?.[output]
    if (ref === undefined) throw new Error(`no ${name}.${output}`)
    return Buffer.from(await context.store.get(ref)).toString()
  }
  return [
    {
      name: 'read',
      version: 1,
      after: [],
      fingerprint: async (config, signal) => (await sha256File(config.source, signal)).digest,
      async run({ config, store, log }) {
        await ran('read')
        const words = (await readFile(config.source, 'utf8')).split(/\s+/).filter(Boolean)
        log(`${words.length} words`)
        return { words: await store.put(words.join('\n'), 'text/plain') }
      },
    },
    {
      name: 'count',
      version: 1,
      after: ['read'],
      async run(context) {
        await ran('count')
        const words = (await text(context, 'read', 'words')).split('\n')
        const kept = words.filter((word) => word.length >= context.config.minimumLength)
        words.forEach((_, i) => context.progress({ unit: 'words', done: i + 1, total: words.length }))
        return { count: await context.store.put(String(kept.length), 'text/plain') }
      },
    },
    {
      name: 'longest',
      version: 1,
      after: ['read'],
      async run(context) {
        await ran('longest')
        const words = (await text(context, 'read', 'words')).split('\n')
        const longest = words.reduce((a, b) => (b.length > a.length ? b : a), '')
        return { word: await context.store.put(longest, 'text/plain') }
      },
    },
    {
      name: 'report',
      version: 1,
      after: ['count', 'longest'],
      async run(context) {
        await ran('report')
        const [n, word] = [await text(context, 'count', 'count'), await text(context, 'longest', 'word')]
        return { page: await context.store.put(`${context.config.report.title}: ${n}, ${word}`, 'text/plain') }
      },
    },
  ]
}

let config: WordsConfig
const run = (more: Partial<Parameters<typeof executor.execute<WordsConfig>>[0]> = {}) =>
  executor.execute({ name: 'words', stages: stages(), config, seed: 1, ...more })
const statuses = (state: RunState) => Object.fromEntries(state.stages.map((stage) => [stage.name, stage.status]))
const output = async (state: RunState, stage: string, name: string) => {
  const ref = state.stages.find((result) => result.name === stage)?.value?.[name]
  return ref === undefined ? undefined : Buffer.from(await home.store.get(ref)).toString()
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-own-'))
  home = await openHome(join(folder, 'home'))
  executor = new PipelineExecutor({
    journal: home.journal,
    store: home.store,
    retry: new RetryStrategy({ initialDelay: 1 }),
  })
  await writeFile(join(folder, 'text.txt'), 'the miller drives the wheel with water')
  config = { source: join(folder, 'text.txt'), minimumLength: 4, report: { title: 'Words', top: 3 } }
})
afterEach(async () => {
  await home.close()
  await rm(folder, { recursive: true, force: true })
})

describe('caching', () => {
  test('runs each stage once, then not at all', async () => {
    const first = await run()
    expect(first.status).toBe('success')
    expect(await output(first, 'report', 'page')).toBe('Words: 5, miller')
    expect(first.logs.map(({ message }) => message)).toEqual(['7 words'])
    const second = await run()
    expect(statuses(second)).toEqual({ read: 'cached', count: 'cached', longest: 'cached', report: 'cached' })
    expect(second.stages.map(({ from }) => from)).toEqual(Array(4).fill(first.run))
    expect(second.stages.map(({ value }) => value)).toEqual(first.stages.map(({ value }) => value))
    for (const stage of ['read', 'count', 'longest', 'report']) expect(await count(stage)).toBe(1)
  })

  test('redoes what read a changed value, and what gets another input, only', async () => {
    await run()
    config = { ...config, report: { title: 'Words', top: 99 } } // read by nobody
    expect(Object.values(statuses(await run()))).toEqual(['cached', 'cached', 'cached', 'cached'])
    config = { ...config, report: { ...config.report, title: 'Other' } }
    expect(statuses(await run())).toEqual({ read: 'cached', count: 'cached', longest: 'cached', report: 'success' })
    config = { ...config, minimumLength: 5 }
    const changed = await run()
    expect(statuses(changed)).toEqual({ read: 'cached', count: 'success', longest: 'cached', report: 'success' })
    expect(await output(changed, 'report', 'page')).toBe('Other: 4, miller')
    // Other words, but as many and with the same longest: what follows from equal results is not done again.
    await writeFile(config.source, 'water wheel miller drives')
    expect(statuses(await run())).toEqual({ read: 'success', count: 'success', longest: 'success', report: 'cached' })
    // Back to the first configuration: everything is still known.
    await writeFile(config.source, 'the miller drives the wheel with water')
    config = { source: config.source, minimumLength: 4, report: { title: 'Words', top: 3 } }
    expect(Object.values(statuses(await run()))).toEqual(['cached', 'cached', 'cached', 'cached'])
  })

  test('explain says so before', async () => {
    const said = async (changed = stages()) =>
      (await executor.explain(changed, config)).map(({ stage, action, reasons }) => [
        stage,
        action,
        ...reasons.map(formatReason),
      ])
    expect((await said())[0]).toEqual(['read', 'run', 'it has never succeeded here'])
    const first = await run()
    expect((await executor.explain(stages(), config)).map(({ from }) => from)).toEqual(Array(4).fill(first.run))
    config = { ...config, minimumLength: 5, report: { title: 'Other', top: 3 } }
    expect(await said()).toEqual([
      ['read', 'cached'],
      ['count', 'run', 'minimumLength changed: 4 -> 5'],
      ['longest', 'cached'],
      [
        'report',
        'run',
        'it depends on count, which may give other outputs',
        'report.title changed: "Words" -> "Other"',
      ],
    ])
    expect(await said(stages().map((stage) => ({ ...stage, version: 2 })))).toContainEqual([
      'longest',
      'run',
      'it depends on read, which may give other outputs',
      'the stage itself changed: version 1 -> 2',
    ])
    await run()
    await writeFile(config.source, 'another text')
    expect((await said())[0]).toEqual(['read', 'run', 'the content of its source changed'])
    await writeFile(config.source, 'the miller drives the wheel with water')
    const word = first.stages.find(({ name }) => name === 'longest')?.value?.['word']
    if (word === undefined) throw new Error('no output')
    await rm(await home.store.path(word), { force: true })
    expect((await said())[2]).toEqual(['longest', 'run', 'its outputs are no longer in the store: word'])
    expect(statuses(await run())).toMatchObject({ longest: 'success', report: 'cached' })
  })

  test('says which input changed, when the stage before it was run alone', async () => {
    await run()
    await writeFile(config.source, 'water')
    await executor.execute({ name: 'words', stages: stages().slice(0, 1), config, seed: 1 })
    const explained = await executor.explain(stages(), config)
    expect(explained[1]?.reasons[0]).toMatchObject({ kind: 'input', stage: 'read', output: 'words' })
  })

  test('force does again', async () => {
    await run()
    expect(Object.values(statuses(await run({ force: true })))).toEqual(Array(4).fill('success'))
    expect(statuses(await run({ force: ['count'] }))).toMatchObject({
      count: 'success',
      read: 'cached',
      report: 'cached',
    })
    await expect(run({ force: ['coumt'] })).rejects.toMatchObject({ hint: 'did you mean "count"?' })
  })

  /** Replaces the bytes of the first stage's output by others of the same length. */
  async function damaged(): Promise<string> {
    const words = (await run()).stages[0]?.value?.['words']
    if (words === undefined) throw new Error('no output')
    const path = await home.store.path(words)
    await home.close()
    const { atime, mtime } = await stat(path)
    await rm(path)
    await writeFile(path, 'x'.repeat(words.size))
    await utimes(path, atime, mtime)
    home = await openHome(join(folder, 'home'))
    executor = new PipelineExecutor({ journal: home.journal, store: home.store })
    config = { ...config, minimumLength: 6 }
    return path
  }

  test('an output that was written to is made again', async () => {
    await utimes(await damaged(), new Date(), new Date())
    expect(statuses(await run())).toMatchObject({ read: 'success', count: 'success' })
  })

  test('an output that changed without a trace is noticed where it is read, and made again by the next run', async () => {
    await damaged()
    const failed = await run()
    expect(failed.stages.find(({ name }) => name === 'count')?.error?.code).toBe('MR_ARTIFACT_CORRUPT')
    expect(statuses(await executor.resume(failed.run, { stages: stages() }))).toMatchObject({
      read: 'success',
      count: 'success',
    })
  })

  test('stillThere false runs a stage with effects again', async () => {
    const effect = join(folder, 'published')
    const publish: StageKind<WordsConfig> = {
      name: 'publish',
      version: 1,
      after: [],
      stillThere: async () => (await readFile(effect, 'utf8').catch(() => '')) === 'there',
      async run() {
        await writeFile(effect, 'there')
        return {}
      },
    }
    await run({ stages: [publish] })
    expect(statuses(await run({ stages: [publish] }))).toEqual({ publish: 'cached' })
    await rm(effect)
    expect((await executor.explain([publish], config))[0]?.reasons).toEqual([{ kind: 'effects-gone' }])
    expect(statuses(await run({ stages: [publish] }))).toEqual({ publish: 'success' })
  })
})

describe('failures', () => {
  const failing = (stage: string, make: (attempt: number) => unknown): StageKind<WordsConfig>[] => {
    let attempts = 0
    return stages().map((kind) =>
      kind.name !== stage
        ? kind
        : {
            ...kind,
            async run(context) {
              const thrown = make(++attempts)
              // A stage of somebody else may throw anything.
              if (thrown !== undefined) throw thrown as Error
              return kind.run(context)
            },
          },
    )
  }
  const reset = () => Object.assign(new Error('read'), { code: 'ECONNRESET' })

  test('what can pass is tried again, with the count in the result', async () => {
    const state = await run({ stages: failing('count', (attempt) => (attempt < 3 ? reset() : undefined)) })
    expect(state.status).toBe('success')
    expect(state.stages.find(({ name }) => name === 'count')).toMatchObject({ status: 'success', retries: 2 })
  })

  test('an end to trying; the other branch finishes, what depends on it is skipped; resume goes on', async () => {
    let broken = true
    let attempts = 0
    const kinds = failing('count', () => {
      attempts++
      return broken ? reset() : undefined
    })
    const state = await run({ stages: kinds })
    expect(attempts).toBe(4)
    expect(state).toMatchObject({ status: 'failed', hint: `mend the cause, then: millrace resume ${state.run}` })
    expect(statuses(state)).toEqual({ read: 'success', count: 'failed', longest: 'success', report: 'skipped' })
    expect(state.stages[3]?.because).toBe('count')
    broken = false
    const resumed = await executor.resume(state.run, { stages: kinds })
    expect(Object.values(statuses(resumed))).toEqual(Array(4).fill('success'))
    expect(await count('longest')).toBe(1)
    expect((await home.journal.runs()).length).toBe(1)
  })

  test.each([
    [
      'a configuration error',
      () => new MillraceError('MR_CONFIG_INVALID', 'top must be positive', { hint: 'mend it' }),
      { code: 'MR_CONFIG_INVALID', message: 'top must be positive', hint: 'mend it' },
    ],
    [
      'an error',
      () => new TypeError('x is not a function'),
      { code: 'MR_STAGE_FAILED', message: 'TypeError: x is not a function' },
    ],
    ['text', () => 'nope', { code: 'MR_STAGE_FAILED', message: 'threw nope' }],
    ['null', () => null, { code: 'MR_STAGE_FAILED', message: 'threw null' }],
    [
      'an object without a prototype',
      () => Object.create(null) as unknown,
      { code: 'MR_STAGE_FAILED', message: 'threw {}' },
    ],
    [
      'an object that cannot be shown',
      () => ({
        toJSON() {
          throw new Error('no')
        },
      }),
      { code: 'MR_STAGE_FAILED', message: 'threw a value of type object' },
    ],
  ])('%s is not tried again, and does not take the program down', async (_, thrown, error) => {
    const state = await run({ stages: failing('longest', thrown) })
    expect(state.stages.find(({ name }) => name === 'longest')).toMatchObject({ status: 'failed', retries: 0, error })
  })

  test.each([
    [{ page: 'text' }],
    [undefined],
    [[1]],
    [{ page: { digest: `sha256:${'0'.repeat(64)}`, mediaType: 'x', size: 0 } }],
  ])('returning %o is refused', async (outputs) => {
    const kind = { name: 'wrong', version: 1, after: [], run: async () => outputs } as unknown as StageKind<WordsConfig>
    expect((await run({ stages: [kind] })).stages[0]?.error?.code).toBe('MR_STAGE_OUTPUT')
  })

  test('a stage that changes the configuration fails', async () => {
    const kind: StageKind<WordsConfig> = {
      name: 'meddler',
      version: 1,
      after: [],
      async run({ config: given }) {
        ;(given as { minimumLength: number }).minimumLength = 1
        return {}
      },
    }
    expect((await run({ stages: [kind] })).stages[0]?.error?.message).toContain('TypeError')
  })

  test('a stage that takes too long is abandoned and can record nothing afterwards', async () => {
    const late: unknown[] = []
    let attempts = 0
    const kind: StageKind<WordsConfig> = {
      name: 'slow',
      version: 1,
      after: [],
      timeout: 40,
      async run({ store, signal, log, checkpoint, attach }) {
        if (++attempts > 1) return { done: await store.put('second', 'text/plain') }
        await new Promise((resolve) => setTimeout(resolve, 120)) // deaf to its signal
        log('too late')
        late.push(signal.aborted)
        for (const record of [checkpoint, (ref: Parameters<typeof checkpoint>[0]) => attach('x', ref)]) {
          late.push(
            await record(await store.put('late', 'text/plain')).catch(
              (error: unknown) => (error as MillraceError).code,
            ),
          )
        }
        return { done: await store.put('first', 'text/plain') }
      },
    }
    const state = await run({ stages: [kind] })
    expect(state.stages[0]).toMatchObject({ status: 'success', retries: 1 })
    expect(await output(state, 'slow', 'done')).toBe('second')
    await expect.poll(() => late).toEqual([true, 'MR_CANCELLED', 'MR_CANCELLED'])
    const events = await collect(home.journal.replay(state.run))
    expect(events.map(({ type }) => type)).toEqual([
      'run-started',
      'stage-started',
      'stage-retrying',
      'stage-started',
      'stage-succeeded',
      'run-finished',
    ])
  })

  test('attachments are seen even if the stage fails', async () => {
    const kind: StageKind<WordsConfig> = {
      name: 'validate',
      version: 1,
      after: [],
      async run({ store, attach }) {
        await attach('report', await store.put('3 rows broke a rule', 'text/plain'))
        throw new MillraceError('MR_CONFIG_INVALID', 'too few rows')
      },
    }
    const state = await run({ stages: [kind] })
    expect(state.stages[0]).toMatchObject({ status: 'failed', attachments: { report: { size: 19 } } })
  })
})

describe('cancelling and going on', () => {
  /** Counts to 5, a checkpoint each, as a trainer does epochs. */
  const counting = (at: (n: number) => Promise<void>): StageKind<WordsConfig> => ({
    name: 'train',
    version: 1,
    after: [],
    async run({ config: { minimumLength }, store, signal, checkpoint, resumed }) {
      let n = resumed === undefined ? 0 : Number(Buffer.from(await store.get(resumed)).toString())
      while (n < 5) {
        n++
        await ran('epoch')
        await checkpoint(await store.put(String(n), 'text/plain'))
        await at(n)
        if (signal.aborted) throw signal.reason as Error
      }
      return { n: await store.put(`${n} of ${minimumLength}`, 'text/plain') }
    },
  })

  test('cancelled: what has ended counts, the rest waits for resume, which gets the last checkpoint', async () => {
    const controller = new AbortController()
    const kinds = (at: (n: number) => Promise<void>) => [
      ...stages().slice(0, 1),
      { ...counting(at), after: ['read'] },
      ...stages().slice(1),
      { name: 'last', version: 1, after: ['train'], run: async () => ({}) },
    ]
    const state = await run({
      stages: kinds(async (n) => void (n === 3 && controller.abort())),
      signal: controller.signal,
    })
    expect(state).toMatchObject({ status: 'cancelled', hint: `millrace resume ${state.run}` })
    expect(statuses(state)).toMatchObject({ read: 'success', train: 'pending', last: 'pending' })
    expect(await count('epoch')).toBe(3)
    // Another value read: the checkpoint is not for it.
    const other = await run({ stages: kinds(async () => undefined), config: { ...config, minimumLength: 7 } })
    expect(other.status).toBe('success')
    expect(await count('epoch')).toBe(8)
    const resumed = await executor.resume(state.run, { stages: kinds(async () => undefined) })
    expect(resumed.status).toBe('success')
    expect(await output(resumed, 'train', 'n')).toBe('5 of 4')
    expect(await count('epoch')).toBe(10)
    expect(await count('read')).toBe(1)
  })

  test('a damaged checkpoint: the one before it', async () => {
    const failed = await run({
      stages: [
        counting(async (n) => {
          if (n === 3) throw new Error('broke')
        }),
      ],
    })
    const last = failed.stages[0]?.checkpoint
    if (last === undefined) throw new Error('no checkpoint')
    const path = await home.store.path(last)
    await home.close()
    await rm(path)
    await writeFile(path, '9')
    home = await openHome(join(folder, 'home'))
    executor = new PipelineExecutor({ journal: home.journal, store: home.store })
    const resumed = await executor.resume(failed.run, { stages: [counting(async () => undefined)] })
    expect(await output(resumed, 'train', 'n')).toBe('5 of 4')
    expect(await count('epoch')).toBe(6) // 1 2 3, then from 2: 3 4 5
  })

  test('cancelled before it starts', async () => {
    const state = await run({ signal: AbortSignal.abort() })
    expect(state.status).toBe('cancelled')
    expect(await count('read')).toBe(0)
  })
})

test('branches run side by side, within the limit', async () => {
  let running = 0
  let most = 0
  const kinds = Array.from({ length: 6 }, (_, i): StageKind<WordsConfig> => ({
    name: `branch${i}`,
    version: 1,
    after: [],
    async run() {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 20))
      running--
      return {}
    },
  }))
  const three = new PipelineExecutor({ journal: home.journal, store: home.store, concurrency: 3 })
  expect((await three.execute({ name: 'fan', stages: kinds, config, seed: 1 })).status).toBe('success')
  expect(most).toBe(3)
})

test('events come in order, with progress, and a listener that throws changes nothing', async () => {
  const events: ExecutionEvent[] = []
  const state = await run({
    onEvent(event) {
      events.push(event)
      if (event.type === 'stage-started') throw new Error('a listener broke')
    },
  })
  expect(state.status).toBe('success')
  const durable = events.filter((event) => event.type !== 'stage-progress')
  expect(await collect(home.journal.replay(state.run))).toEqual(durable)
  expect(await foldRun(durable)).toEqual(state)
  expect(events.findLast((event) => event.type === 'stage-progress')).toMatchObject({
    stage: 'count',
    unit: 'words',
    done: 7,
    total: 7,
  })
})

test('others can look while a run is at work, without the lock', async () => {
  let seen: string[] = []
  const kinds = stages().map((kind): StageKind<WordsConfig> =>
    kind.name !== 'report'
      ? kind
      : {
          ...kind,
          async run(context) {
            const reader = await openJournal(join(folder, 'home'))
            const runs = await reader.runs()
            const state = await foldRun(reader.replay(runs[0]?.run ?? ''))
            seen = state?.stages.map(({ status }) => status) ?? []
            await reader.close()
            return kind.run(context)
          },
        },
  )
  await run({ stages: kinds })
  expect(seen.slice(0, 3)).toEqual(['success', 'success', 'success'])
  await expect(openHome(join(folder, 'home'))).rejects.toMatchObject({ code: 'MR_HOME_LOCKED' })
})

test('run names', async () => {
  expect((await run({ runId: 'my.run-1' })).run).toBe('my.run-1')
  await expect(run({ runId: 'my.run-1' })).rejects.toMatchObject({
    code: 'MR_RUN_INVALID',
    hint: 'millrace resume my.run-1',
  })
  for (const runId of ['', '../x', 'a b', '.hidden', 'x'.repeat(101)]) {
    await expect(run({ runId })).rejects.toMatchObject({ code: 'MR_RUN_INVALID' })
  }
  await expect(executor.resume('my.run-2', { stages: stages() })).rejects.toMatchObject({
    code: 'MR_RUN_UNKNOWN',
    hint: 'did you mean my.run-1?',
  })
  expect((await run()).run).toMatch(/^\d{8}-\d{6}-[0-9a-f]{6}$/)
})
