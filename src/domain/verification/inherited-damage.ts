import type { Damage } from '../../contracts/verification';

/** What is said of a recovery point that is damaged only because of another one, on which it builds, directly or indirectly. Pure. */

/** What one hands down to all that builds on it. */
export interface InheritedDamage extends Pick<Damage, 'code' | 'message'> {
  /** Id of the recovery point where it began: people are told of that, and look at that. */
  readonly origin: string;
}

/** What becomes of the damage of one in all that builds on it. */
export const inheritedDamage = (origin: string, { code, message }: Damage): InheritedDamage => ({
  code,
  message: `It builds on recovery point ${origin}, which is damaged: ${message}`,
  origin,
});

/** One on which others build is deleted only when all of them are; should it ever be otherwise, they are nothing any more. */
export const builtOnDeleted = (origin: string): InheritedDamage => ({
  code: 'RECOVERY_POINT_INCOMPLETE',
  message: `It builds on recovery point ${origin}, which is deleted`,
  origin,
});

/** The definition and the NVRAM. What builds on a recovery point has its own, and needs nothing of it but its images, and the manifest that says what they are. */
export const OWN_FILES: readonly string[] = ['domain.xml', 'nvram.fd'];

/** Whether what builds on it is damaged, too. In a file that nobody has named: it may be. */
export const isHandedDown = ({ file }: Pick<Damage, 'file'>): boolean => !OWN_FILES.some((own) => own === file);
