import { isModosuError, ModosuError } from '../../../contracts/errors';
import { readablePaths } from './disk-images';
import { describeDomain, parseDomain, type DomainDescription } from '../domains/domain-xml';
import type { StoredDefinition } from '../domains/domains';
import { inodeOf } from '../swaps/kept-files';
import type { Virsh } from '../virsh';
import { attribute, childNodes, isElement, type Document, type Element } from '../xml';

/** As libvirt says it of a server that something else holds for too long; it passes. */
const BUSY = /state change lock|timed out/i;

/** Which files the servers of this host use. The last line of defence before a file is overwritten or deleted. */
export class Usage {
  constructor(private readonly virsh: Virsh) {}

  /**
   * Throws `VOLUME_EXISTS` when the stored or running definition of any server names one of the files, directly or as a backing file, under this or another
   * name. A definition that libvirt refuses to show may name any of them: `HYPERVISOR_COMMAND_FAILED`, or `HYPERVISOR_COMMAND_TIMED_OUT` (later) where
   * libvirt is only busy with the server. `waits: false` is for callers that nobody can cancel, and who would be kept for as long as another server is busy: it
   * is `HYPERVISOR_COMMAND_FAILED` then, too.
   */
  async requireUnused(paths: readonly string[], { waits = true }: { readonly waits?: boolean } = {}): Promise<void> {
    if (paths.length === 0) return;
    const inodes = await inodesOf(paths);
    const all = await this.uuids('--all');
    const active = await this.uuids('--state-running', '--state-paused', '--state-other');
    for (const [uuid, flags] of [...all.map((uuid) => [uuid, ['--inactive']] as const), ...active.map((uuid) => [uuid, []] as const)]) {
      const xml = await this.definition(uuid, flags).catch((thrown: unknown) => (waits ? Promise.reject(thrown) : refuseForGood(thrown)));
      if (xml === null) continue;
      const document = parseDomain(xml);
      const described = describeDomain(document);
      const used = new Set([...(await filesOf(described)), ...filesNamedIn({ document, description: described })]);
      const usedInodes = inodes.size === 0 ? new Map<string, string>() : await inodesOf([...used]);
      const path = paths.find((candidate) => used.has(candidate)) ?? [...inodes].find(([inode]) => usedInodes.has(inode))?.[1];
      if (path !== undefined) {
        throw new ModosuError('VOLUME_EXISTS', `${path} belongs to the server ${described.name}; it is neither overwritten nor deleted.`, {
          context: { path, uuid },
        });
      }
    }
  }

  /** Null for a server that has just been removed. One that is there (again) after a refusal is asked once more. */
  private async definition(uuid: string, flags: readonly string[], again = true): Promise<string | null> {
    const outcome = await this.virsh.attempt(['dumpxml', '--domain', uuid, ...flags]);
    if (outcome.exitCode === 0) return outcome.stdout;
    if (!(await this.virsh.knows(uuid))) return null;
    if (BUSY.test(outcome.stderr)) throw this.virsh.failure('dumpxml', outcome, 'HYPERVISOR_COMMAND_TIMED_OUT');
    if (again) return this.definition(uuid, flags, false);
    throw this.virsh.failure('dumpxml', outcome, 'HYPERVISOR_COMMAND_FAILED');
  }

  private async uuids(...flags: readonly string[]): Promise<string[]> {
    return (await this.virsh.run(['list', '--uuid', ...flags])).split(/\s+/).filter((word) => word !== '');
  }
}

function refuseForGood(thrown: unknown): never {
  if (!isModosuError(thrown) || thrown.code !== 'HYPERVISOR_COMMAND_TIMED_OUT') throw thrown;
  throw new ModosuError('HYPERVISOR_COMMAND_FAILED', thrown.message, { context: thrown.context, cause: thrown });
}

/** Every file a definition uses as far as it can be told: disks with their backing files, media, NVRAM. */
export async function filesOf(described: DomainDescription): Promise<Set<string>> {
  const files = new Set<string>();
  for (const disk of described.disks) {
    for (const path of await readablePaths(disk)) files.add(path);
    for (const { path } of disk.backing ?? []) files.add(path);
  }
  for (const { source } of described.removableMedia) if (source !== null) files.add(source);
  if (described.nvram?.path) files.add(described.nvram.path);
  return files;
}

/** Every file a definition names, whatever for; no file is opened. libvirt lists those below a disk for a server that runs. */
export const filesNamedIn = ({ document, description }: Pick<StoredDefinition, 'document' | 'description'>): readonly string[] => [
  ...sourceFiles(document),
  ...(description.nvram?.path ? [description.nvram.path] : []),
];

/** Also what cannot be imaged is in use: shared disks, those without a format, the target of a mirror. */
function sourceFiles(document: Document): readonly string[] {
  const found: string[] = [];
  const visit = (element: Element): void => {
    if (element.localName === 'source') for (const name of ['file', 'dev']) found.push(attribute(element, name) ?? '');
    childNodes(element).filter(isElement).forEach(visit);
  };
  if (document.documentElement !== null) visit(document.documentElement);
  return found.filter((path) => path.startsWith('/'));
}

/** By inode: path. Files that are not there have none. */
async function inodesOf(paths: readonly string[]): Promise<Map<string, string>> {
  const inodes = new Map<string, string>();
  for (const path of paths) {
    const inode = await inodeOf(path);
    if (inode !== null) inodes.set(inode, path);
  }
  return inodes;
}
