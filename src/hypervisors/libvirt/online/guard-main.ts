import { appendFileSync } from 'node:fs';
import { errorMessage } from '../../../system/files';
import { runGuard } from './guard';
import { GuardFiles } from './guard-state';

/** The guard process: `node guard-main.js <directory of one run>`. Started by `guard-process.ts`, detached. */
async function main(): Promise<void> {
  const [directory] = process.argv.slice(2);
  if (directory === undefined) throw new Error('no directory was given');
  // Of the session it was started from; only SIGKILL and its own judgement end it.
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
  const files = new GuardFiles(directory);
  try {
    await runGuard(files);
  } catch (error) {
    appendFileSync(files.logPath, `${new Date().toISOString()} the guard has failed: ${errorMessage(error)}\n`, { mode: 0o600 });
    process.exitCode = 1;
  }
}

void main();
