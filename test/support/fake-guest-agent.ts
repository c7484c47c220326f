import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError } from '../../src/contracts/errors';
import type { ServerRef } from '../../src/contracts/server';
import type { CommandResult, GuestAgent } from '../../src/guests/guest-agent';

/** Answers as long as its server runs; every program ends well at once, but that which checks passwords. */
export class FakeGuestAgent implements GuestAgent {
  private frozen = false;

  constructor(
    private readonly server: ServerRef,
    private readonly isAnswering: () => boolean,
    /** By account; others are not there. */
    private readonly passwords = new Map<string, string>(),
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

  async exec(argv: readonly [string, ...string[]], { input }: { readonly input?: string | Uint8Array } = {}): Promise<CommandResult> {
    this.requireAnswer();
    if (argv[0] === 'unix_chkpwd') return { exitCode: this.checkPassword(argv[1] ?? '', String(input)), stdout: '', stderr: '', truncated: false };
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

  async clock(): Promise<Date> {
    this.requireAnswer();
    return new Date();
  }

  async setPassword(account: string, password: string): Promise<void> {
    this.requireAnswer();
    if (!this.passwords.has(account)) throw new ModosuError('CREDENTIAL_NOT_SET', 'The guest knows no such account.');
    this.passwords.set(account, password);
  }

  /** As Linux-PAM: 7 for a wrong one, 10 for nobody. */
  private checkPassword(account: string, input: string): number {
    const known = this.passwords.get(account);
    return known === undefined ? 10 : input === `${known}\0` ? 0 : 7;
  }

  private requireAnswer(): void {
    if (!this.isAnswering()) throw new ModosuError('AGENT_SILENT', `The guest agent of ${this.server.name} does not answer.`);
  }
}
