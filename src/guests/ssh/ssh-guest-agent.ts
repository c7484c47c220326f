import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isModosuError, ModosuError } from '../../contracts/errors';
import type { SshAccess } from '../../contracts/protection';
import { cleanWords } from '../../contracts/text';
import { runCommand } from '../../system/child-process';
import { fileExists, writeFileDurably } from '../../system/files';
import { sha256Of } from '../../system/sha256';
import type { CommandResult, GuestAgent, GuestProgram } from '../guest-agent';
import { between, fromBase64, outcomeScript, readScript, runScript, startScript, type Asked } from './guest-script';

/** The key with which we log in to guests. */
export interface SshIdentity {
  /** Private key, 0600. */
  readonly file: string;
  /** The line for `authorized_keys`. */
  readonly publicKey: string;
}

export interface SshGuestOptions {
  /** For everything but programs and files: freezing, thawing, the clock, whether the system has started. */
  readonly agent: GuestAgent;
  readonly server: { readonly uuid: string; readonly name: string };
  readonly access: SshAccess;
  /** Made at its first use. */
  readonly identity: () => Promise<SshIdentity>;
  /** Absolute; for files of known host keys. Made when it is missing. */
  readonly directory: string;
}

const CONNECT_SECONDS = 10;
/** To the time a program has got: the connection. */
const EXTRA_MS = 2_000 + CONNECT_SECONDS * 1000;
const DEFAULT_MAX_OUTPUT_BYTES = 1024 * 1024;
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** Two streams or a file in base64. */
const MAX_REPLY_BYTES = 48 * 1024 * 1024;
/** Under this name the declared key is known, whatever address the guest has. */
const HOST_KEY_ALIAS = 'modosu-guest';
const PROGRAMS = ['guest-exec', 'guest-exec-status', 'guest-file-open', 'guest-file-read'];

const HOST_KEY = /host key verification failed|host identification has changed|no .{1,40} host key is known|no matching host key/i;
const REFUSED = /permission denied|too many authentication failures/i;

/**
 * A guest whose agent must not run programs: programs and files go over SSH, all else through the agent. What a program is started with reaches the guest on
 * the standard input of its shell and stands in no argument vector. Unlike an agent's, a process id stays known for half an hour after the program's end.
 *
 * Throws `GUEST_SSH_REFUSED` when the guest shows another host key than the declared one or does not let us in, `AGENT_SILENT` when it cannot be reached or the
 * connection breaks, otherwise as `GuestAgent`.
 */
export class SshGuestAgent implements GuestAgent {
  private wasLetIn = false;

  constructor(private readonly options: SshGuestOptions) {}

  async info(timeoutMs: number): Promise<{ readonly version: string; readonly commands: readonly string[] }> {
    const { version, commands } = await this.options.agent.info(timeoutMs);
    return { version, commands: [...new Set([...commands, ...PROGRAMS])] };
  }

  waitUntilAnswering(options: Parameters<GuestAgent['waitUntilAnswering']>[0]): Promise<void> {
    return this.options.agent.waitUntilAnswering(options);
  }

  freeze(timeoutMs: number): Promise<number> {
    return this.options.agent.freeze(timeoutMs);
  }

  thaw(timeoutMs: number): Promise<number> {
    return this.options.agent.thaw(timeoutMs);
  }

  isFrozen(timeoutMs: number): Promise<boolean> {
    return this.options.agent.isFrozen(timeoutMs);
  }

  clock(timeoutMs: number): Promise<Date> {
    return this.options.agent.clock(timeoutMs);
  }

  /** Where its administrator has switched that off in the agent, too: by `chpasswd`, which reads account and password on its standard input. */
  async setPassword(account: string, password: string, options: { readonly timeoutMs: number }): Promise<void> {
    try {
      await this.options.agent.setPassword(account, password, options);
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'GUEST_COMMAND_FORBIDDEN') throw error;
      const { exitCode } = await this.exec(['chpasswd'], { ...options, input: `${account}:${password}\n` });
      if (exitCode === 0) return;
      throw new ModosuError('CREDENTIAL_NOT_SET', `chpasswd in ${this.options.server.name} ended with exit code ${exitCode}.`, {
        context: { uuid: this.options.server.uuid, account },
      });
    }
  }

  async exec(
    argv: readonly [string, ...string[]],
    { timeoutMs, maxOutputBytes = DEFAULT_MAX_OUTPUT_BYTES, ...given }: Parameters<GuestAgent['exec']>[1],
  ): Promise<CommandResult> {
    const said = await this.ask(
      (asked) => runScript(asked, { argv, ...given }, maxOutputBytes),
      timeoutMs,
      () => {
        throw new ModosuError('AGENT_COMMAND_FAILED', `${argv[0]} had not ended after ${timeoutMs / 1000} s in ${this.options.server.name}.`, {
          hint: 'It may still run in the guest. Wrap long commands with `timeout`.',
          context: { uuid: this.options.server.uuid },
        });
      },
    );
    if (said[0] === 'missing') throw this.missing(argv[0]);
    if (said[0] === 'unknown') throw this.lost(argv[0]);
    return this.result(said, maxOutputBytes);
  }

  async start(program: GuestProgram, { timeoutMs }: { readonly timeoutMs: number }): Promise<number> {
    const [said] = await this.ask((asked) => startScript(asked, program), timeoutMs);
    if (said === 'missing') throw this.missing(program.argv[0]);
    const pid = /^started ([1-9]\d{0,9})$/.exec(said ?? '')?.[1];
    if (pid === undefined) throw this.nonsense();
    return Number(pid);
  }

  async outcome(
    pid: number,
    { timeoutMs, maxOutputBytes = DEFAULT_MAX_OUTPUT_BYTES }: { readonly timeoutMs: number; readonly maxOutputBytes?: number },
  ): Promise<CommandResult | null> {
    if (!Number.isSafeInteger(pid) || pid <= 0) throw new ModosuError('INTERNAL', `${pid} is no process id.`);
    const said = await this.ask((asked) => outcomeScript(asked, pid, maxOutputBytes), timeoutMs);
    if (said[0] === 'runs') return null;
    if (said[0] === 'unknown') throw this.lost(`process ${pid}`);
    return this.result(said, maxOutputBytes);
  }

  async readFile(path: string, { timeoutMs, maxBytes }: { readonly timeoutMs: number; readonly maxBytes: number }): Promise<Buffer | null> {
    const limit = Math.min(maxBytes, MAX_FILE_BYTES);
    const [what, ...lines] = await this.ask((asked) => readScript(asked, path, limit), timeoutMs);
    if (what === 'none') return null;
    const content = fromBase64(lines);
    if (what === 'content' && content !== null) return content.subarray(0, limit);
    const words = what === 'directory' ? 'it is a directory' : what === 'failed' && content !== null ? cleanWords(content.toString('utf8')) : null;
    if (words === null) throw this.nonsense();
    throw new ModosuError('AGENT_COMMAND_FAILED', `A file in ${this.options.server.name} cannot be read: ${words}`, {
      context: { uuid: this.options.server.uuid },
    });
  }

  private result([first = '', ...lines]: readonly string[], limit: number): CommandResult {
    const [, code, outBytes, errBytes, cut] = /^ended (\d{1,3}) +(\d{1,9}) +(\d{1,9}) (whole|cut)$/.exec(first) ?? [];
    const middle = lines.indexOf('.');
    const stdout = fromBase64(lines.slice(0, Math.max(0, middle)));
    const stderr = fromBase64(lines.slice(middle + 1));
    if (code === undefined || middle === -1 || stdout === null || stderr === null) throw this.nonsense();
    return {
      exitCode: Number(code),
      stdout: stdout.subarray(0, limit).toString('utf8'),
      stderr: stderr.subarray(0, limit).toString('utf8'),
      truncated: cut === 'cut' || Number(outBytes) > limit || Number(errBytes) > limit,
    };
  }

  /** What a script has said. `late`: what to throw when it has begun and takes longer than `timeoutMs`; absent, the guest is silent. */
  private async ask(script: (asked: Asked) => string, timeoutMs: number, late?: () => never): Promise<readonly string[]> {
    const { server, access, identity, directory } = this.options;
    const mark = randomBytes(12).toString('hex');
    const input = script({ mark, uuid: server.uuid });
    const { file, publicKey } = await identity();
    const hostKeys = await knownHosts(directory, access.hostKey);
    const { exitCode, stdout, stderr, timedOut, truncated } = await runCommand(sshArguments(access, file, hostKeys), {
      input,
      timeoutMs: timeoutMs + EXTRA_MS,
      maxOutputBytes: MAX_REPLY_BYTES,
    });
    const { said, begun, complete } = between(mark, stdout);
    if (begun) this.wasLetIn = true;
    const place = `${access.user}@${access.host}, port ${access.port}`;
    const context = { uuid: server.uuid, host: access.host, port: access.port };
    if (complete && !truncated) return this.taken(said, place);
    // A shell that repeats what it reads must not bring what is secret in it into an error.
    const words = cleanWords(stderr.trim().replace(/[A-Za-z0-9+/=]{20,}/g, '…'));
    // ssh's own words: later ones are the guest's.
    if (!begun && exitCode === 255 && HOST_KEY.test(stderr)) {
      throw new ModosuError(
        'GUEST_SSH_REFUSED',
        `${place}, which should be ${server.name}, shows another host key than the declared one. Nothing was sent to it.`,
        {
          hint: 'If the server has a new host key on purpose, declare it under "ssh" of the server (`ssh-keyscan HOST`, compared with the file in the guest); otherwise find out who answers there.',
          context,
        },
      );
    }
    // One that has let us in before may have a moment's trouble.
    if (!begun && exitCode === 255 && REFUSED.test(stderr) && !this.wasLetIn) {
      throw new ModosuError('GUEST_SSH_REFUSED', `${server.name} does not let Modosu in over SSH (${place}): ${words}`, {
        hint: `Put this line into the authorized_keys of ${access.user} in the guest: ${publicKey}`,
        context,
      });
    }
    if (timedOut && begun && late !== undefined) late();
    if (timedOut) {
      throw new ModosuError('AGENT_SILENT', `${server.name} has not answered over SSH (${place}) within ${Math.ceil(timeoutMs / 1000)} s.`, {
        hint: SSH_HINT,
        context,
      });
    }
    if (exitCode === 255 || exitCode === null) {
      throw new ModosuError('AGENT_SILENT', `${server.name} cannot be reached over SSH (${place}), or the connection broke: ${words}`, {
        hint: SSH_HINT,
        context,
      });
    }
    // A forced command, a restricted shell, sudo that asks.
    if (!begun) {
      throw new ModosuError('GUEST_SSH_REFUSED', `${server.name} lets Modosu in over SSH (${place}) and runs no shell for it: ${words}`, {
        hint: `/bin/sh has to run there for ${access.user}${access.sudo ? ', through `sudo -n` without a question' : ''}.`,
        context,
      });
    }
    // Callers take these words for those about the program they wanted.
    throw new ModosuError(
      'AGENT_COMMAND_FAILED',
      `The shell of ${server.name} (SSH, ${place}) did not do what was asked: ${words.replace(/no such file or directory|not found/gi, 'missing')}`,
      { context },
    );
  }

  /** What a script says before it does anything. */
  private taken(said: readonly string[], place: string): readonly string[] {
    const { server } = this.options;
    const [first = ''] = said;
    if (first === 'other') {
      throw new ModosuError('GUEST_SSH_REFUSED', `${place} is another machine than ${server.name}: it has another UUID. Nothing was done there.`, {
        hint: 'Correct host and hostKey under "ssh" of the server.',
        context: { uuid: server.uuid },
      });
    }
    const lacking = /^lacks ([a-z0-9]{1,20})$/.exec(first)?.[1];
    if (lacking !== undefined) {
      throw new ModosuError('GUEST_PROGRAM_MISSING', `${server.name} has no ${lacking}, which programs over SSH need.`, { context: { program: lacking } });
    }
    if (first === 'no keeper') {
      throw new ModosuError('AGENT_SILENT', `No process could be started in ${server.name} over SSH.`, { context: { uuid: server.uuid } });
    }
    return said;
  }

  private lost(what: string): ModosuError {
    return new ModosuError('AGENT_COMMAND_FAILED', `${this.options.server.name} does not know (any more) what became of ${what}.`, {
      context: { uuid: this.options.server.uuid },
    });
  }

  /** In the words of a guest agent: callers know them. */
  private missing(program: string): ModosuError {
    return new ModosuError('AGENT_COMMAND_FAILED', `Failed to execute child process "${program}" in ${this.options.server.name} (No such file or directory)`, {
      context: { uuid: this.options.server.uuid },
    });
  }

  private nonsense(): ModosuError {
    return new ModosuError('AGENT_COMMAND_FAILED', `The shell of ${this.options.server.name} gave an answer over SSH that cannot be read.`, {
      context: { uuid: this.options.server.uuid },
    });
  }
}

const SSH_HINT = 'Is the SSH server of the guest running, and can the worker reach it? In quarantine only the backup network answers.';

/** ssh takes its options apart as words in quotes, and expands "%". */
const fileOption = (path: string): string => `"${path.replace(/["\\]/g, '\\$&').replaceAll('%', '%%')}"`;

/** Nothing of the user's own configuration, no agent, no forwarding, no questions; only the declared host key. */
const sshArguments = ({ host, port, user, sudo }: SshAccess, identityFile: string, knownHostsFile: string): readonly [string, ...string[]] => [
  'ssh',
  '-F',
  '/dev/null',
  '-T',
  ...[
    'BatchMode=yes',
    `IdentityFile=${fileOption(identityFile)}`,
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'PreferredAuthentications=publickey',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${fileOption(knownHostsFile)}`,
    'GlobalKnownHostsFile=/dev/null',
    `HostKeyAlias=${HOST_KEY_ALIAS}`,
    'CheckHostIP=no',
    'UpdateHostKeys=no',
    'VerifyHostKeyDNS=no',
    'ClearAllForwardings=yes',
    'ForwardAgent=no',
    'ForwardX11=no',
    'PermitLocalCommand=no',
    'ControlPath=none',
    'EscapeChar=none',
    `ConnectTimeout=${CONNECT_SECONDS}`,
    'ServerAliveInterval=5',
    'ServerAliveCountMax=4',
    'LogLevel=ERROR',
  ].flatMap((option) => ['-o', option]),
  '-p',
  String(port),
  '-l',
  user,
  '--',
  host,
  sudo ? 'sudo -n /bin/sh' : '/bin/sh',
];

/** The file with exactly this key, named after it. */
async function knownHosts(directory: string, hostKey: string): Promise<string> {
  const line = `${HOST_KEY_ALIAS} ${hostKey}\n`;
  const path = join(directory, `known-${sha256Of(line).slice(0, 32)}`);
  if (!(await fileExists(path))) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFileDurably(path, line);
  }
  return path;
}
