import { defineConfig } from 'vitest/config'

/** One factor scales every time-out: machines differ 3 to 5 times in speed. */
const factor = Number(process.env['MUSTER_TEST_TIME_FACTOR'] ?? '1')

/** Tests on emulated machines that boot the real image: one after another, since each fills this machine. */
export default defineConfig({
  test: {
    include: ['test/vm/**/*.vm.ts'],
    // Longer than all waits of one test together: it is the wait that fails which says what was lacking.
    testTimeout: 3_600_000 * factor,
    hookTimeout: 3_600_000 * factor,
    pool: 'forks',
    fileParallelism: false,
    sequence: { concurrent: false },
    passWithNoTests: false,
  },
})
