import { InvalidArgumentError, type Command } from 'commander';
import { MAX_PAGE, type PageOf } from '../contracts/api/common';
import { ModosuError } from '../contracts/errors';
import { isFinal, type RunState, type RunView } from '../contracts/run';
import { idSelector, serverSelector, type SelectablePrefix } from '../contracts/selectors';
import { ApiClient } from './api-client';
import { findConnection } from './connection';
import { EXIT } from './exit-codes';
import { line, type CliIo } from './io';
import { Printer, type OutputFormat } from './output/printer';
import { runText, waitingText, waitsForPerson } from './output/runs';
import { waitForRun, type WaitOptions } from './watch/waiting';

/** What every command is given. */
export class CliContext {
  exitCode: number = EXIT.done;

  constructor(readonly io: CliIo) {}

  printer(command: Command): Printer {
    const { output } = command.optsWithGlobals<{ output?: OutputFormat }>();
    return new Printer(this.io, output ?? 'table');
  }

  async client(): Promise<ApiClient> {
    return new ApiClient(await findConnection(this.io));
  }

  /** All items, page after page, up to `limit`; says so when there are more. */
  async list<T>(printer: Printer, path: string, query: Readonly<Record<string, string | undefined>>, limit: number): Promise<readonly T[]> {
    const client = await this.client();
    const items: T[] = [];
    let cursor: string | undefined;
    do {
      const { value: page } = await client.get<PageOf<T>>(path, { ...query, limit: Math.min(limit - items.length, MAX_PAGE), cursor });
      items.push(...page.items);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined && items.length < limit);
    if (cursor !== undefined) printer.note(`There are more; show them with --limit ${limit * 10}.`);
    return items;
  }

  /** Prints an accepted run, or waits for its end and prints that. A run that did not succeed, or that waits for a person, ends the command with its code. */
  async finish(printer: Printer, client: ApiClient, run: RunView, wait: boolean, options: WaitOptions): Promise<void> {
    if (!wait) {
      printer.data(run, () => runText(run, printer, this.io.now()));
      return;
    }
    printer.note(`Run ${run.id} is accepted. Safe to close: it goes on by itself.`);
    this.conclude(printer, await this.waitFor(printer, client, run.id, options));
  }

  /** Waits with the steps on standard error. */
  async waitFor(printer: Printer, client: ApiClient, runId: string, options: WaitOptions): Promise<RunView> {
    return waitForRun(
      this.io,
      client,
      runId,
      (text) => printer.note(text),
      (text) => printer.note(text),
      { stopsAt: waitsForPerson, ...options },
    );
  }

  /** Watching prints the steps as data. */
  async watch(printer: Printer, client: ApiClient, runId: string, options: WaitOptions): Promise<void> {
    const print = (text: string): void => line(printer.format === 'table' ? this.io.stdout : this.io.stderr, text);
    const ended = await waitForRun(this.io, client, runId, print, (text) => printer.note(text), { stopsAt: waitsForPerson, ...options });
    this.conclude(printer, ended);
  }

  /** Prints how a run stands. One that has not ended as hoped for ends the command with its code. */
  conclude(printer: Printer, run: RunView, hopedFor: RunState = 'succeeded'): void {
    printer.data(run, () => runText(run, printer, this.io.now()));
    if (waitsForPerson(run)) {
      printer.note(waitingText(run));
      this.exitCode = EXIT.waitingForPerson;
    }
    if (run.state === hopedFor || !isFinal(run.state)) return;
    const why = run.error === null ? '' : `: ${run.error.code}: ${run.error.message}`;
    throw new ModosuError(
      run.state === 'cancelled' ? 'RUN_CANCELLED' : 'RUN_FAILED',
      `Run ${run.id} ${run.state === 'cancelled' ? 'was cancelled' : 'failed'}${why}`,
      {
        hint: run.error?.hint ?? `See \`modosu run show ${run.id}\`.`,
      },
    );
  }
}

/** The path segment of a server. What cannot be a name is refused here: `..` would change the address. */
export const serverSegment = (name: string): string => encodeURIComponent(serverSelector(name));

/** The path segment of an id; refused here for the same reason. */
export const idSegment = (prefix: SelectablePrefix, id: string): string => encodeURIComponent(idSelector(prefix, id));

/** `90`, `90s`, `5m`, `2h` as milliseconds. */
export function durationOption(text: string): number {
  const match = /^(\d{1,6})(s|m|h)?$/.exec(text);
  const amount = Number(match?.[1] ?? 0);
  if (match === null || amount === 0) throw new InvalidArgumentError('Use a time like 90s, 5m or 2h.');
  return amount * { s: 1000, m: 60_000, h: 3_600_000 }[(match[2] ?? 's') as 's' | 'm' | 'h'];
}

export function limitOption(text: string): number {
  const limit = Number(text);
  if (!/^\d{1,6}$/.test(text) || limit === 0) throw new InvalidArgumentError('Use a number from 1 to 999999.');
  return limit;
}
