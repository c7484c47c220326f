import { join } from 'node:path';

/** The guard of an online backup from the sources: tests run without a build. */
export const SOURCE_GUARD: readonly [string, ...string[]] = [
  process.execPath,
  '-r',
  join(__dirname, 'register-ts.cjs'),
  join(__dirname, '../../src/hypervisors/libvirt/online/guard-main.ts'),
];
