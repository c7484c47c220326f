import type { z } from 'zod';
import type { CredentialVersion, SecretVersionState, VaultDeclaration } from '../../contracts/credential';
import { fieldValue, nothingThere, versionLost } from '../failures';
import { secretPathParts } from '../secret-path';
import { CURRENT, type SecretStore } from '../secret-store';
import type { SecretValue } from '../secret-value';
import { dataAnswer, metadataAnswer, stateOf, timeOf, type VaultData, type VaultVersion } from './vault-answers';
import { VaultClient } from './vault-client';

const DEADLINE_MS = 10_000;
const VERSION = /^[1-9]\d{0,9}$/;

export interface VaultOptions {
  /** Of a whole method of the port, whatever it asks; 10 s where absent. */
  readonly deadlineMs?: number;
  /** For deletions that are planned; the clock of this machine where absent. What is read goes by Vault's clock. */
  readonly now?: () => Date;
}

/**
 * Secrets in HashiCorp Vault or OpenBao, engine KV version 2, over its HTTP API. The policy of the token needs `read` on `MOUNT/metadata/PATH` and
 * `MOUNT/data/PATH`, and nothing else; to know versions the first of them alone.
 */
export class VaultSecretStore implements SecretStore {
  readonly name: string;
  private readonly client: VaultClient;
  private readonly deadlineMs: number;
  private readonly now: () => Date;

  constructor(declaration: VaultDeclaration, { deadlineMs = DEADLINE_MS, now = () => new Date() }: VaultOptions = {}) {
    this.name = declaration.name;
    this.client = new VaultClient(declaration);
    this.deadlineMs = deadlineMs;
    this.now = now;
  }

  async currentVersion(path: string): Promise<CredentialVersion> {
    const { current, versions } = await this.versions(path, this.deadline());
    // Metadata can be written before there is a version.
    if (current === 0) throw nothingThere(this.name, path);
    const version = versions.get(current);
    if (version === undefined) throw versionLost(this.name, path, String(current), 'unknown');
    const state = stateOf(version, this.now());
    if (state !== 'there') throw versionLost(this.name, path, String(current), state);
    return { version: String(current), createdAt: timeOf(version.created_time) };
  }

  async versionState(path: string, version: string): Promise<SecretVersionState> {
    const { versions } = await this.versions(path, this.deadline());
    const known = VERSION.test(version) ? versions.get(Number(version)) : undefined;
    return known === undefined ? 'unknown' : stateOf(known, this.now());
  }

  async read(path: string, version: string, field: string): Promise<SecretValue> {
    const place = encoded(path);
    if (version !== CURRENT && !VERSION.test(version)) throw versionLost(this.name, path, version, 'unknown');
    const signal = this.deadline();
    const { status, body } = await this.client.get(`data/${place}${version === CURRENT ? '' : `?version=${version}`}`, signal);
    const parsed = dataAnswer.safeParse(body);
    // Without the metadata of a version there is none: whether there are others says the secret itself.
    if (status === 404 && !parsed.success) throw await this.absent(path, version, signal);
    const { data, metadata } = this.understood(parsed).data;
    const found = String(metadata.version);
    if (version !== CURRENT && found !== version) throw this.client.failure('SECRET_STORE_INVALID', 'answers with another version than it was asked for');
    if (status === 404 || data === null) throw versionLost(this.name, path, found, this.lostState(metadata));
    return fieldValue(this.name, path, found, field, Object.hasOwn(data, field) ? data[field] : undefined);
  }

  private async absent(path: string, version: string, signal: AbortSignal): Promise<Error> {
    if (version === CURRENT) return nothingThere(this.name, path);
    await this.versions(path, signal);
    return versionLost(this.name, path, version, 'unknown');
  }

  private async versions(path: string, signal: AbortSignal): Promise<{ readonly current: number; readonly versions: ReadonlyMap<number, VaultVersion> }> {
    const { status, body } = await this.client.get(`metadata/${encoded(path)}`, signal);
    if (status === 404) throw nothingThere(this.name, path);
    const { current_version: current, versions } = this.understood(metadataAnswer.safeParse(body)).data;
    return { current, versions: new Map(Object.entries(versions).map(([number, version]) => [Number(number), version])) };
  }

  /** Vault has said that it is gone; a clock that is behind its own may not know of it yet. */
  private lostState(metadata: VaultData['metadata']): 'deleted' | 'destroyed' {
    return stateOf(metadata, this.now()) === 'destroyed' ? 'destroyed' : 'deleted';
  }

  private understood<T>(parsed: z.ZodSafeParseResult<T>): T {
    if (parsed.success) return parsed.data;
    // What was wrong with it would name parts of it.
    throw this.client.failure('SECRET_STORE_INVALID', 'does not answer as an engine KV version 2 does');
  }

  private deadline(): AbortSignal {
    return AbortSignal.timeout(this.deadlineMs);
  }
}

const encoded = (path: string): string => secretPathParts(path).map(encodeURIComponent).join('/');
