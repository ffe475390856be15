import { defineConfig } from 'vitest/config'

/** Against real engines, started once: Spark (a standalone master, two workers and a Connect server, from PyPI's pyspark). */
export default defineConfig({
  test: {
    include: ['test/engines/**/*.test.ts'],
    globalSetup: ['test/engines/setup.ts'],
    pool: 'forks',
    fileParallelism: false, // some files stop parts of the one cluster
    // real processes that are killed and started on a machine that others use too: what fails twice is a fault; the report
    // names what was tried again
    retry: 1,
    testTimeout: 240_000,
    hookTimeout: 300_000,
  },
})
