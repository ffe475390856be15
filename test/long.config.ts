import { defineConfig } from 'vitest/config'

/** What takes seconds a case: many processes, many threads, many random plans. `npm test` runs it, `npm run check` does not. */
export default defineConfig({
  test: {
    include: ['src/**/*.long.test.ts'],
    pool: 'forks',
    maxWorkers: '100%',
    testTimeout: 60_000,
  },
})
