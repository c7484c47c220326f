import type { OffsiteState, TransferKind } from '../../contracts/offsite-copies';

/** Which transfers may run beside each other in one off-site repository. Pure. */

interface Transfer {
  readonly id: string;
  readonly kind: TransferKind;
}

/** Whoever fetches needs it now, and does not wait behind what is added or checked. What removes wants to be alone. */
const goTogether = (a: TransferKind, b: TransferKind): boolean => (a === 'fetch') !== (b === 'fetch') && a !== 'forget' && b !== 'forget';

/** Why one of this kind does not begin now, in words; null: it may. */
export function heldBackBy(
  kind: TransferKind,
  running: readonly Transfer[],
  { state, name }: { readonly state: OffsiteState; readonly name: string },
): string | null {
  if (state !== 'here') return state === 'unknown' ? `nobody has looked yet whether ${name} is there` : `${name} is ${state}`;
  const other = running.find((one) => !goTogether(kind, one.kind));
  return other === undefined ? null : `transfer ${other.id} (${other.kind}) uses ${name}`;
}

/** What gives way to somebody who fetches: it is begun again later, and loses nothing. */
export const givesWay = (running: readonly Transfer[]): readonly string[] => running.filter(({ kind }) => kind === 'forget').map(({ id }) => id);
