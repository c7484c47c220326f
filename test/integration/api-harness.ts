import type { TokenScope } from '../../src/contracts/api/token';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { Ajv2020 } from 'ajv/dist/2020';
import { createApiApplication, type ApiConfig } from '../../src/api/application';
import type { ServerRecord } from '../../src/catalog/catalog';
import { planHash } from '../../src/catalog/plan-hash';
import { estateSchema } from '../../src/contracts/api/estate';
import type { Estate, RepositoryDeclaration } from '../../src/contracts/estate';
import type { BackupSetInput } from '../../src/contracts/backup-set';
import { ModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import type { Finding, RestorePlanBody, UndoPlanBody } from '../../src/contracts/plan';
import type { ImageManifest, ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import type { RunStarter, StartableRun } from '../../src/contracts/run-starter';
import type { StartablePlan } from '../../src/contracts/workflows';
import type { StateBefore, WayBackFacts } from '../../src/contracts/way-back';
import { directoryProfiles } from '../../src/profiles/directory-profile-source';
import type { ProfileSource } from '../../src/profiles/profile-source';
import type { ImageRepository } from '../../src/repositories/image/image-repository';
import { createFakeCatalog, type FakeCatalog } from '../support/fake-catalog';
import { FakeHypervisor } from '../support/fake-hypervisor';

/** Temporal as the API sees it. */
export class FakeRunStarter implements RunStarter {
  readonly runs: StartableRun[] = [];
  readonly plans: StartablePlan[] = [];
  readonly sets: BackupSetInput[] = [];
  readonly cancelled: string[] = [];
  readonly told: string[] = [];
  /** How often judging was begun. */
  judging = 0;
  /** Nothing answers. */
  down = false;
  /** It answers when asked, and is gone when it matters. */
  failsToStart = false;
  onPlan: (plan: StartablePlan) => Promise<void> = async () => undefined;
  onJudging: () => Promise<void> = async () => undefined;
  onRun: (run: StartableRun) => Promise<void> = async () => undefined;
  onCancel: (runId: string) => Promise<void> = async () => undefined;
  onDecided: (runId: string) => Promise<void> = async () => undefined;

  async check(): Promise<void> {
    if (this.down) throw this.unavailable();
  }

  async startRun(run: StartableRun): Promise<void> {
    if (this.down || this.failsToStart) throw this.unavailable();
    this.runs.push(run);
    await this.onRun(run);
  }

  async startSet(set: BackupSetInput): Promise<void> {
    if (this.down || this.failsToStart) throw this.unavailable();
    this.sets.push(set);
  }

  async startJudging(): Promise<void> {
    if (this.down || this.failsToStart) throw this.unavailable();
    this.judging += 1;
    await this.onJudging();
  }

  async startPlan(plan: StartablePlan): Promise<void> {
    if (this.down || this.failsToStart) throw this.unavailable();
    this.plans.push(plan);
    await this.onPlan(plan);
  }

  async tellDecided(runId: string): Promise<void> {
    if (this.down || this.failsToStart) throw this.unavailable();
    this.told.push(runId);
    await this.onDecided(runId);
  }

  async cancelRun(runId: string): Promise<void> {
    if (this.down || this.failsToStart) throw this.unavailable();
    this.cancelled.push(runId);
    await this.onCancel(runId);
  }

  readonly cancelledTransfers: string[] = [];

  async cancelTransfer(transferId: string): Promise<void> {
    if (this.down || this.failsToStart) throw this.unavailable();
    this.cancelledTransfers.push(transferId);
  }

  async cancelVerification(verificationId: string): Promise<void> {
    if (this.down || this.failsToStart) throw this.unavailable();
    this.cancelled.push(verificationId);
  }

  private unavailable(): ModosuError {
    return new ModosuError('TEMPORAL_UNAVAILABLE', 'Temporal at 127.0.0.1:7233 does not answer.');
  }
}

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export interface CallOptions {
  readonly token?: string | null;
  readonly body?: unknown;
  /** Sent as it is. */
  readonly rawBody?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface CallResult {
  readonly status: number;
  readonly headers: Headers;
  // Tests look into bodies of many shapes.
  readonly body: Record<string, never> & Record<string, unknown>;
}

/** The API on a port of its own, with everything behind it in memory: server db01 on hypervisor "local", repository "main". */
export class ApiHarness {
  /** Moves the catalogue's clock. */
  clockOffsetMs = 0;
  readonly catalog: FakeCatalog = createFakeCatalog(() => new Date(Date.now() + this.clockOffsetMs));
  readonly runStarter = new FakeRunStarter();
  readonly initialised: string[] = [];
  readonly log: LogLine[] = [];
  hypervisor!: FakeHypervisor;
  refuseRepository: ModosuError | null = null;
  /** The shipped ones, unless a test gives others. */
  profiles: ProfileSource = directoryProfiles(null);
  checkRepository: (name: string) => ReturnType<ImageRepository['check']> = async () => ({ freeBytes: 20 * 1024 ** 3, recoveryPoints: 0 });
  readDefinition: (recoveryPointId: string) => Promise<string> = async (id) => {
    throw new ModosuError('RECOVERY_POINT_NOT_FOUND', `There is no recovery point ${id} in /srv/modosu`);
  };
  tokens!: Readonly<Record<TokenScope, string>>;
  directory!: string;
  url!: string;
  private application!: INestApplication;
  private schemas!: ResponseSchemas;

  static async start(config: Partial<ApiConfig> = {}): Promise<ApiHarness> {
    const harness = new ApiHarness();
    harness.directory = await mkdtemp(join(tmpdir(), 'modosu-api-'));
    harness.hypervisor = new FakeHypervisor('local', join(harness.directory, 'disks'));
    harness.schemas = await ResponseSchemas.load();
    await harness.listen(0, config);
    const secret = async (name: TokenScope): Promise<string> => (await harness.catalog.createToken('test', name, [name], null)).secret;
    harness.tokens = { read: await secret('read'), change: await secret('change'), operate: await secret('operate'), admin: await secret('admin') };
    return harness;
  }

  async close(): Promise<void> {
    await this.application.close();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** The API dies and comes back at the same address. */
  async restart(config: Partial<ApiConfig> = {}): Promise<void> {
    const port = Number(new URL(this.url).port);
    await this.application.close();
    await this.listen(port, config);
  }

  async createServer(domainName = 'db01'): Promise<void> {
    await this.hypervisor.createServer({ domainName, disks: [{ target: 'vda', format: 'qcow2', content: Buffer.from('content') }], running: true });
  }

  async applyEstate(estate: Estate = ESTATE): Promise<void> {
    const present = await this.hypervisor.listServers();
    const resolved = estate.servers.map(({ name, domain }) => {
      const found = present.find(({ domainName }) => domainName === (domain ?? name));
      if (found === undefined) throw new Error(`no domain for ${name}`);
      return { name, uuid: found.uuid, domainName: found.domainName };
    });
    await this.catalog.applyEstate('test', estate, resolved);
  }

  /** A server that exists, is declared, and has a recovery point. */
  async seed(): Promise<{ readonly server: ServerRecord; readonly point: ImageRecoveryPointView }> {
    await this.createServer();
    await this.applyEstate();
    const server = await this.catalog.getServer('db01');
    return { server, point: await this.catalog.recordRecoveryPoint(manifestOf(server), 'main') };
  }

  /** A plan that is ready, made behind the API's back. */
  async readyPlan(
    server: ServerRecord,
    point: ImageRecoveryPointView,
    findings: readonly Finding[] = [],
    changes: Partial<RestorePlanBody> = {},
  ): Promise<string> {
    const request = { actor: 'test', idempotencyKey: null, requestDigest: '', serverId: server.id, scenario: 'server', recoveryPointId: point.id } as const;
    const { planId } = await this.catalog.acceptPlan(request);
    await this.completePlan(planId, server, point, findings, changes);
    return planId;
  }

  async completePlan(
    planId: string,
    server: ServerRecord,
    point: ImageRecoveryPointView,
    findings: readonly Finding[] = [],
    changes: Partial<RestorePlanBody> = {},
  ): Promise<void> {
    const body = { ...planBodyOf(planId, server, point, findings), ...changes };
    await this.catalog.completePlan(planId, body, planHash(body));
  }

  /** A restore that has swapped the volumes and waits before go-live, as after `--hold`. */
  async waitingRestore(server: ServerRecord, point: ImageRecoveryPointView, changes: Partial<RestorePlanBody> = {}): Promise<string> {
    const planId = await this.readyPlan(server, point, [], changes);
    const { runId } = await this.catalog.acceptPlanned({
      actor: 'test',
      idempotencyKey: null,
      requestDigest: '',
      serverId: server.id,
      reason: 'disk died',
      planId,
      confirm: server.name,
      hold: true,
    });
    await this.catalog.startRun(runId);
    await this.catalog.openWayBack(runId, KEPT, BEFORE, new Date(Date.now() + 7 * 86_400_000));
    await this.catalog.recordStep(runId, { seq: 1, key: 'go-live', title: 'Wait for go-live', state: 'waiting' });
    return runId;
  }

  /** The worker's part of a waiting restore that has been told to go on. */
  async endRestore(runId: string): Promise<void> {
    await this.catalog.recordGoLive(runId);
    await this.catalog.recordStep(runId, { seq: 1, key: 'go-live', title: 'Wait for go-live', state: 'succeeded' });
    await this.catalog.finishRun(runId, { state: 'succeeded', error: null, recoverySeconds: 42 });
  }

  /** A restore that has succeeded and keeps the old volumes. */
  async doneRestore(server: ServerRecord, point: ImageRecoveryPointView): Promise<string> {
    const runId = await this.waitingRestore(server, point);
    await this.endRestore(runId);
    return runId;
  }

  /** The worker's part of the plan of an undo. */
  async completeUndoPlan(planId: string, findings: readonly Finding[] = []): Promise<void> {
    const { scenario, input } = await this.catalog.getDispatchablePlan(planId);
    if (scenario !== 'undo') throw new Error(`plan ${planId} is none of an undo`);
    const body = undoPlanBodyOf(planId, await this.catalog.getServer(input.serverId), input.ofRunId, findings);
    await this.catalog.completePlan(planId, body, planHash(body));
  }

  /** The worker's part of a run that deletes what another has kept. */
  async endConfirm(runId: string, ofRunId: string): Promise<void> {
    await this.catalog.startRun(runId);
    await this.catalog.closeWayBack(runId, ofRunId);
    await this.catalog.finishRun(runId, { state: 'succeeded', error: null });
  }

  /** Sends a request; the answer is held against the committed OpenAPI document. */
  async call(method: string, path: string, { token = this.tokens.admin, body, rawBody, headers = {} }: CallOptions = {}): Promise<CallResult> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined && rawBody === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      body: rawBody ?? (body === undefined ? undefined : JSON.stringify(body)),
    });
    const text = await response.text();
    const isJson = text !== '' && (response.headers.get('content-type') ?? '').includes('json');
    const parsed = (isJson ? JSON.parse(text) : null) as CallResult['body'];
    if (isJson) this.schemas.judge(method, path.split('?')[0] ?? path, response.status, response.headers.get('content-type') ?? '', parsed);
    return { status: response.status, headers: response.headers, body: parsed };
  }

  private async listen(port: number, config: Partial<ApiConfig>): Promise<void> {
    const write = (level: LogLine['level']) => (fields: Readonly<Record<string, unknown>>, message: string) => void this.log.push({ level, fields, message });
    this.application = await createApiApplication({
      catalog: this.catalog,
      runStarter: this.runStarter,
      hypervisor: () => this.hypervisor,
      repository: (declaration) => this.repository(declaration),
      profiles: { find: () => this.profiles.find(), load: () => this.profiles.load() },
      log: { info: write('info'), warn: write('warn'), error: write('error') },
      config: { version: '0.0.0-test', runPollMs: 10, ...config },
    });
    await this.application.listen(port, '127.0.0.1');
    const address = (this.application.getHttpServer() as { address(): AddressInfo }).address();
    this.url = `http://127.0.0.1:${address.port}`;
  }

  private repository(declaration: RepositoryDeclaration): ImageRepository {
    const initialise = async (): Promise<void> => {
      if (this.refuseRepository !== null) throw this.refuseRepository;
      this.initialised.push(declaration.name);
    };
    const check = (): ReturnType<ImageRepository['check']> => this.checkRepository(declaration.name);
    const readDefinition: ImageRepository['readDefinition'] = (_serverId, recoveryPointId) => this.readDefinition(recoveryPointId);
    // The API calls nothing else of it.
    return { name: declaration.name, initialise, check, readDefinition } as unknown as ImageRepository;
  }
}

export const ESTATE: Estate = estateSchema.parse({
  hypervisors: [{ name: 'local', kind: 'libvirt' }],
  repositories: [{ name: 'main', kind: 'directory', path: '/srv/modosu' }],
  servers: [{ name: 'db01', hypervisor: 'local', repository: 'main' }],
});

const SHA = 'a'.repeat(64);

const BEFORE: StateBefore = { powerState: 'running', agent: 'answering' };

const KEPT: WayBackFacts = {
  wasGone: false,
  volumes: [{ target: 'vda', path: '/disks/vda.qcow2', allocatedBytes: 165 * 1024 * 1024 }],
  nvramPath: null,
  generationId: null,
  complete: true,
};

export function manifestOf(server: ServerRecord, generation = 1): ImageManifest {
  const at = new Date(Date.now() - 3_600_000 + generation * 1000).toISOString();
  return {
    format: 'modosu-image-recovery-point',
    version: 1,
    recoveryPointId: newId('rp'),
    server: { id: server.id, name: server.name, uuid: server.uuid },
    generation,
    lineageId: server.lineageId,
    parentId: null,
    runId: newId('run'),
    reason: 'before the service pack',
    consistency: 'offline',
    pointInTime: at,
    publishedAt: at,
    disks: [
      {
        target: 'vda',
        image: { path: 'vda.qcow2', sizeBytes: 165 * 1024 * 1024, sha256: SHA, format: 'qcow2', segmentsPath: 'vda.segments', segmentSizeBytes: 1024 * 1024 },
        virtualSizeBytes: 442 * 1024 * 1024,
        origin: { path: '/disks/vda.qcow2', format: 'qcow2', flattened: false },
      },
    ],
    definition: { path: 'domain.xml', sizeBytes: 4000, sha256: SHA },
    definitionFingerprint: SHA,
    nvram: null,
    removableMedia: [],
    nics: [],
    generationId: null,
    firmware: 'bios',
    domainType: 'qemu',
    powerStateBefore: 'running',
    agentBefore: 'answering',
    software: { modosu: '0.0.0' },
  };
}

export const planBodyOf = (planId: string, server: ServerRecord, point: ImageRecoveryPointView, findings: readonly Finding[]): RestorePlanBody => ({
  planId,
  runId: newId('run'),
  scenario: 'server',
  server: {
    serverId: server.id,
    name: server.name,
    uuid: server.uuid,
    hypervisor: 'local',
    domainName: server.domainName,
    macs: ['52:54:00:00:00:01'],
    powerState: 'running',
  },
  recoveryPoint: {
    id: point.id,
    generation: point.generation,
    pointInTime: point.pointInTime,
    consistency: 'offline',
    reason: point.reason,
    repository: 'main',
  },
  definitionFrom: 'present',
  volumes: [
    {
      target: 'vda',
      replacesPath: '/disks/vda.qcow2',
      newPath: '/disks/vda.qcow2.run_x',
      format: 'qcow2',
      virtualSizeBytes: 442 * 1024 * 1024,
      flattened: false,
    },
  ],
  nvramNewPath: null,
  renewsGenerationId: true,
  quarantinedMacs: ['52:54:00:00:00:01'],
  healthChecks: [{ name: 'web', kind: 'command', argv: ['/usr/bin/true'], timeoutSeconds: 60 }],
  before: BEFORE,
  steps: [
    { key: 'verify', title: 'Check the recovery point' },
    { key: 'copy:vda', title: 'Copy vda to its new volume' },
  ],
  findings,
  losses: ['Everything written since the point in time is lost on db01.'],
  space: [{ directory: '/disks', neededBytes: 165 * 1024 * 1024, freeBytes: 20 * 1024 ** 3 }],
  estimate: null,
  basis: { definitionFingerprint: SHA, disks: [{ target: 'vda', path: '/disks/vda.qcow2' }], recoveryPointId: point.id, manifestSha256: SHA },
  createdAt: new Date().toISOString(),
});

export const undoPlanBodyOf = (planId: string, server: ServerRecord, ofRunId: string, findings: readonly Finding[]): UndoPlanBody => ({
  planId,
  runId: newId('run'),
  scenario: 'undo',
  server: {
    serverId: server.id,
    name: server.name,
    uuid: server.uuid,
    hypervisor: 'local',
    domainName: server.domainName,
    macs: ['52:54:00:00:00:01'],
    powerState: 'running',
  },
  undoes: { runId: ofRunId, kind: 'restore-server', swappedAt: '2026-01-31T12:00:00.000Z', wentLiveAt: '2026-01-31T12:03:00.000Z', reason: 'disk died' },
  volumes: [{ target: 'vda', presentPath: '/disks/vda.qcow2.run_x', returnsToPath: '/disks/vda.qcow2', writtenBytes: 12 * 1024 * 1024 }],
  generationId: { now: 'cccccccc-0000-4000-8000-000000000002', then: 'cccccccc-0000-4000-8000-000000000001' },
  lineage: { now: server.lineageId, then: 'dddddddd-0000-4000-8000-000000000001' },
  returnsTo: { powerState: 'running', agent: 'silent' },
  before: BEFORE,
  steps: [
    { key: 'check', title: 'Check that the plan still holds' },
    { key: 'swap', title: 'Put the kept volumes in place' },
  ],
  findings,
  losses: ['Everything written since it went live is not in the server after the undo.'],
  basis: { definitionFingerprint: SHA, disks: [{ target: 'vda', path: '/disks/vda.qcow2.run_x' }] },
  createdAt: new Date().toISOString(),
});

interface OpenApi {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>> }>>>
  >;
}

/** Holds answers against docs/openapi.json, so that neither can drift from the other. */
class ResponseSchemas {
  private readonly ajv = new Ajv2020({ strict: false, validateFormats: false });

  private constructor(readonly document: OpenApi) {
    this.ajv.addSchema(document, 'openapi');
  }

  static async load(): Promise<ResponseSchemas> {
    const text = await readFile(join(__dirname, '../../docs/openapi.json'), 'utf8');
    return new ResponseSchemas(JSON.parse(text) as OpenApi);
  }

  judge(method: string, path: string, status: number, contentType: string, body: unknown): void {
    const template = Object.keys(this.document.paths).find((candidate) =>
      new RegExp(`^${candidate.replace(/\{[^}]+\}/g, '[^/]+').replaceAll('.', '\\.')}$`).test(path),
    );
    const media = contentType.split(';')[0] ?? '';
    const operation = template === undefined ? undefined : this.document.paths[template]?.[method.toLowerCase()];
    const answer = operation?.responses[String(status)] === undefined ? 'default' : String(status);
    const known = operation?.responses[answer]?.content?.[media] !== undefined;
    const escaped = (text: string): string => text.replaceAll('~', '~0').replaceAll('/', '~1');
    const pointer = known
      ? `openapi#/paths/${escaped(template ?? '')}/${method.toLowerCase()}/responses/${answer}/content/${escaped(media)}/schema`
      : 'openapi#/components/schemas/Problem';
    if (!known && media !== 'application/problem+json') throw new Error(`${method} ${path}: status ${status} with ${media} is not in the OpenAPI document`);
    const judge = this.ajv.compile({ $ref: pointer.replaceAll('{', '%7B').replaceAll('}', '%7D') });
    if (!judge(body)) {
      throw new Error(
        `${method} ${path}: the answer is not what docs/openapi.json says: ${this.ajv.errorsText(judge.errors)}\n${JSON.stringify(body, null, 1)}`,
      );
    }
  }
}
