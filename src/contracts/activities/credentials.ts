import type { CredentialDeclaration, CredentialReference, PlannedCredential, SetCredential, SurveyedCredential } from '../credential';
import type { Protection } from '../protection';
import type { RestoreServerInput } from '../workflows';

/**
 * Calls to secret stores, from the workers near a hypervisor, which know them; queue `host.<hypervisor>`. What they give and are given holds references and
 * codes, never a value.
 */
export interface CredentialActivities {
  /** Which versions count now. Never fails because of a store: what one does not say is known by its code. Read-only. */
  rememberCredentials(declared: readonly CredentialDeclaration[]): Promise<readonly CredentialReference[]>;
  /**
   * Of each account that is declared now or that the recovery point remembers: which version counts now, and whether that of the recovery point can still be
   * read. As `rememberCredentials`, never fails because of a store. Read-only.
   */
  surveyCredentials(
    source: { readonly protection: Pick<Protection, 'credentials'> },
    point: { readonly credentials?: readonly CredentialReference[] },
  ): Promise<readonly SurveyedCredential[]>;
  /**
   * Reads what is current, sets it in the guest and proves it there. An account that has it already is left alone, so that a second attempt changes nothing.
   * What a store, the agent or the guest says throws nothing: a credential that was not set, or not proven, is one for people. Throws what keeps anything from
   * being done in the guest, and `FENCED_OFF`.
   */
  setCredential(input: RestoreServerInput, credential: Pick<PlannedCredential, 'account' | 'store' | 'path' | 'field'>): Promise<SetCredential>;
}
