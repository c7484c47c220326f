import { FACT_KINDS, FACT_LIMITS, type FactEntry, type FactKind, type FactSection, type OsFamily, type ServerFacts } from '../../contracts/facts';
import { toModosuError, type ErrorSummary } from '../../contracts/errors';
import { cleanWords } from '../../contracts/text';
import type { GuestAgent } from '../guest-agent';
import { collectGroups, collectUsers } from './accounts';
import { entriesOf, type Collected } from './fact-entries';
import { FactSource } from './fact-source';
import { collectFiles } from './files';
import { collectKernel } from './kernel';
import { collectMounts } from './mounts';
import { collectNetwork } from './network';
import { collectOs } from './os';
import { collectPackages } from './packages';
import { familyOf } from './parse-os-release';
import { collectPorts } from './ports';
import { collectServices } from './services';
import { SystemdUnits } from './systemd-units';
import { collectTasks } from './tasks';

export interface CollectOptions {
  /** Absolute paths of files and directories, whose content is hashed. */
  readonly configurationPaths: readonly string[];
  /** Abort: rejects with the signal's reason at once; what the agent was asked last goes on in the guest for some seconds. */
  readonly signal?: AbortSignal;
  readonly now: () => Date;
  /** For all kinds together; those for which there is no time left fail with that. Absent: `FACT_LIMITS.totalMs`, a minute. */
  readonly totalMs?: number;
}

const MAX_MESSAGE = 300;

/**
 * What a server is now, as its guest agent tells; within `totalMs`. Reads only, and may run at any time, but not while the file systems of the guest are frozen.
 *
 * Rejects for nothing that a guest does or says: a section that cannot be collected says why, and the others go on. When nobody answers (any more), all that are
 * left fail with that error and nothing more is asked. The source of all facts is the guest, which may lie.
 */
export async function collectFacts(agent: GuestAgent, { configurationPaths, signal, now, totalMs }: CollectOptions): Promise<ServerFacts> {
  const collectedAt = now().toISOString();
  const source = new FactSource(agent, signal, totalMs);
  const systemd = new SystemdUnits(source);
  let family: OsFamily = 'linux';
  const collectors: Readonly<Record<FactKind, () => Promise<Collected>>> = {
    os: async () => {
      const found = await collectOs(source);
      family = familyOf(found.facts);
      return found;
    },
    kernel: () => collectKernel(source),
    packages: () => collectPackages(source, family),
    services: () => collectServices(source, systemd),
    users: () => collectUsers(source),
    groups: () => collectGroups(source),
    network: () => collectNetwork(source),
    mounts: () => collectMounts(source),
    ports: () => collectPorts(source),
    tasks: () => collectTasks(source, systemd),
    files: () => collectFiles(source, configurationPaths),
  };
  const sections: FactSection[] = [];
  // One after the other: an agent answers one question at a time.
  for (const kind of FACT_KINDS) {
    source.beginSection();
    sections.push(
      await collectors[kind]().then(
        (found): FactSection => ({ kind, state: 'collected', ...entriesOf(found, kind === 'packages' ? FACT_LIMITS.packages : FACT_LIMITS.entries) }),
        (error: unknown): FactSection => {
          signal?.throwIfAborted();
          return { kind, state: 'failed', error: summaryOf(error) };
        },
      ),
    );
  }
  return { format: 'modosu-server-facts', version: 1, collectedAt, family, sections: withinTotal(sections) };
}

/** Messages hold what guests say. */
const summaryOf = (error: unknown): ErrorSummary => {
  const summary = toModosuError(error).summary();
  return { ...summary, message: cleanWords(summary.message, MAX_MESSAGE) };
};

/** The end of what does not fit any more is cut off, section by section. */
function withinTotal(sections: readonly FactSection[]): readonly FactSection[] {
  let left: number = FACT_LIMITS.totalBytes;
  return sections.map((section) => {
    if (section.state === 'failed') return section;
    const entries: FactEntry[] = [];
    for (const entry of section.entries) {
      const bytes = Buffer.byteLength(JSON.stringify(entry)) + 1;
      if (bytes > left) return { ...section, entries, truncated: true };
      left -= bytes;
      entries.push(entry);
    }
    return section;
  });
}
