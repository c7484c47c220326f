import { ModosuError } from '../../contracts/errors';
import { readablePaths } from './disk-images';
import { describeDomain, parseDomain, type DomainDescription } from './domain-xml';
import type { Virsh } from './virsh';

/** Which files the servers of this host use. The last line of defence before a file is overwritten or deleted. */
export class Usage {
  constructor(private readonly virsh: Virsh) {}

  /** Throws `VOLUME_EXISTS` when the stored or running definition of any server names one of the files, directly or as a backing file. */
  async requireUnused(paths: readonly string[]): Promise<void> {
    const all = await this.uuids('--all');
    const active = await this.uuids('--state-running', '--state-paused', '--state-other');
    for (const [uuid, flags] of [...all.map((uuid) => [uuid, ['--inactive']] as const), ...active.map((uuid) => [uuid, []] as const)]) {
      const outcome = await this.virsh.attempt(['dumpxml', '--domain', uuid, ...flags]);
      if (outcome.exitCode !== 0) continue; // it has just been removed
      const described = describeDomain(parseDomain(outcome.stdout));
      const used = await filesOf(described);
      const path = paths.find((candidate) => used.has(candidate));
      if (path !== undefined) {
        throw new ModosuError('VOLUME_EXISTS', `${path} belongs to the server ${described.name}; it is neither overwritten nor deleted.`, { context: { path, uuid } });
      }
    }
  }

  private async uuids(...flags: readonly string[]): Promise<string[]> {
    return (await this.virsh.run(['list', '--uuid', ...flags])).split(/\s+/).filter((word) => word !== '');
  }
}

async function filesOf(described: DomainDescription): Promise<Set<string>> {
  const files = new Set<string>();
  for (const disk of described.disks) {
    for (const path of await readablePaths(disk)) files.add(path);
    for (const { path } of disk.backing ?? []) files.add(path);
  }
  for (const { source } of described.removableMedia) if (source !== null) files.add(source);
  if (described.nvram?.path) files.add(described.nvram.path);
  return files;
}
