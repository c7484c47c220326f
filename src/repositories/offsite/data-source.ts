import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataAccess } from '../../contracts/data';
import { ModosuError, isModosuError } from '../../contracts/errors';
import { recoveryPointTag } from '../data/data-repository';
import { dataTargetOf, type DataTarget } from '../data-target';
import { reading, type ResticCommand, type ResticOptions, type ResticTarget } from '../restic/restic-command';
import type { SnapshotTree } from '../restic/restic-output';
import type { SnapshotReader } from '../restic/snapshot-reader';

/** The data repository of one server, as the other side of `restic copy`. */
export class DataSource {
  private constructor(
    private readonly access: DataAccess,
    private readonly target: DataTarget,
    private readonly reader: SnapshotReader,
    private readonly directory: string,
  ) {}

  /** Its certificate is a file as long as `work` goes on: restic reads it from there. */
  static async with<T>(access: DataAccess, serverId: string, reader: SnapshotReader, work: (source: DataSource) => Promise<T>): Promise<T> {
    const directory = await mkdtemp(join(tmpdir(), 'modosu-offsite-'));
    try {
      const { RESTIC_REPOSITORY = '', RESTIC_PASSWORD = '', RESTIC_KEY_HINT } = access.env;
      const certificate = join(directory, 'data-repository.pem');
      if (access.caCertificate !== null) await writeFile(certificate, access.caCertificate, { mode: 0o600 });
      const target: DataTarget = {
        ...dataTargetOf(serverId),
        env: {
          RESTIC_REPOSITORY,
          RESTIC_PASSWORD,
          ...(RESTIC_KEY_HINT === undefined ? {} : { RESTIC_KEY_HINT }),
          ...(access.caCertificate === null ? {} : { SSL_CERT_FILE: certificate }),
        },
        secrets: access.secrets,
        caCertificateFile: null,
        canLock: access.canLock,
      };
      return await work(new DataSource(access, target, reader, directory));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** Throws `RECOVERY_POINT_INCOMPLETE` when it is not there. */
  async snapshot(snapshotId: string, signal: AbortSignal): Promise<SnapshotTree> {
    // restic tells of one it does not find, and calls that a success.
    const { snapshots, unreadable } = await this.reader.trees(this.target, snapshotId, signal);
    const found = snapshots.find(({ id }) => id === snapshotId);
    if (found !== undefined) return found;
    const { serverId } = this.target;
    throw unreadable
      ? new ModosuError('RECOVERY_POINT_CORRUPT', `The snapshot ${snapshotId} in the data repository of ${serverId} is damaged.`, {
          context: { serverId, snapshotId },
        })
      : new ModosuError('RECOVERY_POINT_INCOMPLETE', `The data repository of ${serverId} holds no snapshot ${snapshotId}.`, {
          context: { serverId, snapshotId },
        });
  }

  /** Which of its snapshots has the content of this copy: the one of this id, if it is there; null: none. */
  async holds(copy: SnapshotTree, snapshotId: string, signal: AbortSignal): Promise<string | null> {
    const { snapshots } = await this.reader.trees({ ...this.target, canLock: false }, undefined, signal);
    const same = snapshots.filter(({ tree }) => tree === copy.tree);
    const tags = copy.tags.filter((tag) => tag.startsWith(recoveryPointTag('')));
    return (same.find(({ id }) => id === snapshotId) ?? same.find((candidate) => tags.every((tag) => candidate.tags.includes(tag))))?.id ?? null;
  }

  /** Copies a snapshot of another repository into this one. */
  async take(restic: ResticCommand, from: ResticTarget, snapshotId: string, options: Pick<ResticOptions, 'signal' | 'onStdout' | 'giveUpOn'>): Promise<void> {
    const target = { ...from, env: await this.joinedAs('destination', from.env), secrets: [...from.secrets, ...this.access.secrets] };
    await this.attributed(() =>
      restic.run(target, ['copy', ...reading(this.access), ...(this.access.canLock ? reading(from) : []), snapshotId], {
        ...options,
        isLong: true,
        otherwise: 'COPY_FAILED',
      }),
    );
  }

  /** The environment of a restic that copies from here to the repository of `env`. */
  copyingTo(env: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>> {
    return this.joinedAs('source', env);
  }

  /** restic does not say of which of the two repositories it speaks, but for the address of this one. */
  async attributed<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const address = /@([^/]+)\//.exec(this.target.env.RESTIC_REPOSITORY ?? '')?.[1];
      if (!isModosuError(error) || address === undefined || !error.message.includes(address)) throw error;
      const outcome = error.context.outcome;
      const code = typeof outcome === 'string' && outcome in this.target.codes ? this.target.codes[outcome as keyof typeof this.target.codes] : null;
      if (code === null || outcome === 'failed') throw error;
      throw new ModosuError(code, error.message.replace(/ in the off-site repository \S+:/, ` in ${this.target.name}:`), {
        context: this.target.context,
        cause: error,
      });
    }
  }

  private async joinedAs(role: 'source' | 'destination', other: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>> {
    const [from, to] = role === 'source' ? [this.target.env, other] : [other, this.target.env];
    return {
      ...other,
      ...named('RESTIC_FROM_', from),
      ...named('RESTIC_', to),
      ...(await this.certificates(other.SSL_CERT_FILE)),
      RESTIC_PROGRESS_FPS: '1',
    };
  }

  /** Both certificates in one file: Go reads one, beside those of the system. */
  private async certificates(others: string | undefined): Promise<Readonly<Record<string, string>>> {
    if (this.access.caCertificate === null) return others === undefined ? {} : { SSL_CERT_FILE: others };
    if (others === undefined) return { SSL_CERT_FILE: this.target.env.SSL_CERT_FILE ?? '' };
    const file = join(this.directory, 'both.pem');
    await writeFile(file, `${this.access.caCertificate}\n${await readFile(others, 'utf8')}`, { mode: 0o600 });
    return { SSL_CERT_FILE: file };
  }
}

/** What opens a repository, as variables that begin so. */
const named = (
  prefix: string,
  { RESTIC_REPOSITORY = '', RESTIC_PASSWORD = '', RESTIC_KEY_HINT }: Readonly<Record<string, string>>,
): Record<string, string> => ({
  [`${prefix}REPOSITORY`]: RESTIC_REPOSITORY,
  [`${prefix}PASSWORD`]: RESTIC_PASSWORD,
  ...(RESTIC_KEY_HINT === undefined ? {} : { [`${prefix}KEY_HINT`]: RESTIC_KEY_HINT }),
});
