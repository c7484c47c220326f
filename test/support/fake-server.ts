import type { DiskFormat, DiskInspection, PowerState } from '../../src/contracts/server';
import type { StandingFence } from '../../src/hypervisors/libvirt/domains/fence-xml';

export interface FakeDisk {
  readonly target: string;
  readonly path: string;
  readonly format: DiskFormat;
  readonly backingChain: DiskInspection['backingChain'];
}

export interface FakeNic {
  readonly mac: string;
  readonly linkUp: boolean;
}

export interface FakeDefinition {
  readonly uuid: string;
  readonly domainName: string;
  readonly disks: readonly FakeDisk[];
  readonly nvramPath: string | null;
  readonly nics: readonly FakeNic[];
  readonly generationId: string | null;
  readonly cdrom: boolean;
}

export interface FakeServer {
  definition: FakeDefinition;
  powerState: PowerState;
  fence: StandingFence | null;
  /** What it was started with. Counts while it is on. */
  live?: FakeDefinition;
  /** What QEMU's counters would say, by target. */
  writtenBytes?: Readonly<Record<string, number>>;
  /** Old volumes it has only to look at, until its power goes off. */
  oldDisks?: readonly { readonly target: string; readonly path: string }[];
}

export const filesNamedBy = ({ disks, nvramPath }: FakeDefinition): readonly string[] => [
  ...disks.map(({ path }) => path),
  ...(nvramPath === null ? [] : [nvramPath]),
];

/** Also below an overlay. */
export const filesUsedBy = (definition: FakeDefinition): readonly string[] => [
  ...filesNamedBy(definition),
  ...definition.disks.flatMap(({ backingChain }) => backingChain.map(({ path }) => path)),
];

/** By the definition that is stored, and by the one it runs with. */
export const filesInUse = ({ definition, powerState, live }: FakeServer): readonly string[] => [
  ...filesUsedBy(definition),
  ...(powerState === 'off' || live === undefined ? [] : filesUsedBy(live)),
];

export const usesSameFiles = (one: FakeDefinition, other: FakeDefinition): boolean => JSON.stringify(filesNamedBy(one)) === JSON.stringify(filesNamedBy(other));
