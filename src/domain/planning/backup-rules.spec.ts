import { ERROR_CODES } from '../../contracts/error-codes';
import type { AgentInspection, ServerInspection } from '../../contracts/server';
import { ALLOW_FREEZE_HINT, backupSubject, requireSameDefinition, storedBytes, volumeBytes } from './backup-rules';

const disk = {
  target: 'vda',
  bus: 'virtio',
  path: '/srv/vm/vda.qcow2',
  format: 'qcow2',
  virtualSizeBytes: 900,
  allocatedBytes: 100,
  backingChain: [],
} as const;
const present = (changes: Partial<ServerInspection> = {}): ServerInspection => ({
  uuid: 'u',
  domainName: 'db01-domain',
  powerState: 'running',
  domainType: 'kvm',
  definitionFingerprint: 'f1',
  disks: [disk],
  removableMedia: [],
  firmware: 'bios',
  nvram: null,
  nics: [],
  generationId: null,
  agent: { state: 'answering', version: '7', commands: ['guest-fsfreeze-freeze', 'guest-fsfreeze-status', 'guest-fsfreeze-thaw'] },
  refusals: [],
  memoryBytes: 1,
  vcpus: 1,
  ...changes,
});
const request = { serverName: 'db01', mode: 'online', allowCrashConsistent: false } as const;
const WITHOUT = 'Or go on without: --allow-crash-consistent labels the recovery point "crash".';

describe('the subject of a backup', () => {
  it('is the server as it was found', () => {
    const chained = {
      ...disk,
      target: 'vdb',
      path: '/srv/vm/vdb.raw',
      format: 'raw',
      allocatedBytes: 30,
      backingChain: [{ path: '/base', format: 'raw' }],
    } as const;
    expect(backupSubject(present({ disks: [disk, chained], nvram: { path: '/nvram', format: 'raw', sizeBytes: 4 } }), request)).toEqual({
      mode: 'online',
      domainName: 'db01-domain',
      powerState: 'running',
      agent: 'answering',
      neededBytes: 134,
      definitionFingerprint: 'f1',
      hasNvram: true,
      disks: [
        { target: 'vda', path: '/srv/vm/vda.qcow2', format: 'qcow2', flattened: false, allocatedBytes: 100 },
        { target: 'vdb', path: '/srv/vm/vdb.raw', format: 'raw', flattened: true, allocatedBytes: 30 },
      ],
    });
    expect(backupSubject(present(), request)).toMatchObject({ neededBytes: 100, hasNvram: false });
  });

  it.each([
    ['online', 'running', 'online'],
    ['online', 'off', 'offline'],
    ['offline', 'running', 'offline'],
    ['offline', 'off', 'offline'],
  ] as const)('asked for %s, of a server that is %s, is %s', (mode, powerState, expected) =>
    expect(backupSubject(present({ powerState }), { ...request, mode }).mode).toBe(expected),
  );
});

describe('a server that cannot be imaged', () => {
  it('is refused with the first reason, naming all', () => {
    const refusals = [
      { code: 'DISK_SHARED', message: 'vda is shared.', hint: 'unshare it', context: { target: 'vda' } },
      { code: 'SERVER_TRANSIENT', message: 'x', hint: 'y' },
    ] as const;
    expect(() => backupSubject(present({ refusals, powerState: 'paused' }), request)).toThrow(
      expect.objectContaining({
        code: 'DISK_SHARED',
        message: 'vda is shared.',
        hint: 'unshare it',
        context: { target: 'vda', allRefusals: ['DISK_SHARED', 'SERVER_TRANSIENT'] },
      }),
    );
  });

  it.each(['online', 'offline'] as const)('is one that is paused (%s)', (mode) =>
    expect(() => backupSubject(present({ powerState: 'paused' }), { ...request, mode })).toThrow(
      expect.objectContaining({ code: 'SERVER_PAUSED', message: 'db01 is paused: its guest can neither be shut down nor frozen.' }),
    ),
  );
});

describe('an online backup', () => {
  const silent: AgentInspection = { state: 'silent', version: null, commands: [] };

  it.each([
    [
      { state: 'absent', version: null, commands: [] },
      'AGENT_ABSENT',
      'db01 has no channel for a guest agent: its file systems cannot be frozen for an online backup.',
      `${ERROR_CODES.AGENT_ABSENT.hint} ${WITHOUT}`,
    ],
    [
      silent,
      'QUIESCE_FAILED',
      'The guest agent of db01 does not answer: its file systems cannot be frozen for an online backup.',
      `Start qemu-guest-agent in the guest. ${WITHOUT}`,
    ],
    [
      { state: 'answering', version: '7', commands: ['guest-exec'] },
      'QUIESCE_FAILED',
      'The guest agent of db01 forbids guest-fsfreeze-freeze, guest-fsfreeze-thaw, guest-fsfreeze-status.',
      `${ALLOW_FREEZE_HINT} ${WITHOUT}`,
    ],
    // Whoever cannot thaw must not freeze.
    [
      { state: 'answering', version: '7', commands: ['guest-fsfreeze-freeze', 'guest-fsfreeze-status'] },
      'QUIESCE_FAILED',
      'The guest agent of db01 forbids guest-fsfreeze-thaw.',
      `${ALLOW_FREEZE_HINT} ${WITHOUT}`,
    ],
  ] as const)('needs an agent that freezes: not %o', (agent, code, message, hint) => {
    expect(() => backupSubject(present({ agent }), request)).toThrow(expect.objectContaining({ code, message, hint }));
    expect(backupSubject(present({ agent }), { ...request, allowCrashConsistent: true })).toMatchObject({ mode: 'online', agent: agent.state });
  });

  it('needs none of a server that does not run, and an offline one needs none either', () => {
    expect(backupSubject(present({ agent: silent, powerState: 'off' }), request).mode).toBe('offline');
    expect(backupSubject(present({ agent: silent }), { ...request, mode: 'offline' }).mode).toBe('offline');
  });
});

it('a definition that was changed meanwhile spoils the backup', () => {
  expect(() => requireSameDefinition({ definitionFingerprint: 'f1' }, { definitionFingerprint: 'f1' }, 'db01')).not.toThrow();
  expect(() => requireSameDefinition({ definitionFingerprint: 'f1' }, { definitionFingerprint: 'f2' }, 'db01')).toThrow(
    expect.objectContaining({ code: 'DEFINITION_CHANGED', message: 'The definition of db01 was changed while its disks were copied.' }),
  );
});

it('a recovery point takes the room of its images, its definition and its firmware variables', () => {
  const file = (sizeBytes: number) => ({ path: 'p', sizeBytes, sha256: 'x' });
  const stored = (sizeBytes: number) => ({
    target: 'vda',
    virtualSizeBytes: 1,
    origin: { path: '/p', format: 'raw', flattened: false } as const,
    image: { ...file(sizeBytes), format: 'qcow2', segmentsPath: 's', segmentSizeBytes: 1 } as const,
  });
  expect(storedBytes({ disks: [stored(100), stored(20)], definition: file(3), nvram: null })).toBe(123);
  expect(storedBytes({ disks: [stored(100)], definition: file(3), nvram: { ...file(4), origin: { path: '/n', format: 'raw' } } })).toBe(107);
});

it('a volume takes what its images hold together, and never more than the whole disk with its tables', () => {
  expect(volumeBytes(1_000_000, 300_000)).toBe(300_000);
  expect(volumeBytes(1_000_000, 5_000_000)).toBe(1_010_000);
});
