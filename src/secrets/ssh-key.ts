import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModosuError } from '../contracts/errors';
import { runCommand } from '../system/child-process';
import type { Secrets } from './secrets';

const NAME = 'ssh/key';
const DEADLINE_MS = 30_000;

/** The key with which this installation logs in to guests over SSH; made at its first use. Throws `PROGRAM_MISSING` without ssh-keygen. */
export async function sshKey(secrets: Secrets): Promise<{ readonly file: string; readonly publicKey: string }> {
  if ((await secrets.read(NAME)) === null) {
    const made = await makeKey();
    await secrets.getOrMake(NAME, () => made);
  }
  const file = secrets.fileOf(NAME);
  return { file, publicKey: await keygen(['-y', '-f', file]) };
}

async function makeKey(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'modosu-key-'));
  try {
    const file = join(directory, 'key');
    await keygen(['-q', '-t', 'ed25519', '-N', '', '-C', 'modosu', '-f', file]);
    return (await readFile(file, 'utf8')).trim();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function keygen(args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand(['ssh-keygen', ...args], { timeoutMs: DEADLINE_MS });
  if (exitCode !== 0) {
    throw new ModosuError('INTERNAL', `ssh-keygen failed: ${stderr.trim()}`, {
      hint: 'Look at the file ssh/key among the secrets: what is damaged there can be removed, and guests then need the new public key.',
    });
  }
  return stdout.trim();
}
