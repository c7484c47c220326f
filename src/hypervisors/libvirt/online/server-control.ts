import { setTimeout as delay } from 'node:timers/promises';
import { isModosuError, ModosuError } from '../../../contracts/errors';
import type { ServerRef } from '../../../contracts/server';
import type { Virsh } from '../virsh';

/** How a server stands, as far as a backup cares. `storage`: QEMU has stopped it because of an I/O error. */
export type ServerStanding = 'running' | 'paused' | 'storage' | 'off';

const SETTLE_MS = 1_500;

/** State and resuming of one server, for guard and worker. */
export class ServerControl {
  constructor(
    private readonly virsh: Virsh,
    readonly server: ServerRef,
  ) {}

  /** A server that is gone is off. */
  async standing(): Promise<ServerStanding> {
    try {
      const answer = (await this.virsh.runOn(this.server.uuid, 'domstate', ['--reason'])).trim();
      if (/^(shut off|crashed)\b/.test(answer)) return 'off';
      if (/^paused \(I\/O error\)/i.test(answer)) return 'storage';
      return /^(paused|pmsuspended)\b/.test(answer) ? 'paused' : 'running';
    } catch (error) {
      if (isModosuError(error) && error.code === 'SERVER_GONE') return 'off';
      throw error;
    }
  }

  /** Lets a server go on that an I/O error has stopped. False: it stops again at once, so the cause is still there. Other pauses are left alone. */
  async resumeAfterStorage(): Promise<boolean> {
    for (let attempt = 0; attempt < 2; attempt += 1) {
      if ((await this.standing()) !== 'storage') return true;
      const outcome = await this.virsh.attemptOn(this.server.uuid, 'resume');
      if (outcome.exitCode !== 0 && (await this.standing()) === 'storage') throw this.virsh.failure('resume', outcome, 'HYPERVISOR_COMMAND_FAILED');
      // A write that still fails is tried again by QEMU at once.
      await delay(SETTLE_MS);
    }
    return (await this.standing()) !== 'storage';
  }

  async blockStatistics(): Promise<string> {
    return this.virsh.run(['domstats', '--block', this.server.uuid]);
  }

  requireRunning = async (): Promise<ServerStanding> => {
    const state = await this.standing();
    if (state !== 'off') return state;
    throw new ModosuError('BACKUP_JOB_LOST', `${this.server.name} is off: an online backup needs it to run.`, {
      hint: 'Start the server, or take an offline backup.',
      context: { uuid: this.server.uuid },
    });
  };
}
