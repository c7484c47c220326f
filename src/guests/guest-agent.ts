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
 * The agent inside one guest. What it answers is hostile input: bounded in size and time, parsed, never trusted to be what was asked for. Two forms: the QEMU
 * guest agent through the hypervisor, and SSH for programs and files where the agent must run none.
 *
 * "(later)" marks errors that may pass by themselves; every other code is final (`error-codes.ts`). All methods throw `AGENT_ABSENT` when the server has no
 * channel, `AGENT_SILENT` (later) when nobody answers in time, `AGENT_COMMAND_FAILED` with the agent's message, `GUEST_COMMAND_FORBIDDEN` for a command that
 * its administrator has switched off, or that it does not know, and what every call to the hypervisor throws (`HYPERVISOR_UNREACHABLE` (later),
 * `SERVER_GONE`). Over SSH also
 * `GUEST_SSH_REFUSED` and `GUEST_PROGRAM_MISSING`.
 *
 * After `AGENT_SILENT` nobody knows whether what was asked for was done, or still will be. Each `timeoutMs` is the agent's; a call takes some seconds more
 * when the hypervisor itself is slow.
 */
export interface GuestAgent {
  /** Version and names of enabled commands; over SSH also those that SSH stands in for. Read-only. */
  info(timeoutMs: number): Promise<{ readonly version: string; readonly commands: readonly string[] }>;
  /**
   * Waits until the agent answers; an agent that answers with an error is waited for too. Throws `AGENT_SILENT` after `deadlineMs`, `AGENT_ABSENT` and
   * `GUEST_COMMAND_FORBIDDEN` at once, the signal's reason. Called again: waits anew, with a deadline of its own.
   */
  waitUntilAnswering(options: { readonly deadlineMs: number; readonly signal: AbortSignal }): Promise<void>;
  /**
   * Runs a program (no shell) and waits for its end, whatever its exit code. Arguments are visible on host and guest: no secrets. Not idempotent: a program
   * whose answer was lost, or that took longer than `timeoutMs` (`AGENT_COMMAND_FAILED`), may still run in the guest. For what may run twice, or is short;
   * long programs go through
   * `start`.
   */
  exec(
    argv: readonly [string, ...string[]],
    options: { readonly timeoutMs: number; readonly maxOutputBytes?: number } & Omit<GuestProgram, 'argv'>,
  ): Promise<CommandResult>;
  /**
   * Starts a program and returns its process id in the guest. `timeoutMs` is for the agent's answer, not for the program. Not idempotent: after
   * `AGENT_SILENT` it may run all the same, and a caller that dies has left it running: whoever tries again looks for it first.
   */
  start(program: GuestProgram, options: { readonly timeoutMs: number }): Promise<number>;
  /**
   * What became of a program that `start` began; null while it runs. An agent tells an end only once: a process id it does not know (any more, or since it
   * was restarted) is `AGENT_COMMAND_FAILED`. So an end whose answer was lost is lost; over SSH it can be asked for again (for two minutes at least). Output
   * is kept in the agent's memory. An answer of more than some 7 MiB costs the server its agent until the guest is started anew (measured): what may be
   * longer goes through a file.
   */
  outcome(pid: number, options: { readonly timeoutMs: number; readonly maxOutputBytes?: number }): Promise<CommandResult | null>;
  /**
   * The first `maxBytes` (at most 16 MiB) of a file in the guest, also of files without a size as in /proc. Null: it is not there. `AGENT_COMMAND_FAILED` for
   * anything else that goes wrong. Read in pieces: a file that is written meanwhile may come torn. Read-only.
   */
  readFile(path: string, options: { readonly timeoutMs: number; readonly maxBytes: number }): Promise<Buffer | null>;
  /**
   * Freezes all file systems of the guest; returns how many. Who calls it owes a thaw, also when it throws: a freeze that was not answered in time may still
   * happen. Not idempotent: a frozen guest refuses (`AGENT_COMMAND_FAILED`), whoever has frozen it.
   */
  freeze(timeoutMs: number): Promise<number>;
  /** Thaws them; returns how many were frozen, 0 when none was. Idempotent. Thaws what somebody else has frozen, too: ask `isFrozen` before the own freeze. */
  thaw(timeoutMs: number): Promise<number>;
  /**
   * Sets the password of an account of the guest's own (`guest-set-user-password`). It stands in no argument vector, and no error of it quotes what the guest has
   * said, which could be the password. Idempotent. Throws `CREDENTIAL_NOT_SET` where the agent refuses; whether it took is another question.
   */
  setPassword(account: string, password: string, options: { readonly timeoutMs: number }): Promise<void>;
  /** Whether the agent says that file systems are frozen. Read-only. */
  isFrozen(timeoutMs: number): Promise<boolean>;
  /** What the guest's clock says: `guest-get-time`, the system's clock and not that of its hardware. Read-only. */
  clock(timeoutMs: number): Promise<Date>;
}

const PASSING: ReadonlySet<string> = new Set(['AGENT_SILENT', 'HYPERVISOR_UNREACHABLE', 'HYPERVISOR_COMMAND_TIMED_OUT']);

/**
 * Silence of an agent, or of the hypervisor that is asked for it, and the refusal of one whose file systems are frozen: all end by themselves, and the
 * program that was asked about goes on.
 */
export const passesByItself = (error: unknown): boolean =>
  isModosuError(error) && (PASSING.has(error.code) || (error.code === 'AGENT_COMMAND_FAILED' && /frozen/i.test(error.message)));
