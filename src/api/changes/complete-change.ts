import type { Catalog } from '../../catalog/catalog';
import type { ChangeView } from '../../contracts/change';
import type { ApiDependencies } from '../dependencies';

/** The worker finds within half a minute what is due; whoever watches need not wait for that. It finds it all the same where this fails. */
export async function completeChange(
  { catalog, log }: Pick<ApiDependencies, 'catalog' | 'log'>,
  request: Parameters<Catalog['completeChange']>[0],
): Promise<ChangeView> {
  const change = await catalog.completeChange(request);
  try {
    await catalog.recordDueBackups();
  } catch (error) {
    log.warn({ changeId: change.id, error: String(error) }, 'the image that is due because of a change could not be written down yet');
  }
  return change;
}
