import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestExec, guestOutput, waitForAgent } from '../guests/guest-commands';
import { runProgram, type ProgramResult } from '../guests/run-program';
import { eventually } from './up-process';

/**
 * How the agent misbehaves. `hangs-in-freeze`: a freeze is never answered and nothing is frozen. `freezes-late`: never answered, and the file systems really
 * freeze 20 s later. `hangs-in-thaw`: really freezes; a thaw is answered, and done, only 15 s or more after the first one was asked for. `garbage`: answers a
 * freeze with bytes that are no text and broken JSON. `garbage-with-nul`: with a NUL, behind which libvirt reads nothing more from this agent, whatever it
 * says. `flood`: with 100 MB. `freeze-forbidden`, `exec-forbidden`: as an administrator forbids it, in the real agent. `silent`: the real agent, stopped.
 */
export type HostileMode =
  'hangs-in-freeze' | 'freezes-late' | 'hangs-in-thaw' | 'garbage' | 'garbage-with-nul' | 'flood' | 'freeze-forbidden' | 'exec-forbidden' | 'silent';

const FORBIDDEN: Partial<Record<HostileMode, readonly string[]>> = {
  'freeze-forbidden': ['guest-fsfreeze-freeze', 'guest-fsfreeze-freeze-list'],
  'exec-forbidden': ['guest-exec', 'guest-exec-status'],
};
const SERVICE = '/etc/init.d/guest-agent';
const PLACE = '/run/hostile-agent';
/** The guest starts its agent anew, on whatever else this machine is doing. */
const DEADLINE_MS = 180_000;

/**
 * Makes the agent of a running test guest hostile until the guest is started anew (or `healAgent`): the guest's init is given another program to start as its
 * agent, by a mount from memory, so that no image of the guest holds it. Resolves when the guest misbehaves.
 */
export async function installHostileAgent(uuid: string, mode: HostileMode): Promise<void> {
  if (mode === 'silent') {
    await lastAction(uuid, 'killall -STOP qemu-ga');
    await eventually(
      () => askAgent(uuid, 'guest-ping'),
      ({ exitCode }) => exitCode !== 0,
      DEADLINE_MS,
    );
    return;
  }
  const forbidden = FORBIDDEN[mode];
  const program =
    forbidden === undefined
      ? readFileSync(join(__dirname, 'hostile-agent.sh'), 'utf8')
      : `#!/bin/sh\nexec /usr/sbin/qemu-ga -m virtio-serial -p /dev/virtio-ports/org.qemu.guest_agent.0 -t /run -b ${forbidden.join(',')} 2>/dev/null\n`;
  const written = await guestExec(
    uuid,
    [
      'sh',
      '-c',
      'mkdir -p "$1" && rm -f "$1"/* && printf %s "$2" > "$1/mode" && cat > "$1/agent" && chmod 755 "$1/agent" && mount -o bind "$1/agent" "$3"',
      'sh',
      PLACE,
      mode,
      SERVICE,
    ],
    { input: program },
  );
  if (written.exitCode !== 0) throw new Error(`the hostile agent could not be installed: ${written.stderr}`);
  await lastAction(uuid, 'killall qemu-ga');
  const isIt = forbidden === undefined ? `"hostile-${mode}"` : new RegExp(`"enabled":false,"name":"${forbidden[0]}"|"name":"${forbidden[0]}","enabled":false`);
  await eventually(
    () => askAgent(uuid, 'guest-info'),
    ({ stdout }) => (typeof isIt === 'string' ? stdout.includes(isIt) : isIt.test(stdout.replace(/\s/g, ''))),
    DEADLINE_MS,
  );
}

/** Gives the guest its own agent back, thawed; only where the hostile one is a program of ours that still answers. Otherwise start the guest anew. */
export async function healAgent(uuid: string): Promise<void> {
  await eventually(
    () => askAgent(uuid, 'test-heal'),
    ({ exitCode }) => exitCode === 0,
    DEADLINE_MS,
  );
  await eventually(
    () => askAgent(uuid, 'guest-info'),
    ({ exitCode, stdout }) => exitCode === 0 && !stdout.includes('hostile-'),
    DEADLINE_MS,
  );
  await waitForAgent(uuid, DEADLINE_MS);
}

/** One command to the agent, as `virsh` gives it on. */
export const askAgent = (uuid: string, execute: string, timeoutSeconds = 3): Promise<ProgramResult> =>
  runProgram('virsh', ['-q', '-c', 'qemu:///system', 'qemu-agent-command', uuid, '--timeout', String(timeoutSeconds), JSON.stringify({ execute })], {
    timeoutMs: 60_000,
  });

/** Done when the agent that was asked to has answered: it is what ends. */
async function lastAction(uuid: string, script: string): Promise<void> {
  await guestOutput(uuid, ['sh', '-c', `(usleep 300000; ${script}) </dev/null >/dev/null 2>&1 &`]);
}
