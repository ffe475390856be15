/** Graphs: order, and every fault with its name. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MillraceError } from '../core/errors.js'
import { checkGraph, Frontier } from './graph.js'

const node = (name: string, ...after: string[]) => ({ name, version: 1, after })
const faults = (...stages: ReturnType<typeof node>[]): string[] => {
  try {
    checkGraph(stages)
    return []
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'MR_STAGE_GRAPH') throw error
    return [error, ...error.others].map(({ message, hint }) => (hint === undefined ? message : `${message} (${hint})`))
  }
}

test('the order is topological and stable', () => {
  const names = checkGraph([node('z', 'b'), node('b', 'a'), node('y'), node('a'), node('x')]).map(({ name }) => name)
  expect(names).toEqual(['y', 'a', 'b', 'z', 'x'])
})

test('each fault is named, all at once', () => {
  expect(faults()).toEqual(['there are no stages (give at least one)'])
  expect(
    faults(node('extract'), node('train', 'extrat'), node('train'), node('a b'), node('c', 'extract', 'extract')),
  ).toEqual([
    'stage "train" is given twice (stages need names of their own)',
    'stage name "a b": must start with a letter and hold only letters, digits, _ . -, at most 100',
    'stage "train" comes after "extrat", which does not exist; there are: extract, train, a b, c (did you mean "extract"?)',
    'stage "c" names "extract" twice in `after`',
  ])
  expect(faults(node('__proto__'))[0]).toContain('stage name "__proto__"')
  expect(faults(node('a', 'a'))).toEqual([
    'stages wait for each other in a circle: a -> a (take one of these names out of `after`)',
  ])
  expect(faults(node('s'), node('d', 'c'), node('a', 's', 'b'), node('b', 'c'), node('c', 'a'))[0]).toContain(
    'c -> a -> b -> c',
  )
})

test('any graph without cycles is ordered so that all comes after what it needs', () => {
  const edges = fc.array(fc.tuple(fc.nat(11), fc.nat(11)), { maxLength: 40 })
  fc.assert(
    fc.property(edges, fc.shuffledSubarray([...Array(12).keys()], { minLength: 12 }), (pairs, order) => {
      const after = (i: number) => [...new Set(pairs.filter(([a, b]) => a === i && b < i).map(([, b]) => `s${b}`))]
      const sorted = checkGraph(order.map((i) => node(`s${i}`, ...after(i))))
      const rank = new Map(sorted.map(({ name }, i) => [name, i]))
      expect(rank.size).toBe(12)
      for (const { name, after: needs } of sorted) {
        for (const need of needs) expect(rank.get(need)).toBeLessThan(rank.get(name) ?? -1)
      }
    }),
  )
})

/** Random graphs whose stages come in an order that they can be done in, and numbers to choose by. */
const graphs = fc.array(fc.array(fc.nat(30), { maxLength: 4 }), { minLength: 1, maxLength: 30 }).map((all) =>
  all.map((before, i) => ({
    name: `s${i}`,
    version: 1,
    after: [...new Set(before.filter((j) => j < i))].map((j) => `s${j}`),
  })),
)

test('what may start is what a look at all stages finds, whatever is done in between', () => {
  fc.assert(
    fc.property(graphs, fc.infiniteStream(fc.nat()), (stages, choices) => {
      const frontier = new Frontier(stages)
      const [begun, done] = [new Set<string>(), new Set<string>()]
      while (done.size < stages.length) {
        if ((choices.next().value ?? 0) % 2 === 0) {
          const next = frontier.next()
          const expected = stages.find(({ name, after }) => !begun.has(name) && after.every((one) => done.has(one)))
          expect(next).toBe(expected)
          if (next !== undefined) begun.add(next.name)
        } else {
          const running = stages.filter(({ name }) => begun.has(name) && !done.has(name))
          const ended = running[(choices.next().value ?? 0) % running.length]
          if (ended === undefined) continue
          done.add(ended.name)
          frontier.done(ended)
        }
      }
      expect(frontier.next()).toBeUndefined()
    }),
  )
})

test('what comes after a stage is all that cannot be done without it, in order', () => {
  fc.assert(
    fc.property(graphs, fc.nat(), (stages, choice) => {
      const failed = stages[choice % stages.length] as (typeof stages)[number]
      const lost = new Set([failed.name])
      for (const { name, after } of stages) if (after.some((one) => lost.has(one))) lost.add(name)
      lost.delete(failed.name)
      expect(new Frontier(stages).after(failed).map(({ name }) => name)).toEqual([...lost])
    }),
  )
})
