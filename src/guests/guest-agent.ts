export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Output beyond the limit was cut. */
  readonly truncated: boolean;
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
  exec(argv: readonly [string, ...string[]], options: { readonly timeoutMs: number; readonly maxOutputBytes?: number }): Promise<CommandResult>;
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
