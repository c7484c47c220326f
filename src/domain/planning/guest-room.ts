import type { GuestSpace } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { formatBytes, formatBytesNeeded } from '../../contracts/format';
import type { Finding } from '../../contracts/plan';
import { cleanWords, namesOf } from '../../contracts/text';

/** Room in the guest for what is brought back, beside what is in use. */

/** Left to whatever runs in the guest, where much is fetched: a small file comes back to a nearly full disk too. */
const RESERVE_BYTES = 32 * 1024 * 1024;

/** Those file systems that have too little room for what is fetched into them. `mostBytes`: more than that is fetched in no case. */
export function tooTightFor(
  spaces: readonly { readonly directory: string; readonly fetchBytes: number; readonly freeBytes: number }[],
  mostBytes: number,
): readonly GuestSpace[] {
  return lacking(
    spaces.map(({ directory, fetchBytes, freeBytes }) => {
      const bytes = Math.min(fetchBytes, mostBytes);
      return { directory, neededBytes: bytes + Math.min(RESERVE_BYTES, bytes), freeBytes };
    }),
  );
}

const lacking = (spaces: readonly GuestSpace[]): readonly GuestSpace[] => spaces.filter(({ neededBytes, freeBytes }) => neededBytes > freeBytes);

/** One for each file system that has too little. `instead`: what would help as well, for the sentence that says how much is to be freed. */
export const guestRoomFindings = (spaces: readonly GuestSpace[], instead?: string): readonly Finding[] =>
  lacking(spaces).map(({ directory, neededBytes, freeBytes }) => ({
    code: 'GUEST_DISK_FULL',
    severity: 'block',
    message: `${cleanWords(directory)} in the guest has too little room.`,
    remedy: `Free at least ${formatBytesNeeded(neededBytes - freeBytes)} there${instead === undefined ? '' : `, or ${instead}`}.`,
    evidence: [`${formatBytes(neededBytes)} needed`, `${formatBytes(freeBytes)} free`],
  }));

/**
 * The same judgement right before something is fetched.
 *
 * @throws GUEST_DISK_FULL for the first that has too little
 */
export function requireGuestRoom(spaces: readonly GuestSpace[]): void {
  const [tight] = lacking(spaces);
  if (tight === undefined) return;
  const { directory, freeBytes, neededBytes } = tight;
  throw new ModosuError(
    'GUEST_DISK_FULL',
    `${namesOf([directory])} in the guest has ${formatBytes(freeBytes)} free, and what is fetched beside the files there needs ${formatBytes(neededBytes)}.`,
    { context: { directory, freeBytes, neededBytes } },
  );
}
