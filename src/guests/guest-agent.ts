import { isModosuError } from '../contracts/errors';

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Output beyond the limit was cut. */
  readonly truncated: boolean;
}

/** A program to run in the guest. No shell. */
export interface GuestProgram {
  /** Visible to everybody on host and guest: no secrets. */
  readonly argv: readonly [string, ...string[]];
  /** The environment besides PATH, HOME and LC_ALL=C. May hold secrets: it reaches the guest without standing in any argument vector. */
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input, at most 128 KiB. May hold secrets. */
  readonly input?: string | Uint8Array;
}

/**
 * The agent inside one guest. What it answers is hostile input: bounded in size and time, parsed, never trusted to be what was asked for.
 * Throws `AGENT_ABSENT` when the server has no channel, `AGENT_SILENT` when nobody answers in time, `AGENT_COMMAND_FAILED` with the agent's message,
 * `GUEST_COMMAND_FORBIDDEN` for a command that its administrator has switched off, or that it does not know.
 */
export interface GuestAgent {
  /** True when the agent answers within `timeoutMs`; never throws for silence. */
  answers(timeoutMs: number): Promise<boolean>;
  /** Version and names of enabled commands. */
  info(timeoutMs: number): Promise<{ readonly version: string; readonly commands: readonly string[] }>;
  /** Waits until the agent answers; `AGENT_SILENT` after `deadlineMs`. `onWaiting` is called at least every 5 s. */
  waitUntilAnswering(options: { readonly deadlineMs: number; readonly signal: AbortSignal; readonly onWaiting?: () => void }): Promise<void>;
  /** Runs a program (no shell) and waits for its end. Not idempotent. Arguments are visible on host and guest: no secrets. */
  exec(argv: readonly [string, ...string[]], options: { readonly timeoutMs: number; readonly maxOutputBytes?: number } & Omit<GuestProgram, 'argv'>): Promise<CommandResult>;
  /** Starts a program and returns its process id in the guest. Not idempotent. `timeoutMs` is for the agent's answer, not for the program. */
  start(program: GuestProgram, options: { readonly timeoutMs: number }): Promise<number>;
  /**
   * What became of a program that `start` began; null while it runs. The agent tells an end only once: a process id it does not know (any more) is `AGENT_COMMAND_FAILED`.
   * Output is kept in the agent's memory. An answer of more than some 7 MiB costs the server its agent until the guest is started anew (measured): what may be longer goes through a file.
   */
  outcome(pid: number, options: { readonly timeoutMs: number; readonly maxOutputBytes?: number }): Promise<CommandResult | null>;
  /** The first `maxBytes` (at most 16 MiB) of a file in the guest, also of files without a size as in /proc. Null: it is not there. `AGENT_COMMAND_FAILED` for anything else that goes wrong. */
  readFile(path: string, options: { readonly timeoutMs: number; readonly maxBytes: number }): Promise<Buffer | null>;
  /**
   * Freezes all file systems of the guest; returns how many. Who calls it owes a thaw, also when it throws: a freeze that was not answered in time may still happen. Not idempotent: a frozen
   * guest refuses (`AGENT_COMMAND_FAILED`).
   */
  freeze(timeoutMs: number): Promise<number>;
  /** Thaws them; returns how many were frozen, 0 when none was. Idempotent. */
  thaw(timeoutMs: number): Promise<number>;
  /** Whether the agent says that file systems are frozen. */
  isFrozen(timeoutMs: number): Promise<boolean>;
}

/** Silence of an agent, and the refusal of one whose file systems are frozen: both end by themselves, and the program that was asked about goes on. */
export const passesByItself = (error: unknown): boolean => isModosuError(error) && (error.code === 'AGENT_SILENT' || (error.code === 'AGENT_COMMAND_FAILED' && /frozen/i.test(error.message)));
