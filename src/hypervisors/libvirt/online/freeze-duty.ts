import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage } from '../../../system/files';
import { elapsedMs, FREEZE_WINDOW_MS, monotonicMs, type Freeze, type GuardWord } from './guard-state';
import type { GuardTools } from './guard-duty';
import { runAfterHook } from './quiesce-hooks';

const CALL_MS = 5_000;
const LOOK_EVERY_MS = 2_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** A freeze nobody has confirmed, and an agent that says nothing sensible since. */
const GIVE_UP_UNCONFIRMED_MS = 2 * 60_000;
/** Nobody but the guard is left to wake what was made quiet. */
const HOOK_PATIENCE_MS = 10 * 60_000;

/** Nothing that was frozen for the backup stays frozen, whoever has died. */
export class FreezeDuty {
  /** `askedAtMs` of freezes that are looked after, and of those that are over. */
  private readonly looking = new Set<number>();
  private readonly over = new Set<number>();
  private hook: Promise<void> | null = null;

  constructor(private readonly tools: GuardTools) {}

  /** Nothing is left to do for what the worker has said. */
  isDone(word: GuardWord, workerIsDead: boolean): boolean {
    const frozen = word.freezes.some((freeze) => !this.over.has(freeze.askedAtMs) && !(freeze.thawed && freeze.answered));
    return !frozen && !(this.owesHook(word, workerIsDead) || (this.hook !== null && !this.tools.book.state.afterHookRun));
  }

  /** Starts what is due; does not wait for it: an agent may take a minute over one answer. */
  look(word: GuardWord, workerIsDead: boolean): void {
    for (const freeze of word.freezes) {
      if (this.over.has(freeze.askedAtMs) || this.looking.has(freeze.askedAtMs)) continue;
      const overdue = elapsedMs(freeze.askedAtMs) > FREEZE_WINDOW_MS;
      if (!freeze.thawed && (workerIsDead || overdue)) {
        this.begin(freeze, () => this.thawInPlace(freeze, workerIsDead ? 'the worker died' : 'the worker did not thaw in time'));
      } else if (freeze.thawed && !freeze.answered) this.begin(freeze, () => this.watchLate(freeze));
    }
    if (this.owesHook(word, workerIsDead) && this.looking.size === 0) {
      this.hook ??= this.runHook();
    }
  }

  private owesHook(word: GuardWord, workerIsDead: boolean): boolean {
    return workerIsDead && word.afterHookOwed && this.tools.order.afterHook !== null && !this.tools.book.state.afterHookRun;
  }

  private begin(freeze: Freeze, work: () => Promise<void>): void {
    this.looking.add(freeze.askedAtMs);
    void this.tools.book.tolerate('thawing', work).finally(() => {
      this.over.add(freeze.askedAtMs);
      this.looking.delete(freeze.askedAtMs);
    });
  }

  private async thawInPlace(freeze: Freeze, why: string): Promise<void> {
    const { book, order } = this.tools;
    // Written first: the worker must not take the freeze for one that has held.
    await book.change({ thawed: [...book.state.thawed, freeze.askedAtMs] });
    const thawed = await this.thawUntilThawed(freeze.answered ? Infinity : freeze.askedAtMs + GIVE_UP_UNCONFIRMED_MS);
    await book.note(
      thawed
        ? `thawed ${order.server.name}: ${why}`
        : `gave up thawing ${order.server.name}: its agent never confirmed the freeze and gives no sensible answer (${why})`,
    );
    if (!freeze.answered) await this.watchLate(freeze);
  }

  /** A freeze that was not answered may be carried out late. */
  private async watchLate(freeze: Freeze): Promise<void> {
    const { agent, book, control, order } = this.tools;
    while (elapsedMs(freeze.askedAtMs) < order.lateFreezeMs) {
      await delay(LOOK_EVERY_MS);
      try {
        if ((await control.standing()) === 'off') return;
        if (!(await agent.isFrozen(CALL_MS))) continue;
      } catch (error) {
        await book.log(`asking whether ${order.server.name} is frozen: ${errorMessage(error)}`);
        continue;
      }
      await book.change({ thawed: [...new Set([...book.state.thawed, freeze.askedAtMs])] });
      const thawed = await this.thawUntilThawed(Infinity);
      await book.note(
        `${order.server.name} froze ${Math.round(elapsedMs(freeze.askedAtMs) / 1000)} s after it was asked to, without a word; ${thawed ? 'thawed it' : 'could not thaw it'}`,
      );
    }
  }

  /** Until the agent itself says that nothing is frozen, or there is nobody left to be frozen. */
  private async thawUntilThawed(giveUpAtMs: number): Promise<boolean> {
    const { agent, book, control, order } = this.tools;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      try {
        await agent.thaw(CALL_MS);
      } catch (error) {
        await book.log(`thawing ${order.server.name}: ${errorMessage(error)}`);
      }
      try {
        if (!(await agent.isFrozen(CALL_MS))) return true;
      } catch (error) {
        await book.log(`asking whether ${order.server.name} is frozen: ${errorMessage(error)}`);
        if ((await control.standing().catch(() => 'running')) === 'off') return true;
      }
      if (monotonicMs() > giveUpAtMs) return false;
      await delay(pauseMs);
    }
  }

  private async runHook(): Promise<void> {
    const { book, control, order, agent } = this.tools;
    const isOff = async (): Promise<boolean> => (await control.standing().catch(() => 'running')) === 'off';
    const said = await runAfterHook(agent, order.afterHook, { patienceMs: HOOK_PATIENCE_MS, isOff }).catch((error: unknown) => errorMessage(error));
    await book.change({ afterHookRun: true });
    await book.note(
      said === null
        ? `ran the hook after the freeze of ${order.server.name}: the worker died`
        : `the hook after the freeze of ${order.server.name} failed: ${said}`,
    );
  }
}
