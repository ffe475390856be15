/** The journal's file against the conformance suite, and torn, damaged, foreign and refused in every way. */
import { appendFile, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { collect, journalConformance, log, started, succeeded } from '../../test/conformance/journal.js'
import { encodeLine } from './journal-format.js'
import { openJournal } from './journal.js'

journalConformance('file', openJournal)

let home: string
let path: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'millrace-journal-'))
  path = join(home, 'journal')
})
afterEach(() => rm(home, { recursive: true, force: true }))

/** A journal of a start and then batches of log lines, each synced before the next. */
async function write(...batches: string[][]): Promise<Buffer> {
  const journal = await openJournal(home, { write: true })
  await journal.append(started('r'))
  for (const batch of batches) await Promise.all(batch.map((message) => journal.append(log('r', message))))
  await journal.close()
  return readFile(path)
}

async function messages(write = true): Promise<{ messages: string[]; notes: readonly string[] }> {
  const journal = await openJournal(home, { write })
  try {
    const events = (await journal.runs()).length === 0 ? [] : await collect(journal.replay('r'))
    return {
      messages: events.flatMap((event) => (event.type === 'stage-log' ? [event.message] : [])),
      notes: journal.notes,
    }
  } finally {
    await journal.close()
  }
}

test('the format: a version line, then a checksum and JSON a line', async () => {
  const lines = (await write(['one'])).toString().split('\n')
  expect(lines[0]).toMatch(/^[0-9a-f]{8} \{"journal":"millrace","version":1\}$/)
  expect(lines[2]).toMatch(/^[0-9a-f]{8} \{"at":\d+,"type":"stage-log","run":"r".*"message":"one"\}$/)
  expect(lines[3]).toBe('')
})

describe('a torn end', () => {
  test('cut at any byte: what was acknowledged before stays, the rest is cut and said', async () => {
    const whole = await write(['one'], ['two', 'three'])
    const starts = [...whole.toString('latin1').matchAll(/\n/g)].map(({ index }) => index + 1)
    for (let size = 0; size <= whole.length; size++) {
      await writeFile(path, whole.subarray(0, size))
      const complete = starts.filter((end) => end <= size).length - 2
      const found = await messages()
      expect(found.messages).toEqual(['one', 'two', 'three'].slice(0, Math.max(0, complete)))
      expect(found.notes.length).toBe(size === 0 || starts.includes(size) ? 0 : 1)
      expect((await messages()).notes).toEqual([]) // mended
    }
  })

  test.each([
    ['zeros', Buffer.alloc(5000)],
    ['half a line', Buffer.from('0badc0de {"at":1,"type":"sta')],
    ['a line with a wrong checksum', Buffer.from('00000000 {"type":"stage-log"}\n')],
    ['a checksum right, JSON wrong', encodeLine('{"type":')],
    ['noise with newlines', Buffer.from('\n\n \nabc\n')],
  ])('%s after the last line', async (_, tail) => {
    await write(['one'])
    await appendFile(path, tail)
    expect((await messages(false)).messages).toEqual(['one']) // a reader waits for the rest of it
    const found = await messages()
    expect(found.messages).toEqual(['one'])
    expect(found.notes[0]).toContain(`${tail.length} bytes`)
    const journal = await openJournal(home, { write: true })
    await journal.append(log('r', 'two'))
    await journal.close()
    expect((await messages()).messages).toEqual(['one', 'two'])
  })

  test('power lost within a batch: what did not reach the disk is said, and takes only itself away', async () => {
    const whole = await write(['one'], ['two', 'three', 'four'])
    const at = whole.indexOf('two')
    whole.fill(0, at - 60, at + 10)
    await writeFile(path, whole)
    for (const write of [false, true])
      expect(await messages(write)).toMatchObject({
        messages: ['one', 'four'],
        notes: [expect.stringMatching(/line 4 \(byte \d+\) is damaged and was left out/)],
      })
    expect(await messages()).toEqual({ messages: ['one', 'four'], notes: [] }) // mended
  })
})

describe('damage in the middle', () => {
  test('any flipped bit in a line that had been safe is found, with line, byte and next step', async () => {
    const whole = await write(['one'], ['two'])
    const from = whole.indexOf(10, whole.indexOf(10) + 1) + 1
    const to = whole.indexOf(10, from)
    for (let byte = from; byte <= to; byte += 3) {
      const damaged = Buffer.from(whole)
      damaged.writeUInt8(damaged.readUInt8(byte) ^ 4, byte)
      await writeFile(path, damaged)
      for (const write of [true, false]) {
        await expect(openJournal(home, { write })).rejects.toMatchObject({
          code: 'MR_JOURNAL_CORRUPT',
          message: expect.stringMatching(new RegExp(`journal: line 3 \\(byte ${from}\\)`)) as string,
          hint: expect.stringContaining(`truncate -s ${from} `) as string,
        })
      }
      expect(await readFile(path)).toEqual(damaged) // not touched
    }
  })
})

test.each([
  ['a later format', encodeLine('{"journal":"millrace","version":2}'), 'version 2'],
  ['something else', encodeLine('{"a":1}'), 'something else'],
])('%s is refused', async (_, bytes, words) => {
  await writeFile(path, bytes)
  await expect(openJournal(home, { write: true })).rejects.toThrow(words)
  await expect(openJournal(home)).rejects.toMatchObject({ code: 'MR_JOURNAL_VERSION' })
})

test.each([
  ['text', Buffer.from('Dear diary,\ntoday I bought a mill.\n')],
  ['text without an end', Buffer.from('notes')],
  ['bytes', Buffer.alloc(100)],
  ["another program's journal", Buffer.from('00000000 {"type":"x"}\n')],
])('a foreign file called journal is refused and stays as it is: %s', async (_, bytes) => {
  await writeFile(path, bytes)
  for (const write of [true, false])
    await expect(openJournal(home, { write })).rejects.toMatchObject({
      code: 'MR_JOURNAL_VERSION',
      message: expect.stringContaining(path) as string,
      hint: expect.stringContaining('--home') as string,
    })
  expect(await readFile(path)).toEqual(bytes)
})

test('a damaged first line is damage, not a foreign file', async () => {
  const whole = await write(['one'])
  whole.writeUInt8(whole.readUInt8(3) ^ 1, 3)
  await writeFile(path, whole)
  await expect(openJournal(home, { write: true })).rejects.toMatchObject({ code: 'MR_JOURNAL_CORRUPT' })
  expect(await readFile(path)).toEqual(whole)
})

test('a home that is not there, or not a folder', async () => {
  const none = await openJournal(join(home, 'none'), { orEmpty: true })
  expect(await none.runs()).toEqual([])
  await expect(collect(none.replay('r'))).rejects.toMatchObject({ code: 'MR_RUN_UNKNOWN' })
  await none.close()
  await expect(openJournal(join(home, 'none'))).rejects.toMatchObject({ code: 'MR_FILE_MISSING' })
  await writeFile(join(home, 'file'), '')
  await expect(openJournal(join(home, 'file'), { write: true })).rejects.toThrow()
})

test('what need not be durable is seen by readers, and may be lost until what follows is durable', async () => {
  const journal = await openJournal(home, { write: true })
  await journal.append(started('r'))
  const durable = (await readFile(path)).length
  await journal.append(log('r', 'one'), false)
  expect((await messages(false)).messages).toEqual(['one'])
  await journal.append(log('r', 'two'))
  await journal.close()
  const whole = await readFile(path)
  // power lost at the sync of `two`: its block reached the disk, that of `one` did not
  whole.fill(0, durable, whole.indexOf('one'))
  await writeFile(path, whole)
  expect(await messages()).toMatchObject({ messages: ['two'], notes: [expect.stringContaining('line 3')] })
})

test('a success that was acknowledged outlives damage of a line just before it that was not durable', async () => {
  const journal = await openJournal(home, { write: true })
  await journal.append(started('r'))
  const from = (await readFile(path)).length
  await journal.append(log('r', 'not durable'), false)
  const to = (await readFile(path)).length
  await journal.append(succeeded('r', 'base'))
  await journal.close()
  const whole = await readFile(path)
  const found = async (write: boolean): Promise<readonly [successes: number, notes: readonly string[]]> => {
    const opened = await openJournal(home, { write })
    const [successes, events] = [await opened.successes('s', 'base'), await collect(opened.replay('r'))]
    await opened.close()
    expect(events.map(({ type }) => type)).toContain('stage-succeeded')
    return [successes.length, opened.notes]
  }
  for (let byte = from; byte < to; byte += 5) {
    const damaged = Buffer.from(whole)
    damaged.writeUInt8(damaged.readUInt8(byte) ^ 4, byte)
    await writeFile(path, damaged)
    const said = [expect.stringContaining(`journal: line 3 (byte ${from}) is damaged`)]
    expect(await found(false)).toEqual([1, said])
    expect(await readFile(path)).toEqual(damaged) // who reads changes nothing
    expect(await found(true)).toEqual([1, said])
    // and what is written after it does not make it damage of something that had been safe
    const next = await openJournal(home, { write: true })
    await next.append(log('r', 'later'))
    await next.close()
    expect(await found(false)).toEqual([1, []])
    const mended = await readFile(path)
    expect(mended.subarray(0, from)).toEqual(whole.subarray(0, from))
    expect(mended.subarray(to, whole.length)).toEqual(whole.subarray(to))
  }
})

test('one sync serves all that wait for it', async () => {
  const journal = await openJournal(home, { write: true })
  await Promise.all([
    journal.append(started('r')),
    ...Array.from({ length: 64 }, (_, i) => journal.append(log('r', String(i)))),
  ])
  await journal.close()
  const batches = new Set((await readFile(path, 'utf8')).match(/"at":\d+/g))
  expect(batches.size).toBeLessThanOrEqual(2)
})

test('a file cut behind its back is noticed by a reader', async () => {
  await write(['one'])
  const reader = await openJournal(home)
  const file = await open(path, 'r+')
  await file.truncate(10)
  await file.close()
  await expect(reader.runs()).rejects.toMatchObject({ code: 'MR_JOURNAL_CORRUPT' })
  await reader.close()
})
