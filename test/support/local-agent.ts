import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError } from '../../src/contracts/errors';
import type { CommandResult, GuestAgent, GuestProgram } from '../../src/guests/guest-agent';

/** A guest agent whose guest is this machine: the same programs in a tenth of the time, for quick development. */
export class LocalAgent implements GuestAgent {
  private readonly ended = new Map<number, Promise<CommandResult>>();

  async info(): Promise<{ version: string; commands: readonly string[] }> {
    return { version: 'local', commands: [] };
  }
  async waitUntilAnswering(): Promise<void> {}
  async freeze(): Promise<number> {
    return 0;
  }
  async thaw(): Promise<number> {
    return 0;
  }
  async isFrozen(): Promise<boolean> {
    return false;
  }

  async exec(argv: readonly [string, ...string[]], options: { readonly timeoutMs: number } & Omit<GuestProgram, 'argv'>): Promise<CommandResult> {
    const pid = await this.start({ argv, ...options });
    for (;;) {
      const ended = await this.outcome(pid);
      if (ended !== null) return ended;
      await delay(5);
    }
  }

  async start({ argv: [program, ...args], env = {}, input }: GuestProgram): Promise<number> {
    const child = spawn(program, args, {
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C', ...env },
      cwd: '/',
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (piece: Buffer) => out.push(piece));
    child.stderr.on('data', (piece: Buffer) => err.push(piece));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('error', (error) =>
        reject(
          new ModosuError('AGENT_COMMAND_FAILED', error.message.includes('ENOENT') ? 'No such file or directory' : error.message, {
            context: { refused: true },
          }),
        ),
      );
      child.once('spawn', () => resolve(child.pid ?? 0));
    });
    this.ended.set(
      pid,
      new Promise((resolve) =>
        child.once('close', (code, signal) =>
          resolve({
            exitCode: code ?? 128 + (signal === 'SIGKILL' ? 9 : 15),
            stdout: Buffer.concat(out).toString(),
            stderr: Buffer.concat(err).toString(),
            truncated: false,
          }),
        ),
      ),
    );
    return pid;
  }

  async outcome(pid: number): Promise<CommandResult | null> {
    const ended = this.ended.get(pid);
    if (ended === undefined) throw new ModosuError('AGENT_COMMAND_FAILED', 'no such process', { context: { refused: true } });
    const result = await Promise.race([ended, delay(2).then(() => null)]);
    if (result !== null) this.ended.delete(pid);
    return result;
  }

  async readFile(path: string, { maxBytes }: { readonly maxBytes: number }): Promise<Buffer | null> {
    const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw new ModosuError('AGENT_COMMAND_FAILED', error.message);
    });
    if (file === null) return null;
    try {
      const buffer = Buffer.alloc(maxBytes);
      const { bytesRead } = await file.read(buffer, 0, maxBytes, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }
}
