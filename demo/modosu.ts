import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Narrator } from './narrator';

const PROGRAM = join(__dirname, '..', '..', 'bin', 'modosu');

export interface ModosuOutcome {
  readonly exitCode: number;
  readonly stdout: string;
}

/** The program as a person uses it: every call is a process of its own. */
export class ModosuProgram {
  private up: ChildProcess | null = null;
  private upEnded: Promise<number> = Promise.resolve(0);

  constructor(
    private readonly narrator: Narrator,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /**
   * Starts `modosu up` and waits for its line `ready: …`. Throws with the end of its log when it ends before. It drains when this process dies,
   * however it dies; Ctrl-C reaches it only through `stop`.
   */
  async start(onStarted: (pid: number) => Promise<void>): Promise<string> {
    const argv = ['--pdeathsig', 'TERM', '--', process.execPath, PROGRAM, 'up'];
    const child = spawn('setpriv', argv, { env: this.env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.up = child;
    this.upEnded = new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)));
    if (child.pid !== undefined) await onStarted(child.pid);
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-4000)));
    return new Promise((resolve, reject) => {
      let out = '';
      child.stdout.on('data', (chunk: Buffer) => {
        out = (out + chunk.toString()).slice(-4000);
        const ready = /^ready: (\S+)/m.exec(out)?.[1];
        if (ready !== undefined) resolve(ready);
      });
      void this.upEnded.then((code) => reject(new Error(`modosu up ended with exit code ${code}:\n${log}`)));
    });
  }

  /** SIGTERM, and wait: `modosu up` drains and stops what it supervises. */
  async stop(): Promise<void> {
    if (this.up === null || this.up.exitCode !== null) return;
    this.up.kill('SIGTERM');
    await this.upEnded;
  }

  /** Runs a command, shows it and what it prints; returns its standard output. */
  async show(...args: readonly string[]): Promise<ModosuOutcome> {
    this.narrator.typed(['modosu', ...args].map(quoted).join(' '));
    return this.run(args, true);
  }

  /** Runs a command for its JSON. Throws when it fails. */
  async json<T>(...args: readonly string[]): Promise<T> {
    const { exitCode, stdout } = await this.run([...args, '--output', 'json'], false);
    if (exitCode !== 0) throw new Error(`modosu ${args.join(' ')} ended with exit code ${exitCode}.`);
    return JSON.parse(stdout) as T;
  }

  private run(args: readonly string[], visible: boolean): Promise<ModosuOutcome> {
    const child = spawn(process.execPath, [PROGRAM, ...args], { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    const lines = new LineSplitter((line) => visible && this.narrator.output(line));
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      lines.push(chunk.toString());
    });
    const errors = new LineSplitter((line) => this.narrator.output(line));
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()));
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        lines.end();
        errors.end();
        resolve({ exitCode: code ?? 1, stdout });
      });
    });
  }
}

const quoted = (arg: string): string => (/^[\w./:@=-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`);

/** Output arrives in pieces; people read lines. */
class LineSplitter {
  private rest = '';
  constructor(private readonly each: (line: string) => unknown) {}
  push(text: string): void {
    const parts = (this.rest + text).split('\n');
    this.rest = parts.pop() ?? '';
    for (const line of parts) this.each(line);
  }
  end(): void {
    if (this.rest !== '') this.each(this.rest);
    this.rest = '';
  }
}
