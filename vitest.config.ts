import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: [
      '**/*.long.test.ts',
      'test/e2e/**',
      'test/chaos/**',
      'test/engines/**',
      'test/fuzz/**',
      '**/node_modules/**',
    ],
    pool: 'forks',
    maxWorkers: '100%',
    isolate: false, // one process for many files: half the CPU is start-up and loading otherwise
    testTimeout: 120_000,
  },
})
