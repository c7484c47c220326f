import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { offsiteLocation, type OffsiteMedia } from '../../src/contracts/offsite';
import type { OffsiteRepository } from '../../src/repositories/offsite/offsite-repository';
import { createResticOffsiteRepository } from '../../src/repositories/offsite/restic-offsite-repository';
import { DirectorySecrets } from '../../src/secrets/directory-secrets';
import { runCommand } from '../../src/system/child-process';
import { filesBelow } from './secret-hunt';

/** An off-site repository of restic in a directory of its own, and what can be done to it from outside. */
export class OffsiteLab {
  readonly directory = mkdtempSync(join(tmpdir(), 'modosu-offsite-'));
  readonly stored = join(this.directory, 'stored');
  readonly secrets = new DirectorySecrets(join(this.directory, 'secrets'));
  private readonly mounts: string[] = [];
  private programs = 0;

  constructor() {
    mkdirSync(this.stored);
  }

  repository(
    changes: {
      readonly location?: string;
      readonly media?: OffsiteMedia;
      readonly program?: string;
      readonly secrets?: DirectorySecrets;
      readonly name?: string;
    } = {},
  ): OffsiteRepository {
    const { location = this.stored, media = 'fixed', name = 'vault', ...others } = changes;
    return createResticOffsiteRepository({ name, location: offsiteLocation(location), media, secrets: this.secrets, ...others });
  }

  /** A file system of its own, such as a medium is. */
  async mount(path: string, size: string): Promise<void> {
    mkdirSync(path, { recursive: true });
    await must('mount', '-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', path);
    this.mounts.push(path);
  }

  async unmount(path: string): Promise<void> {
    await must('umount', path);
    this.mounts.splice(this.mounts.indexOf(path), 1);
  }

  /** A program to be run in the place of restic; `$*` are its arguments. */
  program(script: string): string {
    this.programs += 1;
    const path = join(this.directory, `restic-${this.programs}`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  /** restic as a person uses it, with nothing but the password. */
  async byHand(args: readonly string[], stored = this.stored): Promise<string> {
    const { exitCode, stdout, stderr } = await runCommand(['restic', '--no-cache', ...args], {
      env: { RESTIC_REPOSITORY: stored, RESTIC_PASSWORD_FILE: this.secrets.fileOf('offsite/vault/password') },
      timeoutMs: 60_000,
    });
    if (exitCode !== 0) throw new Error(stderr);
    return stdout;
  }

  /** Files of one type, largest first. */
  storedFiles(type: 'data' | 'locks' | 'keys' | 'snapshots' | 'index', stored = this.stored): readonly string[] {
    return filesBelow(join(stored, type)).toSorted((a, b) => statSync(b).size - statSync(a).size);
  }

  async dispose(): Promise<void> {
    for (const path of [...this.mounts]) await this.unmount(path);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function must(...argv: [string, ...string[]]): Promise<void> {
  const { exitCode, stderr } = await runCommand(argv);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
}
