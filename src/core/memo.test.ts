/** The memo: what it keeps, what it takes for nothing, and digests of files that change under it. */
import { mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { sha256File } from './files.js'
import { eachPart, type Memo, openMemo } from './memo.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-memo-'))
})
afterAll(() => rm(folder, { recursive: true }))

const DAY = 24 * 3600 * 1000
let count = 0
const fresh = (): string => join(folder, `memo-${count++}`)

describe('a memo', () => {
  test('gives back what was put, also numbers that JSON lacks, and finds it when opened again', async () => {
    const path = fresh()
    const memo = await openMemo(path, { scope: 1 })
    const value = { a: [1, -0, 0.1, Infinity, -Infinity, NaN, null, 'text', true], '#': 'no number' }
    await memo.put(['k', 1], value.a)
    expect(await memo.get(['k', 1])).toEqual(value.a)
    expect(Object.is(((await memo.get(['k', 1])) as number[])[1], -0)).toBe(true)
    expect(await (await openMemo(path, { scope: 1 })).get(['k', 1])).toEqual(value.a)
    expect(await memo.get(['k', 2])).toBeUndefined()
    expect(await (await openMemo(path, { scope: 2 })).get(['k', 1])).toBeUndefined()
  })

  test('takes torn and altered entries for nothing', async () => {
    const path = fresh()
    const memo = await openMemo(path, { scope: 1 })
    await memo.put('k', { rows: 1234 })
    const entry = join(path, (await readdir(path))[0] ?? '')
    const text = await readFile(entry, 'utf8')
    await writeFile(entry, text.replace('1234', '1235'))
    expect(await memo.get('k')).toBeUndefined()
    await memo.put('k', { rows: 1234 })
    await truncate(entry, text.length - 3)
    expect(await memo.get('k')).toBeUndefined()
    await truncate(entry, 0)
    expect(await memo.get('k')).toBeUndefined()
  })

  test('read-only keeps nothing, and one that forgets finds only its own', async () => {
    const path = fresh()
    const memo = await openMemo(path, { scope: 1 })
    await memo.put('old', 1)
    const looking = await openMemo(path, { scope: 1, readOnly: true })
    await looking.put('new', 2)
    expect([await looking.get('old'), await looking.get('new')]).toEqual([1, undefined])
    const forgetting = await openMemo(path, { scope: 1, forget: true })
    await forgetting.put('new', 2)
    expect([await forgetting.get('old'), await forgetting.get('new')]).toEqual([undefined, 2])
  })

  test('loses what nobody asked for in a month, and what a killed process left half', async () => {
    const path = fresh()
    let now = Date.now()
    const open = () => openMemo(path, { scope: 1, now: () => now })
    const memo = await open()
    await memo.put('asked', 1)
    await memo.put('not asked', 2)
    await writeFile(join(path, 'x.json.0000.tmp'), 'half')
    now += 20 * DAY
    expect(await (await open()).get('asked')).toBe(1)
    expect(await readdir(path)).toHaveLength(2)
    now += 20 * DAY
    const later = await open()
    expect([await later.get('asked'), await later.get('not asked')]).toEqual([1, undefined])
  })

  test('what cannot be written is not kept, and ends nothing', async () => {
    const memo = await openMemo(fresh(), { scope: 1 })
    const tooLong = {
      toJSON() {
        throw new RangeError('Invalid string length')
      },
    }
    await memo.put('k', tooLong)
    expect(await memo.get('k')).toBeUndefined()
    const noFolder = fresh()
    await writeFile(noFolder, 'a file')
    const nowhere = await openMemo(noFolder, { scope: 1 })
    await nowhere.put('k', 1)
    expect(await nowhere.get('k')).toBeUndefined()
  })
})

test('what is noted is told to whose work it is, and nobody else', async () => {
  const memo = await openMemo(fresh(), { scope: 1 })
  const pause = () => new Promise((done) => setImmediate(done))
  const work = async (name: string): Promise<string> => {
    for (let i = 0; i < 3; i++) {
      await pause()
      memo.note(`${name} ${i % 2}`)
    }
    return name
  }
  const fails = async (): Promise<never> => {
    await work('fails')
    throw new Error('failed')
  }
  memo.note('nobody')
  const [a, b, failed] = await Promise.allSettled([
    memo.noted(() => work('a')),
    memo.noted(() => work('b')),
    memo.noted(fails),
  ])
  expect(a).toMatchObject({ value: { value: 'a', notes: ['a 0', 'a 1'] } })
  expect(b).toMatchObject({ value: { value: 'b', notes: ['b 0', 'b 1'] } })
  expect(failed.status).toBe('rejected')
  expect((await memo.noted(() => work('later'))).notes).toEqual(['later 0', 'later 1'])
})

describe('digests of files', () => {
  test('a file is read once for each of its states, and again if it was written just before', async () => {
    const reads = vi.fn(sha256File)
    const memo = await openMemo(fresh(), { scope: 1, read: reads })
    const path = join(folder, 'data.csv')
    const old = Date.now() - 60_000
    await writeFile(path, 'a,b\n1,2\n')
    const { digest } = await memo.digest(path)
    reads.mockClear()
    expect(await memo.digest(path)).toEqual({ digest, size: 8 })
    expect(reads).toHaveBeenCalledTimes(1)

    // its time can be set back, but not the time of that change
    await utimes(path, old / 1000, old / 1000)
    const later = await openMemo(fresh(), { scope: 1, read: reads, now: () => Date.now() + 10_000 })
    reads.mockClear()
    expect((await later.digest(path)).digest).toBe(digest)
    expect((await later.digest(path)).digest).toBe(digest)
    expect(reads).toHaveBeenCalledTimes(1)
    await writeFile(path, 'a,b\n1,3\n')
    await utimes(path, old / 1000, old / 1000)
    expect((await stat(path)).size).toBe(8)
    expect((await later.digest(path)).digest).not.toBe(digest)
    expect(reads).toHaveBeenCalledTimes(2)
  })
})

describe('values of parts', () => {
  const squares = async (path: string, parts: readonly number[], isGood?: (value: number) => Promise<boolean>) => {
    const memo = await openMemo(path, { scope: 1 })
    const asked: number[] = []
    const { values, made } = await eachPart<number>(
      memo,
      'squares',
      parts.map(String),
      async (missing, done) => {
        for (const index of missing) {
          const part = parts[index] ?? 0
          asked.push(part)
          await done(index, part * part, part !== 7)
        }
      },
      isGood,
    )
    return { values, made, asked }
  }

  test('only those that were not there before are made, equal ones once', async () => {
    const path = fresh()
    expect(await squares(path, [3, 1, 3])).toEqual({ values: [9, 1, 9], made: 3, asked: [3, 1] })
    expect(await squares(path, [3, 1, 3])).toEqual({ values: [9, 1, 9], made: 0, asked: [] })
    expect(await squares(path, [1, 2, 3])).toEqual({ values: [1, 4, 9], made: 1, asked: [2] })
  })

  test('a value that is no good any more is made again, one that is not sure is not kept', async () => {
    const path = fresh()
    await squares(path, [2, 3, 7])
    expect((await squares(path, [2, 3, 7])).asked).toEqual([7])
    expect((await squares(path, [2, 3, 7], async (value) => value !== 9)).asked).toEqual([3, 7])
  })

  test('wholes with parts of one kind leave each other what they made, also where one has a few of the parts', async () => {
    const path = fresh()
    const [a, b] = [
      [1, 2, 3],
      [4, 5, 6],
    ]
    await squares(path, a)
    await squares(path, b)
    expect((await squares(path, [2, 8])).asked).toEqual([8])
    expect((await squares(path, a)).asked).toEqual([])
    expect((await squares(path, [...b, 8])).asked).toEqual([])
  })

  test('each part is written once, as it is made, and a few at a time', async () => {
    const memo = await openMemo(fresh(), { scope: 1 })
    let [now, most, before] = [0, 0, 0]
    const written: unknown[] = []
    const watched: Memo = {
      get: (key) => memo.get(key),
      async put(key, value) {
        most = Math.max(most, ++now)
        await memo.put(key, value)
        now--
        written.push(value)
      },
      digest: (file) => memo.digest(file),
      note: (line) => memo.note(line),
      noted: (work) => memo.noted(work),
    }
    const parts = Array.from({ length: 200 }, (_, i) => String(i))
    const made = eachPart<number>(watched, 'parts', parts, async (missing, done) => {
      for (const index of missing) {
        if (index === 150) {
          before = written.length
          throw new Error('killed')
        }
        await done(index, index)
      }
    })
    await expect(made).rejects.toThrow('killed')
    expect(before).toBeGreaterThanOrEqual(150 - 16)
    expect(most).toBeLessThanOrEqual(16)
    // none is still being written when the failure is told
    expect(now).toBe(0)
    expect(written.sort((a, b) => Number(a) - Number(b))).toEqual(parts.slice(0, 150).map(Number))
  })
})
