const { delimiter, join } = require('node:path');

// For every program that a test starts: restic whose keys are not slow to open.
process.env.PATH = [join(__dirname, 'test/support/cheap-keys'), process.env.PATH].join(delimiter);

/** One configuration; the tiers (unit, contract, integration, workflows, e2e) are chosen by path in scripts/run-tests.mjs. */
module.exports = {
  testEnvironment: 'node',
  // A limit for what hangs, nothing else: five seconds, the default, are not enough on a slow machine for a hook that starts a database and an API.
  testTimeout: 120_000,
  rootDir: '.',
  globalSetup: '<rootDir>/test/support/before-all.ts',
  roots: ['<rootDir>/src', '<rootDir>/workflows', '<rootDir>/activities', '<rootDir>/demo', '<rootDir>/bench', '<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  testSequencer: '<rootDir>/test/support/longest-first.cjs',
  transform: {
    '^.+\\.[cm]?[tj]s$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2023',
        },
        module: { type: 'commonjs' },
      },
    ],
  },
  transformIgnorePatterns: ['/node_modules/(?!(@nestjs|file-type|strtok3|token-types|uint8array-extras|@borewit|@tokenizer)/)'],
};
