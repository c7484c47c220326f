import type { ServerDeclaration } from '../../contracts/estate';
import { NO_PROTECTION } from '../../contracts/protection';
import type { ServerView } from '../../contracts/server';
import { draftOf } from './server-draft';

const DECLARED: ServerDeclaration = {
  ...NO_PROTECTION,
  name: 'db01',
  hypervisor: 'hv1',
  repository: 'main',
  policy: 'daily',
  stopTimeoutSeconds: 120,
  agentTimeoutSeconds: 300,
};
const KNOWN: ServerView = {
  id: 'srv_1',
  name: 'db01',
  uuid: 'uuid-1',
  domainName: 'db01',
  hypervisor: 'hv1',
  repository: 'main',
  policy: null,
  stopTimeoutSeconds: 120,
  agentTimeoutSeconds: 300,
  protection: NO_PROTECTION,
  lineageId: 'lineage-1',
  decommissioned: null,
};
const FOUND = { name: 'db01', uuid: 'uuid-1', domainName: 'db01' };
const OTHER = { name: 'web01', uuid: 'uuid-2', domainName: 'web01' };

describe('the server that a declaration means', () => {
  it('is new where the catalogue does not know its name', () => {
    expect(draftOf(DECLARED, [{ ...KNOWN, name: 'web01' }], [OTHER, FOUND])).toEqual({
      id: null,
      name: 'db01',
      uuid: 'uuid-1',
      domainName: 'db01',
      hypervisor: 'hv1',
      repository: 'main',
      policy: 'daily',
      stopTimeoutSeconds: 120,
      agentTimeoutSeconds: 300,
      protection: NO_PROTECTION,
    });
  });

  it('keeps its id, and gets what is declared now', () => {
    const ssh = { host: '192.0.2.10', port: 22, user: 'root', sudo: false, hostKey: 'ssh-ed25519 A' };
    const credentials = [{ account: 'root', store: 'vault', path: 'servers/db01', reapply: true }];
    const declared: ServerDeclaration = { ...DECLARED, repository: 'second', ssh, configurationPaths: ['/etc'], credentials };
    expect(draftOf(declared, [KNOWN], [FOUND])).toMatchObject({
      id: 'srv_1',
      repository: 'second',
      protection: { ...NO_PROTECTION, ssh, configurationPaths: ['/etc'], credentials },
    });
  });

  it('keeps the identity it has while its domain is gone', () => {
    expect(draftOf(DECLARED, [KNOWN], [OTHER])).toMatchObject({ id: 'srv_1', uuid: 'uuid-1', domainName: 'db01' });
    const elsewhere = { ...KNOWN, domainName: 'db-domain' };
    expect(draftOf({ ...DECLARED, domain: 'db-domain' }, [elsewhere], [])).toMatchObject({ uuid: 'uuid-1', domainName: 'db-domain' });
  });

  it.each([
    ['is new', [], DECLARED, 'db01'],
    ['gets another domain', [KNOWN], { ...DECLARED, domain: 'db-new' }, 'db-new'],
    ['goes back to the domain of its own name', [{ ...KNOWN, domainName: 'db-domain' }], DECLARED, 'db01'],
  ])('is refused without a domain where it %s', (_case, known, declared, domain) => {
    expect(() => draftOf(declared, known, [OTHER])).toThrow(
      expect.objectContaining({
        code: 'DOMAIN_NOT_FOUND',
        message: `Hypervisor "hv1" has no domain "${domain}" for server "db01". Nothing was changed.`,
        context: { server: 'db01', domain, hypervisor: 'hv1' },
      }),
    );
  });

  it('never becomes another domain under its name, and the hint says what to do', () => {
    const other = { ...FOUND, uuid: 'uuid-9' };
    const decommissioned = { at: '2026-01-01T00:00:00.000Z', by: 'alice', reason: 'replaced', keepDays: 90, protectsUntil: '2026-04-01T00:00:00.000Z' };
    expect(() => draftOf(DECLARED, [KNOWN], [other])).toThrow(
      expect.objectContaining({
        code: 'ESTATE_CONFLICT',
        message: 'Server "db01" is domain db01 (UUID uuid-1) in the catalogue, but "db01" now has UUID uuid-9.',
        hint: expect.stringContaining('A new server gets a new name') as string,
        context: { server: 'db01', knownUuid: 'uuid-1', foundUuid: 'uuid-9' },
      }),
    );
    expect(() => draftOf(DECLARED, [{ ...KNOWN, decommissioned }], [other])).toThrow(
      expect.objectContaining({ code: 'ESTATE_CONFLICT', hint: expect.stringContaining('decommissioned, and keeps its name') as string }),
    );
  });

  it('counts as not declared what a declaration without the schema leaves out', () => {
    const { name, hypervisor, repository, stopTimeoutSeconds, agentTimeoutSeconds } = DECLARED;
    const bare = { name, hypervisor, repository, stopTimeoutSeconds, agentTimeoutSeconds } as ServerDeclaration;
    expect(draftOf(bare, [], [FOUND])).toMatchObject({ policy: null, protection: NO_PROTECTION });
    expect(draftOf({ ...DECLARED, configurationPaths: [], credentials: [] }, [], [FOUND]).protection).toEqual(NO_PROTECTION);
  });
});
