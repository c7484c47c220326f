import { isCancellation, patched } from '@temporalio/workflow';
import type { BackupSubject } from '../../src/contracts/activities/images';
import type { DataPlanSource, PlanSource } from '../../src/contracts/activities/planning';
import type { CredentialDeclaration, CredentialReference, SurveyedCredential } from '../../src/contracts/credential';
import type { DataSurvey, RestorePlanBody, RestoreSurvey } from '../../src/contracts/plan';
import type { RestoreServerInput } from '../../src/contracts/workflows';
import { credentialStep } from '../../src/domain/steps/restore-steps';
import { credentialCalls } from './activities';
import { summarise } from './errors';
import type { Runbook } from './runbook';

/** Since images remember which versions of credentials were valid, and restores set the current ones. */
const CREDENTIALS = 'credential-references';
/** Since data does, too. */
const DATA_CREDENTIALS = 'data-credential-references';

interface Declared {
  readonly credentials?: readonly CredentialDeclaration[];
}

/** Whether a backup asks secret stores. */
export const remembersCredentials = ({ credentials }: BackupSubject): boolean => credentials !== undefined && patched(CREDENTIALS);
/** The same for one of data. */
export const dataRemembersCredentials = ({ credentials }: Declared): boolean => credentials !== undefined && patched(DATA_CREDENTIALS);

/** Which versions are valid, for recovery points that are about to be taken. */
export async function rememberCredentials(book: Runbook, hypervisor: string, input: Declared): Promise<readonly CredentialReference[]> {
  return book.step('credentials', {
    do: () => credentialsNow(hypervisor, input),
    detail: (references) =>
      Object.fromEntries(
        references.map(({ account, version, problem }) => [account, version === null ? `version not known, ${problem ?? 'INTERNAL'}` : `version ${version}`]),
      ),
  });
}

/** The same without a step of its own. No store keeps a recovery point from being taken. */
export async function credentialsNow(hypervisor: string, { credentials: declared = [] }: Declared): Promise<readonly CredentialReference[]> {
  try {
    return await credentialCalls(hypervisor).rememberCredentials(declared);
  } catch (thrown) {
    if (isCancellation(thrown)) throw thrown;
    const { code } = summarise(thrown);
    return declared.map(({ account, store, path }) => ({ account, store, path, version: null, createdAt: null, problem: code }));
  }
}

/** The survey with what secret stores say now. A store that says nothing keeps no plan from being made. */
export async function surveyCredentials({ hypervisor, protection }: PlanSource, survey: RestoreSurvey): Promise<RestoreSurvey> {
  const declared = protection.credentials ?? [];
  const remembered = survey.manifest.credentials ?? [];
  if (declared.length + remembered.length === 0 || !patched(CREDENTIALS)) return survey;
  return { ...survey, credentials: await surveyed(hypervisor, declared, remembered) };
}

/** The same for a restore of data: of what its recovery point remembers. */
export async function surveyDataCredentials({ hypervisor, point, credentials = [] }: DataPlanSource, survey: DataSurvey): Promise<DataSurvey> {
  const remembered = point.credentials ?? [];
  if (remembered.length === 0 || !patched(DATA_CREDENTIALS)) return survey;
  return { ...survey, credentials: await surveyed(hypervisor, credentials, remembered) };
}

async function surveyed(
  hypervisor: string,
  declared: readonly CredentialDeclaration[],
  remembered: readonly CredentialReference[],
): Promise<readonly SurveyedCredential[]> {
  try {
    return await credentialCalls(hypervisor).surveyCredentials({ protection: { credentials: declared } }, { credentials: remembered });
  } catch (thrown) {
    if (isCancellation(thrown)) throw thrown;
    const { code } = summarise(thrown);
    const accounts = new Set([...declared, ...remembered].map(({ account }) => account));
    return [...accounts].map((account) => ({ account, current: null, problem: code, remembered: null }));
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
