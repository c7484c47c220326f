import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SshAccess } from '../../src/contracts/protection';
import { guestOutput } from '../guests/guest-server';
import { virsh } from '../guests/run-program';
import { freePort } from './data-lab';
import { eventually } from './processes';

export interface GuestSsh {
  readonly access: SshAccess;
  /** A port of this host's loopback that leads to the guest's SSH server. */
  readonly port: number;
  /** Ends it, and all its connections. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/**
 * Starts an SSH server in a guest that lets `publicKey` in as root, and leads a port of this host to it. All of it through the guest's agent, and gone with
 * the guest's QEMU process.
 */
export async function openGuestSsh(uuid: string, publicKey: string): Promise<GuestSsh> {
  const run = (script: string, ...args: readonly string[]): Promise<string> => guestOutput(uuid, ['sh', '-euc', script, 'sh', ...args], { timeoutMs: 60_000 });
  await run('mkdir -p -m 700 /root/.ssh /etc/dropbear; printf "%s\\n" "$1" > /root/.ssh/authorized_keys', publicKey);
  const made = await run('rm -f /etc/dropbear/key; dropbearkey -t ed25519 -f /etc/dropbear/key');
  const hostKey = /^ssh-ed25519 [A-Za-z0-9+/=]+/m.exec(made)?.[0];
  if (hostKey === undefined) throw new Error(`dropbearkey said: ${made}`);
  const start = async (): Promise<void> => {
    await run('dropbear -s -r /etc/dropbear/key -P /run/dropbear.pid');
    await eventually('the SSH server listens', () =>
      run('test -s /run/dropbear.pid').then(
        () => true,
        () => false,
      ),
    );
  };
  await start();
  const port = await freePort();
  await virsh(['qemu-monitor-command', uuid, '--hmp', `hostfwd_add tcp:127.0.0.1:${port}-10.0.2.15:22`]);
  return {
    access: { host: '127.0.0.1', port, user: 'root', sudo: false, hostKey },
    port,
    start,
    stop: async () => void (await run('killall -KILL dropbear; until ! pidof dropbear > /dev/null; do :; done; rm -f /run/dropbear.pid')),
  };
}

/** A public key that nobody knows. */
export function strangeKey(): string {
  const directory = mkdtempSync(join(tmpdir(), 'modosu-key-'));
  try {
    const file = join(directory, randomUUID());
    spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
    return readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
  } finally {
    rmSync(directory, { recursive: true });
  }
}
