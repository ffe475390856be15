import { defineConfig } from 'vitest/config'

/** End to end, on the built package: real processes, a real browser, Python's ONNX Runtime. Two files at a time. */
export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
