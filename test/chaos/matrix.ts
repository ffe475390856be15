/** The settings of the crash tests: at which share of the points a process is killed. */
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import type { Prepared } from './small-pipeline.js'

declare module 'vitest' {
  export interface ProvidedContext {
    /** 1: at every point, 11: at every eleventh. */
    stride: number
    prepared: Prepared
  }
}

export const chaos = (stride: number) =>
  defineConfig({
    test: {
      include: ['test/chaos/**/*.test.ts'],
      globalSetup: ['test/chaos/counts.ts', 'test/chaos/prepared.ts'],
      pool: 'forks',
      // two files at a time even on two cores: half of the time is spent waiting for disks
      maxWorkers: Math.max(2, availableParallelism() >> 1),
      testTimeout: stride === 1 ? 3_600_000 : 600_000,
      hookTimeout: 60_000,
      provide: { stride },
    },
  })
