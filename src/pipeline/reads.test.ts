/** Which reads are noted, and that they decide rightly whether a stage would find the same again. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ABSENT, agrees, changedReads, recordReads } from './reads.js'

interface Config {
  readonly train: { readonly rate: number; readonly dims: readonly number[]; readonly extra?: { readonly a?: number } }
  readonly columns: Readonly<Record<string, string>>
  readonly label: string
  readonly positive?: string
}
const config: Config = { train: { rate: 0.1, dims: [8, 4] }, columns: { 'a b': 'x', __proto: 'y' }, label: 'churn' }
const freeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze)
  return value
}
freeze(config)
const readsOf = (use: (config: Config) => unknown) => {
  const recorded = recordReads(config)
  use(recorded.config)
  return recorded.reads()
}

describe('what is noted', () => {
  test.each<[string, (config: Config) => unknown, unknown]>([
    ['nothing', () => 0, []],
    ['a leaf', (c) => c.train.rate, [[['train', 'rate'], '0.1']]],
    ['an object, for being one', (c) => Boolean(c.train), [[['train'], '{']]],
    ['a leaf that is not there', (c) => c.positive, [[['positive'], ABSENT]]],
    [
      'one below an object that is not there',
      (c) => c.train.extra?.a,
      [
        [['train', 'extra'], ABSENT],
        [['train'], '{'],
      ],
    ],
    ['in', (c) => 'positive' in c, [[['positive'], ABSENT]]],
    ['hasOwn', (c) => Object.hasOwn(c, 'label'), [[['label'], '"churn"']]],
    ['keys', (c) => Object.keys(c.columns), [[['columns'], '{"__proto":"y","a b":"x"}']]],
    ['spread', (c) => ({ ...c.columns }), [[['columns'], '{"__proto":"y","a b":"x"}']]],
    ['stringify', (c) => JSON.stringify(c.train), [[['train'], '{"dims":[8,4],"rate":0.1}']]],
    ['iteration', (c) => [...c.train.dims], [[['train', 'dims'], '[8,4]']]],
    ['a method of lists', (c) => c.train.dims.map((x) => x), [[['train', 'dims'], '[8,4]']]],
    ['an element', (c) => c.train.dims[1], [[['train', 'dims', '1'], '4']]],
    ['a length', (c) => c.train.dims.length, [[['train', 'dims', 'length'], '2']]],
    ['everything', (c) => JSON.stringify(c), [[[], expect.stringMatching(/^(\{|sha256:)/)]]],
  ])('%s', (_, use, expected) => {
    expect(readsOf(use)).toEqual(expected)
  })
})

test('reads as the configuration itself does, and cannot be changed', async () => {
  const { config: proxy } = recordReads(config)
  expect(JSON.parse(JSON.stringify(proxy))).toEqual(config)
  expect({ ...proxy.train }).toEqual(config.train)
  expect(Array.isArray(proxy.train.dims)).toBe(true)
  expect(proxy.train.dims.concat([2])).toEqual([8, 4, 2])
  expect(Object.entries(proxy.columns)).toEqual(Object.entries(config.columns))
  expect(proxy.train).toBe(proxy.train)
  expect(await Promise.resolve(proxy)).toBe(proxy)
  const open = proxy as unknown as { label?: string; train: { dims: number[] } }
  expect(() => (open.label = 'x')).toThrow(TypeError)
  expect(() => delete open.label).toThrow(TypeError)
  expect(() => open.train.dims.push(1)).toThrow(TypeError)
  expect(() => open.train.dims.sort()).toThrow(TypeError)
  expect(() => Object.defineProperty(open, 'x', { value: 1 })).toThrow(TypeError)
  expect(config.label).toBe('churn')
})

test('a changed kind is a change, also where only the way through was taken', () => {
  const reads = readsOf((c) => c.train.extra?.a)
  expect(changedReads(reads, { ...config, train: null })).toEqual([{ path: ['train'], from: '{', to: 'null' }])
  expect(changedReads(reads, { ...config, train: { extra: {} } })).toEqual([
    { path: ['train', 'extra'], from: ABSENT, to: '{' },
  ])
})

test('long values are kept as digests', () => {
  const long = recordReads({ text: 'x'.repeat(1000) })
  void long.config.text
  expect(long.reads()[0]?.[1]).toMatch(/^sha256:/)
  expect(agrees(long.reads(), { text: 'x'.repeat(1000) })).toBe(true)
  expect(agrees(long.reads(), { text: 'x'.repeat(999) })).toBe(false)
})

describe('secrets', () => {
  const secret = { store: { token: 'hunter2-hunter2', name: 'lake' }, list: ['a', 'hunter2-hunter2'] }
  const sealing = {
    places: [
      ['store', 'token'],
      ['list', 1],
    ],
    key: Buffer.alloc(32, 1),
  } as const
  const use = (one: typeof secret) => [one.store.token, one.store.name, { ...one.store }, [...one.list]]
  const readsUnder = (places: readonly (readonly (string | number)[])[]) => {
    const recorded = recordReads(secret, { ...sealing, places })
    use(recorded.config)
    return recorded.reads()
  }

  test('are kept as hashes under a key, alone and among others', () => {
    const reads = readsUnder(sealing.places)
    expect(reads.map(([path]) => path)).toEqual([['list'], ['store']])
    for (const [, found] of reads) expect(found).toMatch(/^hmac-sha256:[0-9a-f]{64}$/)
    const leaf = recordReads(secret, sealing)
    void [leaf.config.store.token, leaf.config.store.name]
    expect(leaf.reads()).toEqual([
      [['store', 'name'], '"lake"'],
      [['store', 'token'], expect.stringMatching(/^hmac-sha256:/)],
    ])
  })

  test('that changed are told from those that did not', () => {
    const reads = readsUnder(sealing.places)
    const changed = { ...secret, store: { ...secret.store, token: 'hunter3-hunter3' } }
    expect(agrees(reads, secret, sealing)).toBe(true)
    expect(agrees(reads, changed, sealing)).toBe(false)
    expect(JSON.stringify(changedReads(reads, changed, sealing))).not.toContain('hunter')
    expect(agrees(reads, secret, { ...sealing, key: Buffer.alloc(32, 2) })).toBe(false)
  })

  test('may move from the file to the environment and back', () => {
    const plain = readsUnder([])
    expect(JSON.stringify(plain)).toContain('hunter2-hunter2')
    expect(agrees(plain, secret, sealing)).toBe(true)
    expect(agrees(readsUnder(sealing.places), secret, { ...sealing, places: [] })).toBe(true)
    const changed = { ...secret, store: { ...secret.store, token: 'hunter3-hunter3' } }
    expect(changedReads(plain, changed, sealing).map(({ to }) => to)).toEqual([expect.stringMatching(/^hmac-sha256:/)])
  })
})

test('a checkpoint carries what was read before it', () => {
  const first = recordReads(config)
  void first.config.train.rate
  const second = recordReads(config, undefined, first.reads())
  void second.config.label
  expect(second.reads()).toEqual([
    [['label'], '"churn"'],
    [['train', 'rate'], '0.1'],
  ])
})

test('if all reads agree, a deterministic stage gives the same result', () => {
  // A stage that wanders through the configuration, and what it saw on its way.
  const value = fc.jsonValue({ maxDepth: 3 })
  const way = fc.array(fc.tuple(fc.constantFrom('get', 'in', 'keys', 'json'), fc.nat(5)), { maxLength: 6 })
  const wander = (root: unknown, steps: readonly (readonly [string, number])[]) => {
    const seen: unknown[] = []
    let at = root
    for (const [kind, n] of steps) {
      if (typeof at !== 'object' || at === null) break
      const key = ['a', 'b', '0', '1', 'length', ''][n] ?? ''
      if (kind === 'keys') seen.push(Object.keys(at))
      else if (kind === 'json') seen.push(JSON.stringify(at))
      else if (kind === 'in') seen.push(key in at)
      else {
        at = Object.hasOwn(at, key) ? (at as Record<string, unknown>)[key] : undefined
        seen.push(typeof at === 'object' && at !== null ? Array.isArray(at) : at)
      }
    }
    return JSON.stringify(seen)
  }
  const object = fc.record({ a: value, b: value }, { requiredKeys: [] })
  fc.assert(
    fc.property(object, object, fc.array(way, { maxLength: 4 }), (one, two, ways) => {
      const recorded = recordReads(one)
      const results = ways.map((steps) => wander(recorded.config, steps))
      expect(results).toEqual(ways.map((steps) => wander(one, steps)))
      const reads = recorded.reads()
      expect(agrees(reads, one)).toBe(true)
      expect(changedReads(reads, two).length === 0).toBe(agrees(reads, two))
      if (agrees(reads, two)) expect(ways.map((steps) => wander(two, steps))).toEqual(results)
    }),
    { numRuns: 1000 },
  )
})
