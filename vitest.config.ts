import { defineConfig } from 'vitest/config'

/** One factor scales every time-out: machines differ 3 to 5 times in speed. */
const factor = Number(process.env['MUSTER_TEST_TIME_FACTOR'] ?? '1')

export default defineConfig({
  test: {
    include: ['test/**/*.spec.ts', 'simulations/**/*.spec.ts'],
    testTimeout: 60_000 * factor,
    hookTimeout: 60_000 * factor,
    pool: 'forks',
  },
})
