import { join } from 'node:path';
import { findProgram } from '../../system/child-process';
import type { PartDefinition } from './part';

/** Compiled roles only: `up` runs from `dist`. */
const MAIN = join(__dirname, '..', 'main.js');

/** One of Modosu's own roles as a child process. It says itself when it is ready, or why it cannot start. */
export function rolePart(role: 'api' | 'worker', env: Readonly<Record<string, string | undefined>>): PartDefinition {
  return {
    name: role,
    reports: true,
    command: () => ({ argv: [findProgram('setpriv'), '--pdeathsig', 'KILL', '--', process.execPath, '--enable-source-maps', MAIN, role], env }),
    becomesReady: ({ saidReady }) => saidReady,
    // A worker gives its running calls their grace and then cancels them; see worker-factory.ts.
    stopSignals: [{ signal: 'SIGTERM', graceMs: role === 'worker' ? 30_000 : 10_000 }],
    readyTimeoutMs: 60_000,
  };
}
