import { mkdir, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { StateLayout } from '../../config/state-layout';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { PROBE_LOGIN } from '../../repositories/data/logins';
import type { RestServer } from '../../repositories/data/rest-server';
import { findProgram } from '../../system/child-process';
import type { PartDefinition } from './part';

const POLL_MS = 50;
const ANSWER_WITHIN_MS = 20_000;

export interface DataServerOptions {
  readonly rclone: string;
  readonly directory: string;
  readonly host: string;
  readonly port: number;
  /** Logins and hashes; has to be there, is read again when it has changed. */
  readonly htpasswdFile: string;
  readonly tls: { readonly certificateFile: string; readonly keyFile: string } | null;
}

/** Throws `PROGRAM_MISSING`. */
export function findRclone(): string {
  try {
    return findProgram('rclone');
  } catch (error) {
    throw new ModosuError('PROGRAM_MISSING', 'The program rclone, which serves the data repository, is not installed.', {
      hint: 'Install rclone (`npm run setup` does it on Debian and Ubuntu), or point MODOSU_DATA_URL to a REST server of restic.',
      cause: error,
    });
  }
}

/**
 * The one in the state directory is made (0700). Another one has to be there: it may be the mount point of storage that is not mounted. Throws
 * `CONFIG_INVALID`.
 */
export async function prepareDataDirectory(directory: string, layout: StateLayout): Promise<void> {
  if (directory === layout.dataRepository) await mkdir(directory, { recursive: true, mode: 0o700 });
  const found = await stat(directory).catch(() => null);
  if (found?.isDirectory() === true) return;
  throw new ModosuError('CONFIG_INVALID', `The directory of the data repository, ${directory}, is not there.`, {
    hint: 'Make or mount it, or correct MODOSU_DATA_DIR.',
    context: { directory },
  });
}

/**
 * `rclone serve restic`: a guest reaches its own repository alone, adds to it, and removes nothing but locks. No secret in it: the file of logins holds
 * hashes.
 */
export function dataServerArgv({ rclone, directory, host, port, htpasswdFile, tls }: DataServerOptions): readonly [string, ...string[]] {
  return [
    rclone,
    ...['serve', 'restic', '--config', ''],
    ...['--append-only', '--private-repos', '--htpasswd', htpasswdFile, '--addr', `${host.includes(':') ? `[${host}]` : host}:${port}`],
    // Always what lies in the directory, never what lay there earlier.
    '--cache-objects=false',
    ...(tls === null ? [] : ['--cert', tls.certificateFile, '--key', tls.keyFile, '--min-tls-version', 'tls1.2']),
    directory,
  ];
}

/**
 * The server of the data repository.
 * @param server how this machine reaches it
 */
export function dataPart(options: DataServerOptions, server: RestServer): PartDefinition {
  return {
    name: 'data',
    reports: false,
    command: () => ({
      argv: [findProgram('setpriv'), '--pdeathsig', 'TERM', '--', ...dataServerArgv(options)],
      env: { PATH: process.env.PATH, HOME: '/nonexistent' },
    }),
    becomesReady: ({ ended }) => untilAnswering(server, ended),
    stopSignals: [{ signal: 'SIGTERM', graceMs: 5_000 }],
    readyTimeoutMs: 60_000,
  };
}

/** A refused login is an answer too. */
async function untilAnswering(server: RestServer, ended: AbortSignal): Promise<void> {
  for (const giveUpAt = performance.now() + ANSWER_WITHIN_MS; ; await delay(POLL_MS)) {
    try {
      await server.look(null, PROBE_LOGIN);
      return;
    } catch (error) {
      if (isCertificateProblem(error)) {
        throw new ModosuError('CONFIG_INVALID', `The certificate in MODOSU_DATA_TLS_CERT_FILE does not serve: ${error.message}`, {
          hint: 'It has to be valid now, and for the name or address in the message (subjectAltName).',
          context: error.context,
        });
      }
      if (ended.aborted || performance.now() > giveUpAt) throw error;
    }
  }
}

const isCertificateProblem = (error: unknown): error is ModosuError =>
  isModosuError(error) && typeof error.context.problem === 'string' && /^(?:ERR_TLS_CERT|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(error.context.problem);
