import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestOutput } from '../guests/guest-server';
import { runProgram, virsh } from '../guests/run-program';
import { freePort } from './data-lab';

/**
 * Logs in to a guest as people do: over SSH, with a password, to a server that takes nothing else. Independent of the code under test, and of the guest's agent.
 * `directory`: for the file from which ssh reads the password.
 */
export class GuestLogin {
  private readonly helper: string;
  private readonly file: string;

  constructor(
    private readonly uuid: string,
    directory: string,
  ) {
    this.helper = join(directory, 'askpass');
    this.file = join(directory, 'asked');
    writeFileSync(this.helper, `#!/bin/sh\ncat '${this.file}'\n`, { mode: 0o700 });
  }

  /** Whether the account is let in with this password. Throws for anything else that keeps it out. */
  async isLetIn(account: string, password: string): Promise<boolean> {
    writeFileSync(this.file, `${password}\n`, { mode: 0o600 });
    const port = await this.open();
    const { exitCode, stdout, stderr } = await runProgram(
      'env',
      [
        ...[`SSH_ASKPASS=${this.helper}`, 'SSH_ASKPASS_REQUIRE=force', 'ssh'],
        ...['-F', '/dev/null', '-p', String(port), '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
        ...['-o', 'PreferredAuthentications=password', '-o', 'PubkeyAuthentication=no', '-o', 'NumberOfPasswordPrompts=1', '-o', 'ConnectTimeout=60'],
        ...[`${account}@127.0.0.1`, 'echo let in'],
      ],
      { timeoutMs: 90_000 },
    );
    if (exitCode === 0 && stdout.trim() === 'let in') return true;
    if (/permission denied/i.test(stderr)) return false;
    throw new Error(`ssh ended with ${exitCode}: ${stderr}`);
  }

  /** The server is gone with each boot, and so is the way to it. */
  private async open(): Promise<number> {
    const script = `
      mkdir -p /etc/dropbear; test -s /etc/dropbear/login || dropbearkey -t ed25519 -f /etc/dropbear/login > /dev/null 2>&1
      test -s /run/login.pid && test -d /proc/$(cat /run/login.pid) || dropbear -p 2222 -r /etc/dropbear/login -P /run/login.pid
      until test -s /run/login.pid; do :; done`;
    await guestOutput(this.uuid, ['sh', '-euc', script], { timeoutMs: 60_000 });
    const port = await freePort();
    await virsh(['qemu-monitor-command', this.uuid, '--hmp', `hostfwd_add tcp:127.0.0.1:${port}-10.0.2.15:2222`]);
    return port;
  }
}
