import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestExec, guestOutput } from '../guests/guest-commands';

/** Looks for secrets in texts and bytes: as they are, in base64 at whatever alignment (a header, an agent's message), and as a part of a URL. */
export class SecretHunt {
  private readonly forms: readonly { readonly name: string; readonly text: string }[];

  constructor(secrets: ReadonlyMap<string, string>) {
    this.forms = [...secrets].flatMap(([name, secret]) => formsOf(secret).map((text) => ({ name, text })));
  }

  /** Names of the secrets that stand in it. */
  in(text: string | Buffer): readonly string[] {
    return [...new Set(this.forms.filter(({ text: form }) => text.includes(form)).map(({ name }) => name))];
  }

  /** Files below a directory in which secrets stand, and which. `besides`: names directly below it that are not looked at. */
  inFiles(directory: string, besides: readonly string[] = []): readonly string[] {
    return filesBelow(directory)
      .filter((path) => !besides.some((name) => path.startsWith(`${join(directory, name)}/`)))
      .flatMap((path) => this.in(readFileSync(path)).map((name) => `${name} in ${path}`));
  }
}

export const filesBelow = (directory: string): readonly string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

const formsOf = (secret: string): readonly string[] => {
  const encoded = [0, 1, 2].map((shift) => base64Inside(secret, shift));
  return [...new Set([secret, encodeURIComponent(secret), ...encoded, ...encoded.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'))])];
};

/** The characters of a base64 text that hold bits of the secret alone, when `shift` bytes (modulo 3) stand before it. */
function base64Inside(secret: string, shift: number): string {
  const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)]);
  return bytes.toString('base64').slice(Math.ceil((shift * 8) / 6), Math.floor((bytes.length * 8) / 6));
}

const LOOK_EVERY_MS = 30;

/** Every argument vector of every process of this machine, as long as it watches. */
export class ArgvWatch {
  private readonly seen = new Set<string>();
  private readonly timer: NodeJS.Timeout;

  constructor() {
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  /** What was seen, a process each line. */
  end(): string {
    clearInterval(this.timer);
    return [...this.seen].join('\n');
  }

  private look(): void {
    for (const pid of readdirSync('/proc')) {
      if (/^\d+$/.test(pid) && pid !== String(process.pid)) this.seen.add(argvOf(pid));
    }
  }
}

function argvOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return ''; // it has ended
  }
}

/** The same in a guest. What is seen lies in `file` of the guest until the end. */
export class GuestArgvWatch {
  private constructor(
    private readonly uuid: string,
    private readonly file: string,
  ) {}

  static async begin(uuid: string, file: string): Promise<GuestArgvWatch> {
    // One program for all processes: under emulation a program for each of them would see little.
    const loop = `while [ ! -e ${file}.end ]; do head -v -c 16384 /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " " >> ${file}; echo >> ${file}; sleep 0.3; done; touch ${file}.ended`;
    await guestOutput(uuid, ['sh', '-c', `rm -f ${file}*; setsid sh -c '${loop}' </dev/null >/dev/null 2>&1 &`]);
    return new GuestArgvWatch(uuid, file);
  }

  /** What was seen. */
  async end(): Promise<string> {
    const script = `touch ${this.file}.end; while [ ! -e ${this.file}.ended ]; do sleep 0.1; done; sort -u ${this.file}; rm -f ${this.file}*`;
    return guestOutput(this.uuid, ['sh', '-c', script], { timeoutMs: 60_000 });
  }
}

/** Files of a guest in which one of the texts stands. */
export async function guestFilesWith(uuid: string, texts: readonly string[], directories: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await guestExec(uuid, ['grep', '-rlF', '-f', '/proc/self/fd/0', ...directories], { input: `${texts.join('\n')}\n`, timeoutMs: 120_000 });
  return stdout.split('\n').filter((path) => path !== '');
}
