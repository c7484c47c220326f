import { formatDuration } from '../../contracts/format';
import type { RunStepView, RunView, StepProgress } from '../../contracts/run';
import { rateWords, shareText, stalledText } from '../output/progress';
import { RetryingNotes, retryingWords } from '../output/retrying';
import { clock, padEnd, plain } from '../output/text';

/** A line of progress at most this often. */
const PROGRESS_EVERY_MS = 5_000;
const STALLED_AFTER_MS = 10_000;
const REMIND_EVERY_MS = 30_000;
const RATE_WINDOW_MS = 20_000;

interface Watched {
  state: RunStepView['state'];
  /** By the clock of whoever observed the copy. */
  samples: { readonly atMs: number; readonly doneBytes: number }[];
  /** By our own clock. */
  changedAtMs: number;
  printedAtMs: number;
  remindedAtMs: number;
}

/**
 * Turns the states of a run into lines: one per change of a step, progress every few seconds, and "stalled" when no byte was copied for a while. Lines
 * only, so that they read the same in a terminal, a log and a pager.
 */
export class RunReporter {
  private readonly steps = new Map<number, Watched>();
  private run: RunView | null = null;
  private readonly retrying = new RetryingNotes((text, at) => this.say(null, this.run?.state ?? '', text, at === null ? undefined : new Date(at)));

  constructor(
    private readonly print: (text: string) => void,
    private readonly now: () => Date,
  ) {}

  see(run: RunView): void {
    if (this.run?.state !== run.state && run.state === 'accepted') this.say(null, 'accepted', 'waits for its workflow to start');
    if (this.run?.cancelRequested === false && run.cancelRequested) this.say(null, run.state, 'cancel requested');
    this.run = run;
    for (const step of run.steps) this.seeStep(step);
    this.retrying.see(run.retrying);
  }

  /** Call about every second: says what does not move. */
  tick(): void {
    const nowMs = this.now().getTime();
    for (const step of this.run?.steps ?? []) {
      const watched = this.steps.get(step.seq);
      if (watched === undefined || (step.state !== 'running' && step.state !== 'waiting')) continue;
      const stillMs = nowMs - watched.changedAtMs;
      const copying = step.progress !== null && step.progress.doneBytes < step.progress.totalBytes;
      // Whoever sees the copy itself knows since when it stands still; we only know since when we have been told nothing new.
      const stalledSince = copying ? (step.progress?.stalledSince ?? null) : null;
      const stalledMs = stalledSince === null ? stillMs : Math.max(stillMs, nowMs - Date.parse(stalledSince));
      const firstAfterMs = stalledSince !== null ? 0 : copying ? STALLED_AFTER_MS : REMIND_EVERY_MS;
      if (stillMs < firstAfterMs || nowMs - watched.remindedAtMs < REMIND_EVERY_MS) continue;
      watched.remindedAtMs = nowMs;
      const still =
        copying && step.progress !== null ? `${shareText(step.progress)}, ${stalledText(stalledMs / 1000)}` : `for ${formatDuration(stillMs / 1000)}`;
      const retrying = this.run?.retrying ?? null;
      this.say(step, step.state, retrying === null ? still : `${still}; ${retryingWords(retrying)}: ${retrying.error.code}`);
    }
  }

  private seeStep(step: RunStepView): void {
    const nowMs = this.now().getTime();
    const before = this.steps.get(step.seq);
    const watched = before ?? { state: 'pending', samples: [], changedAtMs: nowMs, printedAtMs: 0, remindedAtMs: 0 };
    this.steps.set(step.seq, watched);
    if (watched.state !== step.state) {
      watched.state = step.state;
      watched.changedAtMs = nowMs;
      watched.remindedAtMs = 0;
      this.sayState(step);
    }
    const last = watched.samples.at(-1);
    if (step.state !== 'running' || step.progress === null || last?.doneBytes === step.progress.doneBytes) return;
    watched.changedAtMs = nowMs;
    watched.remindedAtMs = 0;
    const atMs = Date.parse(step.progress.updatedAt);
    // A copy that begins again after a crash starts at zero: its old speed says nothing.
    const restarted = last !== undefined && step.progress.doneBytes < last.doneBytes;
    watched.samples = [
      ...(restarted ? [] : watched.samples.filter((sample) => atMs - sample.atMs <= RATE_WINDOW_MS)),
      { atMs, doneBytes: step.progress.doneBytes },
    ];
    if (nowMs - watched.printedAtMs < PROGRESS_EVERY_MS) return;
    watched.printedAtMs = nowMs;
    this.say(step, 'running', [shareText(step.progress), ...pace(step.progress, watched.samples)].join(', '));
  }

  private sayState(step: RunStepView): void {
    const at = step.finishedAt ?? step.startedAt;
    const took =
      step.startedAt !== null && step.finishedAt !== null ? `, ${formatDuration((Date.parse(step.finishedAt) - Date.parse(step.startedAt)) / 1000)}` : '';
    const error = step.error === null ? '' : `: ${step.error.code}: ${step.error.message}`;
    this.say(step, step.state, `${step.title}${took}${error}`, at === null ? undefined : new Date(at));
  }

  private say(step: RunStepView | null, state: string, words: string, at: Date = this.now()): void {
    const width = Math.max(12, ...(this.run?.steps ?? []).map(({ key }) => key.length));
    this.print(`${clock(at)} ${padEnd(plain(step?.key ?? 'run'), width)}  ${padEnd(state, 9)} ${plain(words)}`);
  }
}

/** The figures of whoever observes the copy; before there are any, our own. */
function pace({ bytesPerSecond, secondsLeft, totalBytes }: StepProgress, samples: Watched['samples']): string[] {
  if (bytesPerSecond !== null) return rateWords(bytesPerSecond, secondsLeft);
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return [];
  const observed = ((last.doneBytes - first.doneBytes) * 1000) / (last.atMs - first.atMs);
  return rateWords(observed, observed <= 0 ? null : Math.max(0, totalBytes - last.doneBytes) / observed);
}
