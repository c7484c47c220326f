import type { Catalog } from '../../catalog/catalog';
import { toModosuError } from '../../contracts/errors';
import type { DeclaredStores } from '../../credentials/declared-stores';
import { fail, failed, look, ok, type Check } from './check';

/** The secret stores that this machine's workers know and that servers name, and whether they say which version of each declared credential is valid. No value is read. */
export async function checkSecretStores(catalog: Pick<Catalog, 'listServers'>, stores: Pick<DeclaredStores, 'list' | 'open'>): Promise<readonly Check[]> {
  const servers = (await catalog.listServers()).filter(({ decommissioned }) => decommissioned === null);
  const wanted = servers.flatMap(({ name, protection }) => (protection.credentials ?? []).map((credential) => ({ ...credential, server: name })));
  let declared: readonly string[];
  try {
    declared = (await stores.list()).map(({ name }) => name);
  } catch (thrown) {
    return [failed('secret stores', thrown)];
  }
  const names = [...new Set([...declared, ...wanted.map(({ store }) => store)])];
  const checks = names.map((name) =>
    look(
      `secret store ${name}`,
      () =>
        checkStore(
          name,
          wanted.filter(({ store }) => store === name),
          stores,
        ),
      60_000,
    ),
  );
  return (await Promise.all(checks)).flat();
}

async function checkStore(
  name: string,
  credentials: readonly { readonly server: string; readonly account: string; readonly path: string }[],
  stores: Pick<DeclaredStores, 'open'>,
): Promise<readonly Check[]> {
  const subject = `secret store ${name}`;
  const store = await stores.open(name);
  const problems: Check[] = [];
  for (const { server, account, path } of credentials) {
    try {
      await store.currentVersion(path);
    } catch (thrown) {
      const { code, message, hint } = toModosuError(thrown);
      problems.push(fail(subject, `Of ${account} of server ${server} it does not say which version is valid: ${message}`, hint, code));
      // The others would hear the same.
      if (code === 'SECRET_STORE_SEALED' || code === 'SECRET_STORE_UNREACHABLE') break;
    }
  }
  if (problems.length > 0) return problems;
  return [
    ok(
      subject,
      credentials.length === 0
        ? 'declared; no server names it'
        : `knows which version is valid of ${credentials.length} credential${credentials.length === 1 ? '' : 's'}`,
    ),
  ];
}
