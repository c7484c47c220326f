import type { TokenRecord } from '../../catalog/catalog';
import type { ApplyAgain } from '../../contracts/change';
import { ModosuError } from '../../contracts/errors';

/**
 * A program that a change names is run in the guest, as its administrator, by the next restore that lacks the change. So whoever names one has to be allowed
 * to start restores: a token that may only register changes must not get into a guest by this way. Throws `NOT_ALLOWED`.
 */
export function requireMayApply({ name, scopes }: TokenRecord, applyAgain: ApplyAgain | null): void {
  if (applyAgain?.kind !== 'command' || scopes.some((scope) => scope === 'operate' || scope === 'admin')) return;
  throw new ModosuError('NOT_ALLOWED', `Token "${name}" lacks the scope "operate", which naming a program to be run in a guest takes.`, {
    hint: 'Say in words how the change is applied again (`kind: text`), or use a token with the scope operate.',
    context: { scope: 'operate' },
  });
}
