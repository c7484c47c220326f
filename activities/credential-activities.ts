import { setTimeout as delay } from 'node:timers/promises';
import type { CredentialActivities } from '../src/contracts/activities/credentials';
import type {
  CredentialDeclaration,
  CredentialReference,
  PlannedCredential,
  SecretVersionState,
  SetCredential,
  SurveyedCredential,
} from '../src/contracts/credential';
import { isModosuError, type ModosuError } from '../src/contracts/errors';
import type { RestoreServerInput } from '../src/contracts/workflows';
import { CURRENT } from '../src/credentials/secret-store';
import type { SecretValue } from '../src/credentials/secret-value';
import { setPassword } from '../src/guests/credentials/set-password';
import type { ActivityDependencies } from './dependencies';
import { whileAlive } from './heartbeat';
import { guestOf, requireHeld } from './server-of-run';

/** A store that is away for a moment is waited for; one that is sealed is not: people unseal it. */
const READ_ATTEMPTS = 4;
const READ_AGAIN_MS = 2_000;

/** Calls to secret stores; see `CredentialActivities`. */
export class CredentialCalls implements CredentialActivities {
  constructor(private readonly deps: ActivityDependencies) {}

  rememberCredentials(declared: readonly CredentialDeclaration[]): Promise<readonly CredentialReference[]> {
    return whileAlive(() =>
      Promise.all(
        declared.map(async ({ account, store, path }) => {
          const { current, problem } = await this.current(store, path);
          return { account, store, path, version: current?.version ?? null, createdAt: current?.createdAt ?? null, problem };
        }),
      ),
    );
  }

  surveyCredentials(
    { protection }: Parameters<CredentialActivities['surveyCredentials']>[0],
    { credentials: remembered = [] }: Parameters<CredentialActivities['surveyCredentials']>[1],
  ): Promise<readonly SurveyedCredential[]> {
    const declared = protection.credentials ?? [];
    const places = [...declared, ...remembered.filter(({ account }) => !declared.some((one) => one.account === account))];
    return whileAlive(() =>
      Promise.all(
        places.map(async ({ account, store, path }) => {
          const then = remembered.find((one) => one.account === account);
          const [now, state] = await Promise.all([this.current(store, path), this.stateOf(then)]);
          return { account, ...now, remembered: state };
        }),
      ),
    );
  }

  setCredential(input: RestoreServerInput, credential: Pick<PlannedCredential, 'account' | 'store' | 'path' | 'field'>): Promise<SetCredential> {
    return whileAlive(async (signal) => {
      const { account } = credential;
      const agent = await guestOf(this.deps, input);
      let version: string | null = null;
      try {
        const value = await this.read(credential, signal);
        ({ version } = value);
        const { evidence } = await setPassword(agent, account, value.reveal(), { beforeSetting: () => requireHeld(this.deps, input) });
        return { isSet: true, version, evidence };
      } catch (error) {
        signal.throwIfAborted();
        // In a restored guest, before go-live: what a store or the agent says is for people, who can set a password by hand.
        if (isModosuError(error) && isForPeople(error)) return { isSet: false, version, evidence: `${error.code}: ${error.message} ${error.hint}` };
        throw error;
      }
    });
  }

  private async read({ store, path, field }: Pick<PlannedCredential, 'store' | 'path' | 'field'>, signal: AbortSignal): Promise<SecretValue> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await (await this.deps.secretStore(store)).read(path, CURRENT, field);
      } catch (error) {
        if (attempt === READ_ATTEMPTS || !isModosuError(error) || error.code !== 'SECRET_STORE_UNREACHABLE') throw error;
        await delay(READ_AGAIN_MS, undefined, { signal });
      }
    }
  }

  /** Which version counts, or the code of what its store says instead. */
  private async current(store: string, path: string): Promise<Pick<SurveyedCredential, 'current' | 'problem'>> {
    try {
      return { current: await (await this.deps.secretStore(store)).currentVersion(path), problem: null };
    } catch (error) {
      if (!isModosuError(error)) throw error;
      this.deps.log.warn({ store, path, code: error.code, error: error.message }, 'a secret store does not say which version is valid');
      return { current: null, problem: error.code };
    }
  }

  private async stateOf(then: CredentialReference | undefined): Promise<SecretVersionState | null> {
    if (then?.version == null) return null;
    try {
      return await (await this.deps.secretStore(then.store)).versionState(then.path, then.version);
    } catch (error) {
      if (!isModosuError(error)) throw error;
      // With the path all of its versions are gone.
      return error.code === 'SECRET_NOT_FOUND' ? 'unknown' : null;
    }
  }
}

const isForPeople = ({ code, retry }: ModosuError): boolean =>
  code !== 'FENCED_OFF' && (retry === 'never' || code === 'AGENT_SILENT' || code.startsWith('SECRET_'));
