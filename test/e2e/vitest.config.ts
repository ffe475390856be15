import { defineConfig } from 'vitest/config'

/** End to end, on the built package: real processes, a real browser, Python's ONNX Runtime. One file at a time. */
export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
