import { isCancellation, patched } from '@temporalio/workflow';
import type { BackupSubject, PlanSource } from '../../src/contracts/activities';
import type { CredentialReference, SurveyedCredential } from '../../src/contracts/credential';
import type { RestorePlanBody, RestoreSurvey } from '../../src/contracts/plan';
import type { RestoreServerInput } from '../../src/contracts/workflows';
import { credentialStep } from '../../src/domain/steps/restore-steps';
import { credentialCalls } from './activities';
import { summarise } from './errors';
import type { Runbook } from './runbook';

/** Since images remember which versions of credentials were valid, and restores set the current ones. */
const CREDENTIALS = 'credential-references';

/** Whether a backup asks secret stores. */
export const remembersCredentials = ({ credentials }: BackupSubject): boolean => credentials !== undefined && patched(CREDENTIALS);

/** Which versions are valid, for an image whose point in time is about to be taken. No store keeps it from being taken. */
export async function rememberCredentials(
  book: Runbook,
  hypervisor: string,
  { credentials: declared = [] }: BackupSubject,
): Promise<readonly CredentialReference[]> {
  return book.step('credentials', {
    do: async () => {
      try {
        return await credentialCalls(hypervisor).rememberCredentials(declared);
      } catch (thrown) {
        if (isCancellation(thrown)) throw thrown;
        const { code } = summarise(thrown);
        return declared.map(({ account, store, path }) => ({ account, store, path, version: null, createdAt: null, problem: code }));
      }
    },
    detail: (references) =>
      Object.fromEntries(
        references.map(({ account, version, problem }) => [account, version === null ? `version not known, ${problem ?? 'INTERNAL'}` : `version ${version}`]),
      ),
  });
}

/** The survey with what secret stores say now. A store that says nothing keeps no plan from being made. */
export async function surveyCredentials(source: PlanSource, survey: RestoreSurvey): Promise<RestoreSurvey> {
  const declared = source.protection.credentials ?? [];
  const accounts = [...new Set([...declared, ...(survey.manifest.credentials ?? [])].map(({ account }) => account))];
  if (accounts.length === 0 || !patched(CREDENTIALS)) return survey;
  return { ...survey, credentials: await surveyed(source, survey, accounts) };
}

async function surveyed(source: PlanSource, { manifest }: RestoreSurvey, accounts: readonly string[]): Promise<readonly SurveyedCredential[]> {
  const { hypervisor, protection } = source;
  try {
    return await credentialCalls(hypervisor).surveyCredentials(
      { protection },
      { ...(manifest.credentials === undefined ? {} : { credentials: manifest.credentials }) },
    );
  } catch (thrown) {
    if (isCancellation(thrown)) throw thrown;
    const { code } = summarise(thrown);
    return accounts.map((account) => ({ account, current: null, problem: code, remembered: null }));
  }
}

/** Sets what the plan says; gives the accounts that are left for people. */
export async function setCredentials(book: Runbook, input: RestoreServerInput, plan: RestorePlanBody): Promise<readonly string[]> {
  const planned = (plan.credentials ?? []).filter(({ isSet }) => isSet);
  if (planned.length === 0 || !patched(CREDENTIALS)) return [];
  const forPeople: string[] = [];
  for (const { account, store, path, field } of planned) {
    const { key, title } = credentialStep(account);
    const { isSet } = await book.step(
      key,
      {
        do: () => credentialCalls(input.hypervisor).setCredential(input, { account, store, path, field }),
        detail: ({ isSet: set, version, evidence }) => ({ set, ...(version === null ? {} : { version }), evidence }),
      },
      title,
    );
    if (!isSet) forPeople.push(account);
  }
  return forPeople;
}
