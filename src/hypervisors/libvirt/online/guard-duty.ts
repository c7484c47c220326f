import { appendFile } from 'node:fs/promises';
import { errorMessage } from '../../../system/files';
import type { ProcessRecord } from '../../../system/process-record';
import type { GuestAgent } from '../../../guests/guest-agent';
import type { BackupJob } from './backup-job';
import type { GuardFiles, GuardOrder, GuardState } from './guard-state';
import type { ServerControl } from './server-control';

const MAX_NOTES = 50;

/** What the duties of a guard share. */
export interface GuardTools {
  readonly order: GuardOrder;
  readonly agent: GuestAgent;
  readonly job: BackupJob;
  readonly control: ServerControl;
  readonly book: GuardBook;
}

/** The guard's own account of what it saw and did. Every change is written before anything else happens. */
export class GuardBook {
  private writing: Promise<void> = Promise.resolve();
  private current: GuardState;

  constructor(
    private readonly files: GuardFiles,
    guard: ProcessRecord,
    earlier: GuardState | null,
  ) {
    // A guard that takes over from a dead one goes on with its account.
    this.current = { ...(earlier ?? { thawed: [], afterHookRun: false, pause: null, cancelled: null, outcome: null, notes: [] }), guard };
  }

  get state(): GuardState {
    return this.current;
  }

  async change(change: Partial<GuardState>): Promise<void> {
    this.current = { ...this.current, ...change };
    const { current } = this;
    this.writing = this.writing.catch(() => undefined).then(() => this.files.writeState(current));
    await this.writing;
  }

  async note(text: string): Promise<void> {
    const line = `${new Date().toISOString()} ${text}`;
    await this.log(text);
    await this.change({ notes: [...this.current.notes, line].slice(-MAX_NOTES) });
  }

  /** For people who look into the directory; never fails. */
  async log(text: string): Promise<void> {
    await appendFile(this.files.logPath, `${new Date().toISOString()} ${text}\n`, { mode: 0o600 }).catch(() => undefined);
  }

  /** A fault that passes must not end the guard. */
  async tolerate(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      await this.log(`${what}: ${errorMessage(error)}`);
    }
  }
}
