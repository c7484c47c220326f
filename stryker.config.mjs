import jest from './jest.config.cjs';

// One seed for all: tests that make up their cases have it in their names, and one whose name is another each time is not found again, and notices nothing.
process.env.MODOSU_SEED ??= '1';
process.env.MODOSU_CASES_UNREAD ??= '1';

/** Mutation tests of the rules whose faults would not be seen before an emergency: see CONTRIBUTING.md. Not a part of `npm test`. */
export default {
  mutate: [
    'src/domain/**/*.ts',
    'src/contracts/redact.ts',
    'src/contracts/text.ts',
    'workflows/runbook/runbook.ts',
    'workflows/runbook/errors.ts',
    'workflows/runbook/plan.ts',
    'src/repositories/image/image-manifest.ts',
    'src/repositories/image/segment-list.ts',
    'src/repositories/image/facts-file.ts',
    'src/repositories/data/data-manifest.ts',
    'src/repositories/offsite/receipt.ts',
    '!**/*.spec.ts',
  ],
  testRunner: 'jest',
  // The specs beside the code: what has to be proven there must not be left to a test that happens to pass by.
  jest: { config: { ...jest, roots: ['<rootDir>/src/domain', '<rootDir>/src/contracts', '<rootDir>/src/repositories', '<rootDir>/workflows/runbook'] } },
  coverageAnalysis: 'perTest',
  plugins: ['@stryker-mutator/jest-runner', './scripts/mutation-ignorer.mjs'],
  ignorers: ['sentences'],
  // Constants of a module, schemas among them, are set once, when it is loaded: each of their mutants needs all specs of the file anew. They are a third of
  // all, and nine tenths of the time.
  ignoreStatic: process.env.MUTATE_CONSTANTS !== '1',
  ignorePatterns: ['dist', 'docs', 'demo', 'bench', 'coverage', 'reports'],
  concurrency: 2,
  // A mutant that never ends is rare; a busy machine is not, and must not count as a test that fails.
  timeoutMS: 20_000,
  incremental: true,
  incrementalFile: 'reports/mutation/incremental.json',
  reporters: ['clear-text', 'html', 'json', 'progress-append-only'],
  clearTextReporter: { allowColor: false, allowEmojis: false, logTests: false, reportTests: false },
  allowConsoleColors: false,
  thresholds: { high: 98, low: 96, break: 96 },
};
