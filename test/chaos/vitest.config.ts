/** Real processes, killed: `npx vitest run --config test/chaos/vitest.config.ts`. Apart from the quick tests. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { include: ['test/chaos/**/*.test.ts'], pool: 'forks', testTimeout: 600_000, hookTimeout: 60_000 },
})
