import { knownServer as server } from '../../../test/support/known-server';
import { isModosuError } from '../../contracts/errors';
import { NO_PROTECTION, type SshAccess } from '../../contracts/protection';
import type { Relation } from '../../contracts/relation';
import type { ServerView } from '../../contracts/server';
import { refuseCycles, refuseDeletionInUse, refuseSharedDomains, refuseSharedGuests } from './conflicts';

const DECOMMISSIONED = { at: '2026-01-01T00:00:00.000Z', by: 'alice', reason: 'replaced', keepDays: 90, protectsUntil: '2026-04-01T00:00:00.000Z' };

function refusal(work: () => void) {
  try {
    work();
  } catch (error) {
    if (isModosuError(error)) return { code: error.code, message: error.message, hint: error.hint, context: error.context };
    throw error;
  }
  return null;
}

describe('one domain', () => {
  it('stands under one name', () => {
    expect(refusal(() => refuseSharedDomains([server('a'), server('b')], [server('c')]))).toBeNull();
    expect(refusal(() => refuseSharedDomains([server('a'), server('b', { uuid: 'uuid-a', domainName: 'a' })], []))).toMatchObject({
      code: 'ESTATE_CONFLICT',
      message: 'Servers "a" and "b" are the same domain a (UUID uuid-a) on hypervisor "hv1".',
      hint: expect.stringContaining('under one name only') as string,
      context: { servers: ['a', 'b'], uuid: 'uuid-a' },
    });
  });

  it('stands under one name also where the file does not name the other server', () => {
    expect(refusal(() => refuseSharedDomains([server('b', { uuid: 'uuid-a' })], [server('a')]))).toMatchObject({ context: { servers: ['a', 'b'] } });
  });

  it('may change hands in one file', () => {
    const drafts = [server('a', { uuid: 'uuid-b' }), server('b', { uuid: 'uuid-a' })];
    expect(refusal(() => refuseSharedDomains(drafts, [server('a'), server('b')]))).toBeNull();
  });

  it('is another one on another hypervisor', () => {
    expect(refusal(() => refuseSharedDomains([server('a'), server('b', { uuid: 'uuid-a', hypervisor: 'hv2' })], []))).toBeNull();
  });

  it('is taken back under its name where the server is out of service', () => {
    const known = [server('z', { decommissioned: DECOMMISSIONED }), server('a', { decommissioned: DECOMMISSIONED })];
    expect(refusal(() => refuseSharedDomains([server('b', { uuid: 'uuid-a' })], known))?.hint).toContain('modosu server recommission a --reason TEXT');
    expect(refusal(() => refuseSharedDomains([server('b', { uuid: 'uuid-a' })], [server('a')]))?.hint).not.toContain('recommission');
  });
});

describe('one guest', () => {
  const ACCESS: SshAccess = { host: 'DB.example.org', port: 22, user: 'root', sudo: false, hostKey: 'ssh-ed25519 A' };
  const reached = (name: string, ssh: SshAccess | null, changes: Partial<ServerView> = {}) =>
    server(name, { protection: { ...NO_PROTECTION, ssh }, ...changes });

  it.each([
    ['the same access', ACCESS],
    ['the same host key', { ...ACCESS, host: '192.0.2.11' }],
    ['the same address, however it is written', { ...ACCESS, host: 'db.EXAMPLE.org', hostKey: 'ssh-ed25519 B' }],
  ])('is reached by one server: refuses %s', (_case, second) => {
    expect(refusal(() => refuseSharedGuests([reached('a', ACCESS), reached('b', second)], []))).toMatchObject({
      code: 'ESTATE_CONFLICT',
      message: 'Servers "a" and "b" have the same SSH address or host key: programs for one would run in the other.',
      hint: expect.stringContaining('its own address and host key') as string,
      context: { servers: ['a', 'b'] },
    });
    expect(refusal(() => refuseSharedGuests([reached('b', second)], [reached('a', ACCESS)]))).not.toBeNull();
  });

  it.each([
    ['another port', { ...ACCESS, port: 2222, hostKey: 'ssh-ed25519 B' }],
    ['another host', { ...ACCESS, host: '192.0.2.11', hostKey: 'ssh-ed25519 B' }],
    ['no SSH at all', null],
  ])('is another one with %s', (_case, second) => {
    expect(refusal(() => refuseSharedGuests([reached('a', ACCESS), reached('b', second)], []))).toBeNull();
  });

  it('is known by what the file says of it now', () => {
    const moved = { ...ACCESS, host: '192.0.2.12', hostKey: 'ssh-ed25519 C' };
    expect(refusal(() => refuseSharedGuests([reached('a', moved), reached('b', ACCESS)], [reached('a', ACCESS)]))).toBeNull();
  });

  it('leaves its address free when it is out of service, but never its host key', () => {
    const retired = [reached('a', ACCESS, { decommissioned: DECOMMISSIONED })];
    expect(refusal(() => refuseSharedGuests([reached('b', { ...ACCESS, hostKey: 'ssh-ed25519 B' })], retired))).toBeNull();
    expect(refusal(() => refuseSharedGuests([reached('b', { ...ACCESS, host: '192.0.2.11' })], retired))).toMatchObject({ context: { servers: ['a', 'b'] } });
  });

  it('may have had its address from one that was out of service before it', () => {
    const retired = [ACCESS, { ...ACCESS, hostKey: 'ssh-ed25519 B' }].map((ssh, index) => reached(`old${index}`, ssh, { decommissioned: DECOMMISSIONED }));
    expect(refusal(() => refuseSharedGuests([reached('c', { ...ACCESS, hostKey: 'ssh-ed25519 C' })], retired))).toBeNull();
  });
});

describe('a policy that is to go', () => {
  it('stays while a server has it that the file does not declare', () => {
    const known = [server('a', { policy: 'daily' }), server('b', { policy: 'weekly' }), server('c')];
    expect(refusal(() => refuseDeletionInUse(['weekly'], known, [server('a')]))).toMatchObject({
      code: 'ESTATE_CONFLICT',
      message: 'Policy "weekly" cannot be deleted: server "b", which this file does not declare, has it.',
      hint: expect.stringContaining('with another policy, or with none') as string,
      context: { policy: 'weekly', server: 'b' },
    });
  });

  it('goes where nobody has it, or the file gives its servers another one', () => {
    const known = [server('a', { policy: 'daily' }), server('b', { policy: 'weekly' })];
    expect(refusal(() => refuseDeletionInUse(['daily'], known, [server('a')]))).toBeNull();
    expect(refusal(() => refuseDeletionInUse([], known, []))).toBeNull();
  });
});

describe('circles of dependencies', () => {
  const needs = (name: string, of: string, peer: string): Relation => ({
    name,
    type: 'depends-on',
    server: of,
    address: null,
    peers: [{ server: peer, address: null }],
    strength: 'hard',
    profile: null,
    parameters: {},
  });

  it('are refused, also where half of one is only in the catalogue', () => {
    const circle = { code: 'RELATION_CYCLE', message: 'Servers depend on each other in a circle: "a" -> "b" -> "a".', context: { cycle: ['a', 'b', 'a'] } };
    expect(refusal(() => refuseCycles([], [needs('r1', 'a', 'b'), needs('r2', 'b', 'a')], []))).toMatchObject(circle);
    expect(refusal(() => refuseCycles([needs('r2', 'b', 'a')], [needs('r1', 'a', 'b')], []))).toMatchObject(circle);
  });

  it('are judged by what would hold afterwards', () => {
    expect(refusal(() => refuseCycles([needs('r2', 'b', 'a')], [needs('r1', 'a', 'b')], ['r2']))).toBeNull();
    expect(refusal(() => refuseCycles([needs('r2', 'b', 'a')], [needs('r1', 'a', 'b'), needs('r2', 'b', 'c')], []))).toBeNull();
  });
});
