import { defineConfig } from 'vitest/config'

/** Fuzzing of every parser (`npm run fuzz`: a fixed number of seeded cases; `npm run fuzz:long`: by time). */
export default defineConfig({
  test: {
    include: ['test/fuzz/**/*.test.ts'],
    globalSetup: 'test/fuzz/counts.ts',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 3_600_000,
  },
})
