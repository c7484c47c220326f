import type { Command } from 'commander';
import { durationOption } from '../context';
import type { WaitOptions } from '../watch/waiting';

/** Options that several commands share. */

export interface WaitFlags {
  readonly wait?: boolean;
  /** Milliseconds. */
  readonly timeout?: number;
}

export const withTimeout = (command: Command): Command =>
  command.option('--timeout <time>', 'how long to wait, such as 90s, 5m or 2h; the run goes on afterwards', durationOption);

export const withWait = (command: Command): Command => withTimeout(command.option('--wait', 'wait for the end and show the steps'));

export const waitOptions = ({ timeout }: WaitFlags): WaitOptions => ({ timeoutMs: timeout ?? null });

/** Of an option that may be repeated. */
export const several = (value: string, earlier: readonly string[] = []): readonly string[] => [...earlier, value];

/** Shown below the options in the command's help. */
export const examples = (command: Command, lines: readonly string[]): Command =>
  command.addHelpText('after', `\nExample${lines.length === 1 ? '' : 's'}:\n${lines.map((text) => `  ${text}`).join('\n')}`);
