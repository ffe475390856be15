/** What every run journal must do. An implementation's test calls `journalConformance`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ArtifactRef } from '../../src/core/artifacts.js'
import type { RunEvent, RunStarted, StageCheckpoint, StageSucceeded } from '../../src/pipeline/events.js'
import type { RunJournal } from '../../src/pipeline/journal.js'

export type OpenJournal = (home: string, options: { readonly write?: boolean }) => Promise<RunJournal>

export const started = (run: string, more: Partial<RunStarted> = {}): RunStarted => ({
  ...{
    type: 'run-started',
    run,
    time: 1,
    name: 'p',
    config: { a: [1, null, 'ü "\n\u2028'] },
    seed: 7,
    versions: {},
    argv: [],
  },
  ...{ force: false, stages: [{ name: 's', version: 1, after: [] }] },
  ...more,
})
export const log = (run: string, message: string): RunEvent => ({
  type: 'stage-log',
  run,
  time: 2,
  stage: 's',
  level: 'info',
  message,
})
const ref: ArtifactRef = { digest: `sha256:${'0'.repeat(64)}`, mediaType: 'x', size: 1 }
export const succeeded = (run: string, base: string, time = 3): StageSucceeded => ({
  ...{ type: 'stage-succeeded', run, time, stage: 's', version: 1, base, key: 'k', inputs: {}, fingerprint: null },
  ...{ reads: [[['a', '0'], '1']], outputs: { x: ref }, seconds: 1, attempts: 1 },
})
const checkpoint = (run: string, base: string, time: number): StageCheckpoint => ({
  ...{ type: 'stage-checkpoint', run, time, stage: 's', base, inputs: {}, reads: [], state: ref },
})

export async function collect(events: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const all: RunEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

export function journalConformance(name: string, open: OpenJournal): void {
  describe(`journal: ${name}`, () => {
    let home: string
    let journal: RunJournal
    beforeEach(async () => {
      home = await mkdtemp(join(tmpdir(), 'millrace-journal-'))
      journal = await open(home, { write: true })
    })
    afterEach(async () => {
      await journal.close()
      await rm(home, { recursive: true, force: true })
    })

    test('gives back what was appended, in order, also when reopened', async () => {
      const events = [started('r1'), log('r1', '😀 "quoted" \\ \r\n {}'), succeeded('r1', 'b')]
      for (const event of events) await journal.append(event)
      expect(await collect(journal.replay('r1'))).toEqual(events)
      await journal.close()
      journal = await open(home, { write: true })
      expect(journal.notes).toEqual([])
      expect(await collect(journal.replay('r1'))).toEqual(events)
    })

    test('keeps the order of calls among many at once, and runs apart', async () => {
      await Promise.all([journal.append(started('a')), journal.append(started('b'))])
      const messages = Array.from({ length: 500 }, (_, i) => String(i))
      await Promise.all(messages.map((message, i) => journal.append(log(i % 2 ? 'a' : 'b', message))))
      const said = async (run: string) =>
        (await collect(journal.replay(run))).flatMap((event) => (event.type === 'stage-log' ? [event.message] : []))
      expect(await said('a')).toEqual(messages.filter((_, i) => i % 2 === 1))
      expect(await said('b')).toEqual(messages.filter((_, i) => i % 2 === 0))
    })

    test('takes events larger than any buffer', async () => {
      const big = log('r', 'x'.repeat(9 * 2 ** 20))
      await journal.append(started('r'))
      await journal.append(big)
      await journal.append(log('r', 'after'))
      await journal.close()
      journal = await open(home, { write: true })
      expect((await collect(journal.replay('r')))[1]).toEqual(big)
      expect((await collect(journal.replay('r'))).length).toBe(3)
    })

    test('lists runs with their status', async () => {
      await journal.append(started('r1'))
      await journal.append(started('r2', { name: 'q', time: 5 }))
      await journal.append({ type: 'run-finished', run: 'r1', time: 9, status: 'failed', seconds: 1 })
      expect(await journal.runs()).toEqual([
        { run: 'r1', name: 'p', status: 'failed', startedAt: 1, finishedAt: 9 },
        { run: 'r2', name: 'q', status: 'running', startedAt: 5 },
      ])
      await journal.append({ type: 'run-resumed', run: 'r1', time: 10, versions: {}, stages: [] })
      expect((await journal.runs())[0]).toEqual({ run: 'r1', name: 'p', status: 'running', startedAt: 1 })
    })

    test('names the runs there are when one is unknown', async () => {
      await expect(collect(journal.replay('r1'))).rejects.toMatchObject({ code: 'MR_RUN_UNKNOWN' })
      await journal.append(started('run-1'))
      await expect(collect(journal.replay('run-2'))).rejects.toThrow('run-1')
      await expect(collect(journal.replay('__proto__'))).rejects.toMatchObject({ code: 'MR_RUN_UNKNOWN' })
    })

    test('finds successes by stage and base, oldest first', async () => {
      await journal.append(started('r'))
      const all = [succeeded('r', 'b1', 1), succeeded('r', 'b2', 2), succeeded('r', 'b1', 3)]
      for (const event of all) await journal.append(event)
      expect(await journal.successes('s')).toEqual(all)
      expect(await journal.successes('s', 'b1')).toEqual([all[0], all[2]])
      expect(await journal.successes('other')).toEqual([])
      expect(await journal.successes('s', 'b3')).toEqual([])
    })

    test('finds checkpoints until their run succeeds, the last ones of a run', async () => {
      await journal.append(started('r'))
      for (let time = 0; time < 9; time++) await journal.append(checkpoint('r', 'b', time))
      await journal.append(checkpoint('q', 'b', 9))
      const found = await journal.checkpoints('b')
      expect(found.at(-1)?.run).toBe('q')
      expect(found.at(-2)?.time).toBe(8)
      expect(found.length).toBeLessThan(6)
      await journal.append(succeeded('r', 'b'))
      expect((await journal.checkpoints('b')).map(({ run }) => run)).toEqual(['q'])
      expect(await journal.checkpoints('other')).toEqual([])
    })

    test('a reader sees what is written meanwhile, and cannot write', async () => {
      const reader = await open(home, {})
      expect(await reader.runs()).toEqual([])
      await journal.append(started('r'))
      expect((await reader.runs()).length).toBe(1)
      await journal.append(succeeded('r', 'b'))
      expect((await reader.successes('s')).length).toBe(1)
      expect((await collect(reader.replay('r'))).length).toBe(2)
      await expect(reader.append(started('q'))).rejects.toMatchObject({ code: 'MR_JOURNAL_CLOSED' })
      await reader.close()
    })

    test('closing waits for what was appended, and takes no more', async () => {
      const appended = Promise.all(
        Array.from({ length: 50 }, (_, i) => journal.append(i ? log('r', String(i)) : started('r'))),
      )
      await journal.close()
      await appended
      await expect(journal.append(log('r', 'late'))).rejects.toMatchObject({ code: 'MR_JOURNAL_CLOSED' })
      journal = await open(home, { write: true })
      expect((await collect(journal.replay('r'))).length).toBe(50)
    })

    test('an event that JSON cannot hold is refused and harms nothing', async () => {
      await journal.append(started('r'))
      const cyclic: Record<string, unknown> = {}
      cyclic['self'] = cyclic
      await expect(journal.append(started('q', { config: cyclic }))).rejects.toThrow()
      await journal.append(log('r', 'after'))
      expect((await collect(journal.replay('r'))).length).toBe(2)
    })
  })
}
