/** The settings of the crash tests: at which share of the points a process is killed. */
import { defineConfig } from 'vitest/config'

declare module 'vitest' {
  export interface ProvidedContext {
    /** 1: at every point, 7: at every seventh. */
    stride: number
  }
}

export const chaos = (stride: number) =>
  defineConfig({
    test: {
      include: ['test/chaos/**/*.test.ts'],
      globalSetup: 'test/chaos/counts.ts',
      pool: 'forks',
      testTimeout: 600_000,
      hookTimeout: 60_000,
      provide: { stride },
    },
  })
