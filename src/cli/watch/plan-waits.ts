import type { Retrying } from '../../contracts/run';
import { RetryingNotes } from '../output/retrying';

/** Plans take seconds; what holds one up is written down within a minute, by a worker that is there. */
const SILENT_MS = 75_000;

/** Says to whoever waits for a plan what its making waits for; where nobody writes that down, once, where to look: it may be that no worker is there at all. */
export class PlanWaits {
  private readonly notes: RetryingNotes;
  private heardAtMs: number;
  private isTold = false;

  constructor(
    private readonly note: (text: string) => void,
    private readonly now: () => Date,
  ) {
    this.notes = new RetryingNotes(note);
    this.heardAtMs = now().getTime();
  }

  see(retrying: Retrying | null | undefined): void {
    this.notes.see(retrying);
    const nowMs = this.now().getTime();
    // An attempt that should have begun long ago is no word of a worker any more.
    if (retrying != null && !(nowMs - Date.parse(retrying.nextAttemptAt ?? '') >= SILENT_MS)) this.heardAtMs = nowMs;
    if (this.isTold || nowMs - this.heardAtMs < SILENT_MS) return;
    this.isTold = true;
    this.note('The plan is not made yet: it waits for servers, for what it fetches, or for a worker. `modosu doctor` says whether one is there.');
  }
}
