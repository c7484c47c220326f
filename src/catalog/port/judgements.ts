import type { DueJudgements, Judgement, JudgementView, StoredState } from '../../contracts/judgement';
import type { Actor } from './requests';

/** Whether servers could come back alone, judged before it is needed. */
export interface JudgementCatalog {
  /**
   * Asks for a judgement of every server that was not judged since the hour `hourUtc` of a day came last; of one that was never judged, when it had an image by then. Only
   * servers in service are judged that have a usable image and relations that say anything of their going back (`isJudged`). Gives for how many one is asked now, whoever asked. Idempotent.
   */
  askForNightly(hourUtc: number): Promise<number>;
  /** The same at once, for one server or all. Audited as `judgement.requested`. Throws `SERVER_NOT_FOUND`, and of one `SERVER_DECOMMISSIONED`, `NOTHING_TO_JUDGE`, `NO_RECOVERY_POINT`. */
  askForJudgement(request: { readonly actor: Actor; readonly serverId: string | null }): Promise<readonly JudgementView[]>;
  /** For whom a judgement is asked, those first that were asked for first. */
  dueJudgements(atMost: number): Promise<DueJudgements>;
  /** What these servers would be judged by. One that has no usable image is left out. */
  storedStates(serverIds: readonly string[]): Promise<readonly StoredState[]>;
  /**
   * What came of judging them; null: there was nothing to judge, and what was known before stays. What was asked for until `begunAt` (ISO 8601) is answered by it. The last
   * one of a server counts.
   */
  recordJudgements(begunAt: string, judged: readonly { readonly serverId: string; readonly judgement: Judgement | null }[]): Promise<void>;
  /** Of the servers that are judged, by name. Throws `SERVER_NOT_FOUND`. */
  listJudgements(filter?: { readonly serverId?: string }): Promise<readonly JudgementView[]>;
}
