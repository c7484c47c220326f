import type { HypervisorDeclaration, RepositoryDeclaration } from '../contracts/estate';
import { ModosuError } from '../contracts/errors';
import { loadConfig } from '../config/config';
import { Adapters } from './wiring';

const away = (): Promise<never> => Promise.reject(new ModosuError('CATALOG_UNAVAILABLE', 'PostgreSQL does not answer.'));

/** A catalogue whose answers can be taken away. */
class Declared {
  hypervisors: () => Promise<readonly HypervisorDeclaration[]> = () => Promise.resolve([{ name: 'local', kind: 'libvirt', uri: 'qemu:///system' }]);
  repositories: () => Promise<readonly RepositoryDeclaration[]> = () => Promise.resolve([{ name: 'main', kind: 'directory', path: '/srv/modosu/repository' }]);

  readonly catalog = { listHypervisors: () => this.hypervisors(), listRepositories: () => this.repositories(), listOffsite: away };
  readonly adapters = new Adapters(loadConfig({}), {}).byName(this.catalog);

  goesAway(): void {
    this.hypervisors = away;
    this.repositories = away;
  }
}

describe('adapters by the names of the catalogue', () => {
  // A run has stopped a server, and PostgreSQL goes: what starts it again is libvirt, which answers.
  it('are those that were read last while the catalogue is away', async () => {
    const declared = new Declared();
    const [hypervisor, repository] = [await declared.adapters.hypervisor('local'), await declared.adapters.imageRepository('main')];
    declared.goesAway();
    expect(await declared.adapters.hypervisor('local')).toBe(hypervisor);
    expect(await declared.adapters.imageRepository('main')).toBe(repository);
  });

  it('are not there where they were not read before: nobody says that they are not declared', async () => {
    const declared = new Declared();
    await declared.adapters.hypervisor('local');
    declared.goesAway();
    await expect(declared.adapters.hypervisor('other')).rejects.toMatchObject({ code: 'CATALOG_UNAVAILABLE' });
    await expect(declared.adapters.imageRepository('main')).rejects.toMatchObject({ code: 'CATALOG_UNAVAILABLE' });
  });

  it('are read again each time: what is declared anew counts at once, and what is no longer declared is not there', async () => {
    const declared = new Declared();
    const first = await declared.adapters.hypervisor('local');
    declared.hypervisors = () => Promise.resolve([{ name: 'local', kind: 'libvirt', uri: 'qemu:///session' }]);
    expect(await declared.adapters.hypervisor('local')).not.toBe(first);
    declared.hypervisors = () => Promise.resolve([]);
    await expect(declared.adapters.hypervisor('local')).rejects.toMatchObject({ code: 'HYPERVISOR_NOT_CONFIGURED' });
    declared.goesAway();
    await expect(declared.adapters.hypervisor('local')).rejects.toMatchObject({ code: 'CATALOG_UNAVAILABLE' });
  });

  it('say what else is wrong with the catalogue', async () => {
    const declared = new Declared();
    await declared.adapters.hypervisor('local');
    declared.hypervisors = () => Promise.reject(new ModosuError('CATALOG_SCHEMA_OUTDATED', 'An older schema.'));
    await expect(declared.adapters.hypervisor('local')).rejects.toMatchObject({ code: 'CATALOG_SCHEMA_OUTDATED' });
  });
});
