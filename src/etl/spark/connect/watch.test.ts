/** Progress reports say whether anybody works on a query. */
import { create } from '@bufbuild/protobuf'
import { expect, it } from 'vitest'
import { ExecutePlanResponse_ExecutionProgressSchema } from './connect_pb.js'
import { Watch } from './watch.js'

type Stage = readonly [tasks: number, completed: number, done?: boolean]

const report = (inflight: number, ...stages: readonly Stage[]) =>
  create(ExecutePlanResponse_ExecutionProgressSchema, {
    numInflightTasks: BigInt(inflight),
    stages: stages.map(([tasks, completed, done = false], id) => ({
      ...{ stageId: BigInt(id), numTasks: BigInt(tasks), numCompletedTasks: BigInt(completed), done },
    })),
  })

it('waits from the first report on that has tasks, none running and nothing new', () => {
  const watch = new Watch()
  const waiting = (now: number, ...args: Parameters<typeof report>) => watch.observe(report(...args), now).waiting
  expect(waiting(0, 0)).toBe(0) // planning
  expect(waiting(9000, 0)).toBe(0)
  expect(waiting(10_000, 2, [4, 0])).toBe(0)
  expect(waiting(90_000, 2, [4, 0])).toBe(0) // long tasks
  expect(waiting(91_000, 0, [4, 2])).toBe(0)
  expect(waiting(95_000, 0, [4, 2])).toBe(4000)
  expect(waiting(99_000, 0, [4, 2])).toBe(8000)
  expect(waiting(100_000, 0, [4, 3])).toBe(0) // Spark may say 0 of tasks that run
  expect(waiting(101_000, 0, [4, 3])).toBe(1000)
  expect(waiting(102_000, 1, [4, 3])).toBe(0)
  expect(waiting(103_000, 0, [4, 4, true])).toBe(0) // the driver writes its commit
  expect(waiting(900_000, 0, [4, 4, true])).toBe(0)
})

it('counts no more tasks done than there are', () => {
  expect(new Watch().observe(report(1, [24, 34], [2, 1]), 0)).toEqual({
    ...{ tasks: 26, done: 25, running: 1, bytesRead: 0, waiting: 0 },
  })
})
