import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Tests that run at once do little but wait.
    maxConcurrency: 20,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
