import { readFile } from 'node:fs/promises';
import { runCli } from '../../src/cli/main';
import { directoryProfiles } from '../../src/profiles/directory-profile-source';
import { writeDown } from '../support/command-ledger';
import type { ApiHarness } from './api-harness';

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A CLI command under way; `interrupt` is Ctrl-C. */
export class CliRun {
  stdout = '';
  stderr = '';
  private handlers: (() => void)[] = [];
  private readonly exit: Promise<number>;

  constructor(argv: readonly string[], env: Readonly<Record<string, string | undefined>>, terminal = false) {
    this.exit = runCli(argv, {
      version: '1.2.3',
      io: {
        stdout: { write: (text) => (this.stdout += text), isTTY: terminal },
        stderr: { write: (text) => (this.stderr += text), isTTY: terminal },
        env,
        readFile: (path) => readFile(path),
        shippedProfiles: async () => (await directoryProfiles(null).find()).profiles.map(({ profile }) => profile),
        onInterrupt: (handler) => {
          this.handlers.push(handler);
          return () => (this.handlers = this.handlers.filter((other) => other !== handler));
        },
      },
    });
    void this.exit.then((code) => writeDown(argv, code, this.stdout));
  }

  get interruptible(): boolean {
    return this.handlers.length > 0;
  }

  interrupt(): void {
    for (const handler of this.handlers) handler();
  }

  async end(): Promise<CliResult> {
    const code = await this.exit;
    return { code, stdout: this.stdout, stderr: this.stderr };
  }
}

export const startCli = (api: ApiHarness, argv: readonly string[], env: Readonly<Record<string, string | undefined>> = {}): CliRun =>
  new CliRun(argv, { MODOSU_STATE_DIR: api.directory, MODOSU_API_URL: api.url, MODOSU_TOKEN: api.tokens.admin, ...env });

/** Runs a command against the API as an administrator. */
export const cli = (api: ApiHarness, argv: readonly string[], env: Readonly<Record<string, string | undefined>> = {}): Promise<CliResult> =>
  startCli(api, argv, env).end();

export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
