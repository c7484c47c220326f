import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError } from '../../src/contracts/errors';
import type { ServerRef } from '../../src/contracts/server';
import type { CommandResult, GuestAgent } from '../../src/guests/guest-agent';

/** Answers as long as its server runs; every program ends well at once. */
export class FakeGuestAgent implements GuestAgent {
  private frozen = false;

  constructor(
    private readonly server: ServerRef,
    private readonly isAnswering: () => boolean,
  ) {}

  async info(): Promise<{ readonly version: string; readonly commands: readonly string[] }> {
    this.requireAnswer();
    return { version: '0', commands: ['guest-exec', 'guest-ping'] };
  }

  async waitUntilAnswering(options: { readonly deadlineMs: number; readonly signal: AbortSignal }): Promise<void> {
    const giveUpAt = performance.now() + options.deadlineMs;
    while (!this.isAnswering()) {
      if (performance.now() >= giveUpAt) this.requireAnswer();
      await delay(10, undefined, { signal: options.signal }).catch(() => options.signal.throwIfAborted());
    }
  }

  async exec(argv: readonly [string, ...string[]]): Promise<CommandResult> {
    this.requireAnswer();
    return { exitCode: 0, stdout: `${basename(argv[0])} ran\n`, stderr: '', truncated: false };
  }

  async start(): Promise<number> {
    this.requireAnswer();
    return 1;
  }

  async outcome(): Promise<CommandResult> {
    this.requireAnswer();
    return { exitCode: 0, stdout: '', stderr: '', truncated: false };
  }

  async readFile(): Promise<Buffer | null> {
    this.requireAnswer();
    return null;
  }

  async freeze(): Promise<number> {
    this.requireAnswer();
    if (this.frozen) throw new ModosuError('AGENT_COMMAND_FAILED', 'The guest is frozen already.');
    this.frozen = true;
    return 1;
  }

  async thaw(): Promise<number> {
    this.requireAnswer();
    const count = this.frozen ? 1 : 0;
    this.frozen = false;
    return count;
  }

  async isFrozen(): Promise<boolean> {
    this.requireAnswer();
    return this.frozen;
  }

  private requireAnswer(): void {
    if (!this.isAnswering()) throw new ModosuError('AGENT_SILENT', `The guest agent of ${this.server.name} does not answer.`);
  }
}
