import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ModosuError } from '../../src/contracts/errors';
import { mustRun } from './run-program';

export type GuestKind = 'minimal' | 'postgresql' | 'minimal-uefi' | 'name-server' | 'openldap';

export interface GuestImages {
  /** The cached image of the guest asked for: read-only for everybody, copy it. */
  readonly path: string;
  /** What domains of test guests are made of on this machine; found by trying. */
  readonly domainType: 'kvm' | 'qemu';
}

/** A build on an empty cache, with its downloads. */
const BUILD_TIMEOUT_MS = 15 * 60_000;

const known = new Map<GuestKind, Promise<GuestImages>>();

/** The image of a guest; builds it when it is not in the cache (set-up has normally done so). Asked once per process. */
export function guestImage(guest: GuestKind): Promise<GuestImages> {
  const present = known.get(guest);
  if (present !== undefined) return present;
  const asked = askBuilder(guest);
  known.set(guest, asked);
  asked.catch(() => known.delete(guest));
  return asked;
}

async function askBuilder(guest: GuestKind): Promise<GuestImages> {
  const output = await mustRun('PROGRAM_MISSING', process.execPath, [builderPath(), '--json', guest], { timeoutMs: BUILD_TIMEOUT_MS });
  const answer = JSON.parse(output) as { images: Record<string, string>; accelerator: 'kvm' | 'qemu' };
  const path = answer.images[guest];
  if (path === undefined) throw new ModosuError('INTERNAL', `The guest builder gave no image for ${guest}.`);
  return { path, domainType: answer.accelerator };
}

/** Compiled code lies under `dist/`; the builder stays in the checkout. */
function builderPath(): string {
  for (let at = __dirname; at !== dirname(at); at = dirname(at)) {
    const candidate = join(at, 'test', 'guests', 'build.mjs');
    if (existsSync(candidate)) return candidate;
  }
  throw new ModosuError('PROGRAM_MISSING', 'test/guests/build.mjs was not found above this program.', { hint: 'Run it inside a checkout.' });
}
