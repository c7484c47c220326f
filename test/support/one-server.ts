import { readFileSync } from 'node:fs';
import type { CommandOutcome } from '../../src/system/child-process';
import { Virsh } from '../../src/hypervisors/libvirt/virsh';

export const ONE_UUID = '6f1c7a0e-4f64-4f0a-9a52-0c7e4f3b9d11';

/** libvirt with one server, which is off at first, and somebody who may act between two calls. */
export class OneServer extends Virsh {
  definition: string | null = null;
  isRunning = false;
  readonly calls: string[] = [];
  /** Runs after the answer to a call was made, before it arrives. */
  meanwhile: (command: string) => void = () => undefined;
  /** Runs once when a definition was written for the next define, before the last look at the server. */
  beforeDefine: (() => Promise<void>) | null = null;

  override async withFile<T>(content: string, use: (path: string) => Promise<T>): Promise<T> {
    return super.withFile(content, async (path) => {
      const before = this.beforeDefine;
      this.beforeDefine = null;
      await before?.();
      return use(path);
    });
  }

  override async attempt(args: readonly [string, ...string[]]): Promise<CommandOutcome> {
    const [command] = args;
    this.calls.push(command);
    const answer = this.answer(command, args.at(-1) ?? '');
    this.meanwhile(command);
    return {
      exitCode: answer === null ? 1 : 0,
      signal: null,
      stdout: answer ?? '',
      stderr: answer === null ? 'error: failed to get domain' : '',
      truncated: false,
      timedOut: false,
    };
  }

  private answer(command: string, last: string): string | null {
    if (command === 'define') return (this.definition = readFileSync(last, 'utf8'));
    if (command === 'list') return this.definition === null ? '' : `${ONE_UUID}\n`;
    const present = this.definition;
    if (command === 'undefine') this.definition = null;
    if (command === 'start' || command === 'destroy') this.isRunning = command === 'start';
    const [id, state] = this.isRunning ? ['7', 'running'] : ['-', 'shut off'];
    return command === 'dominfo' && present !== null ? `Id:             ${id}\nState:          ${state}\nPersistent:     yes\nManaged save:   no\n` : present;
  }
}
