import { CancellationScope, condition, defineSignal, getExternalWorkflowHandle, isCancellation, log, patched, setHandler, sleep } from '@temporalio/workflow';
import {
  SIGNAL_MEMBER_LEFT,
  SIGNAL_MEMBER_READY,
  SIGNAL_SET_DECIDED,
  type MemberLeft,
  type MemberReady,
  type SetDecided,
  type SetMembership,
} from '../../src/contracts/backup-set';
import { ModosuError } from '../../src/contracts/errors';
import { backupSetWorkflowId } from '../../src/contracts/ids';
import type { BackupImageInput } from '../../src/contracts/workflows';
import { summarise } from './errors';

/** What one run of a set and the workflow that brings its members together (`backup-set.ts`) say to each other. */

export const memberReady = defineSignal<[MemberReady]>(SIGNAL_MEMBER_READY);
export const memberLeft = defineSignal<[MemberLeft]>(SIGNAL_MEMBER_LEFT);
export const setDecided = defineSignal<[SetDecided]>(SIGNAL_SET_DECIDED);

/** Since a member that is late believes the verdict rather than that nobody is there. */
const DECIDED_MEANWHILE = 'set-decided-meanwhile';
/** Beyond the deadline: a word that was said at the last moment may be on its way. */
const GRACE_MS = 60_000;
/** The workflow of the set may be started a moment after those of its members. */
const TELL_ATTEMPTS = 15;
const TELL_AGAIN_MS = 2_000;

/** The part of one run in its set. */
export interface Member {
  /**
   * Says that this member is ready, and waits until all are. Nothing of the server may be frozen meanwhile. Throws `BACKUP_SET_INCOMPLETE` when the set is
   * given up, and when nobody decides: nobody waits for ever.
   */
  meet(): Promise<void>;
  /** Carries out the work of a member. When it fails or is cancelled before all have met, the others are told at once. */
  orLeave<T>(work: () => Promise<T>): Promise<T>;
}

export function memberOf({ runId }: BackupImageInput, set: SetMembership): Member {
  let decided: SetDecided | null = null;
  let hasLeft = false;
  // Others may signal, too: the workflow id is that of the server.
  setHandler(setDecided, (told) => {
    if (told.setId === set.id) decided ??= told;
  });
  const verdict = (): SetDecided | null => decided;

  return {
    async meet() {
      if (verdict() === null) await sayReady(set, { runId }, () => verdict() !== null);
      await condition(() => verdict() !== null, Math.max(1, Date.parse(set.deadline) + GRACE_MS - Date.now()));
      const { givenUp } = verdict() ?? { givenUp: `nobody has said by ${set.deadline} that all servers are ready.` };
      if (givenUp === null) return;
      // It knows already, or is not there.
      hasLeft = true;
      throw setIncomplete(set, givenUp);
    },

    async orLeave(work) {
      try {
        return await work();
      } catch (thrown) {
        if (!hasLeft && verdict() === null) {
          hasLeft = true;
          await leaveSet(set, { runId, why: summarise(thrown).message });
        }
        throw thrown;
      }
    },
  };
}

/** This member will not come. Told once and never waited for: the deadline of the set tells it, too. */
export const leaveSet = (set: SetMembership, left: MemberLeft): Promise<void> =>
  CancellationScope.nonCancellable(() => toSet(set).signal(memberLeft, left)).catch(() => undefined);

/** A set that is given up ends at once: whoever comes later finds nobody, and its verdict instead. */
async function sayReady(set: SetMembership, ready: MemberReady, isDecided: () => boolean): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await toSet(set).signal(memberReady, ready);
      return;
    } catch (thrown) {
      if (isCancellation(thrown)) throw thrown;
      if (isDecided() && patched(DECIDED_MEANWHILE)) return;
      log.warn('the workflow of the set is not there', { set: set.id, attempt });
      if (attempt === TELL_ATTEMPTS || Date.now() >= Date.parse(set.deadline)) {
        throw setIncomplete(set, 'what brings its servers together does not run (any more).');
      }
      await sleep(TELL_AGAIN_MS);
    }
  }
}

const toSet = ({ id }: SetMembership) => getExternalWorkflowHandle(backupSetWorkflowId(id));

const setIncomplete = ({ id, group }: SetMembership, why: string): ModosuError =>
  new ModosuError('BACKUP_SET_INCOMPLETE', `The set of group "${group}" was not taken, and nothing was frozen: ${why}`, {
    hint: `See which server was in the way with \`modosu backup-set show ${id}\`, mend that, and take the set again.`,
    context: { setId: id, group },
  });
