/** Random changes of random partitions: after each, a run in the home that stays equals one in a new home, to the byte. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'vitest'
import { incrementalProject } from '../../test/incremental.js'

const name = fc.integer({ min: 1, max: 9 }).map((n) => `day=2024-02-0${n}/part.csv`)
const seed = fc.integer({ min: 1, max: 30 })
const rows = fc.integer({ min: 0, max: 60 })
const change = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), name, seed, rows, isLarge: fc.boolean() }),
  fc.record({ kind: fc.constant('remove' as const), name }),
  fc.record({ kind: fc.constant('move' as const), name, to: name }),
)

test('whatever becomes of the files', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 3, maxLength: 6 }), async (changes) => {
      const folder = await mkdtemp(join(tmpdir(), 'millrace-incremental-'))
      try {
        const project = await incrementalProject(folder)
        // two that stay, so that every split and class has rows
        const there = new Set<string>()
        for (const n of [1, 2]) await project.write(`day=2024-01-0${n}/part.csv`, 100 + n, 80)
        await project.run()
        for (const one of changes) {
          if (one.kind === 'write') {
            await project.write(one.name, one.seed, one.rows, one.isLarge)
            there.add(one.name)
          } else if (!there.has(one.name)) continue
          else if (one.kind === 'remove') {
            await project.remove(one.name)
            there.delete(one.name)
          } else {
            await project.move(one.name, one.to)
            there.delete(one.name)
            there.add(one.to)
          }
          // fails where any artifact differs
          await project.runTwice()
        }
      } finally {
        await rm(folder, { recursive: true })
      }
    }),
    { numRuns: 6, seed: 7 },
  )
})
