import type { ImageManifest } from '../../contracts/recovery-point';
import {
  backingName,
  backingOf,
  imagePath,
  isTarget,
  manifestProblem,
  manifestVersion,
  MAX_MANIFEST_BYTES,
  parseManifest,
  segmentsPath,
} from './image-manifest';

const SHA = '0123456789abcdef'.repeat(4);
const ID = '01aaaaaaaaaaaaaaaaaaaaaaaa';
const MANIFEST: ImageManifest = {
  format: 'modosu-image-recovery-point',
  version: 1,
  recoveryPointId: `rp_${ID}`,
  server: { id: `srv_${ID}`, name: 'db01', uuid: '3f0c9c1e-1111-4222-8333-44445555aAbB' },
  generation: 1,
  lineageId: 'l1',
  parentId: null,
  runId: `run_${ID}`,
  reason: 'before the\nupdate',
  consistency: 'offline',
  pointInTime: '2026-03-02T09:30:00.000Z',
  publishedAt: '2026-03-02T09:31:00.000Z',
  disks: [
    {
      target: 'vda',
      virtualSizeBytes: 4096,
      image: { path: 'disks/vda.qcow2', format: 'qcow2', sizeBytes: 1000, sha256: SHA, segmentsPath: 'disks/vda.segments', segmentSizeBytes: 4096 },
      origin: { path: '/srv/vm/vda.qcow2', format: 'raw', flattened: false },
    },
  ],
  definition: { path: 'domain.xml', sizeBytes: 10, sha256: SHA },
  definitionFingerprint: 'f1',
  nvram: { path: 'nvram.fd', sizeBytes: 64, sha256: SHA, origin: { path: '/srv/vm/db01.fd', format: 'raw' } },
  removableMedia: [
    { target: 'sda', source: null },
    { target: 'sdb', source: '/srv/tools.iso' },
  ],
  nics: [{ mac: '52:54:00:00:00:01', type: 'user', source: null }],
  generationId: null,
  firmware: 'uefi',
  domainType: 'qemu',
  powerStateBefore: 'running',
  agentBefore: 'answering',
  software: { modosu: '0.1.0' },
};

const PARENT_ID = 'rp_01aaaaaaaaaaaaaaaaaaaaaaab';
const INCREMENTAL: ImageManifest = {
  ...MANIFEST,
  version: 2,
  parentId: PARENT_ID,
  parentSha256: SHA,
  disks: MANIFEST.disks.map((disk) => ({ ...disk, incremental: true })),
};

const CHANGE = { id: `chg_${ID}`, title: 'Install the LDAP client', ticket: 'OPS-12', completedAt: '2026-03-01T00:00:00.000Z' };
const SAYS = {
  changes: { contained: [CHANGE], partly: [{ ...CHANGE, ticket: null, completedAt: null }], more: 1 },
  facts: { path: 'facts.json', sizeBytes: 20_000, sha256: SHA },
} as const;
const REFERENCE = { account: 'root', store: 'vault', path: 'servers/db01', version: '3', createdAt: '2026-03-01T00:00:00.000Z', problem: null };
/** They say which changes they contain, and what was collected of the server. */
const TELLING_FULL: ImageManifest = { ...MANIFEST, ...SAYS, version: 5 };
const TELLING_INCREMENTAL: ImageManifest = { ...INCREMENTAL, ...SAYS, version: 6 };

/** The manifest with one place of it changed, such as `disks.0.image.path`; `undefined` takes it away. */
function changed(place: string, value: unknown, manifest = MANIFEST): unknown {
  const copy = structuredClone(manifest) as unknown as Record<string, unknown>;
  const names = place.split('.');
  const last = names.pop() ?? '';
  let at: Record<string, unknown> = copy;
  for (const name of names) at = at[name] as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}
const disk = (target: string) => ({
  ...MANIFEST.disks[0],
  target,
  image: { ...MANIFEST.disks[0]?.image, path: `disks/${target}.qcow2`, segmentsPath: `disks/${target}.segments` },
});
/** Every place in a value, each with its name. */
const placesIn = (value: unknown, name = ''): readonly string[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, inner]) => [...(Array.isArray(value) ? [] : [`${name}${key}`]), ...placesIn(inner, `${name}${key}.`)])
    : [];
const objectsIn = (value: unknown, name = ''): readonly string[] =>
  typeof value === 'object' && value !== null
    ? [...(Array.isArray(value) ? [] : [name]), ...Object.entries(value).flatMap(([key, inner]) => objectsIn(inner, `${name}${key}.`))]
    : [];

describe('the manifest of an image recovery point', () => {
  it.each<[string, unknown]>([
    ['nvram', null],
    ['generationId', 'g-1'],
    ['nics.0.source', 'br0'],
    ['disks', ['vda', 'sdab', 'nvme0n1', 'hdz'].map(disk)],
    ['disks.0.origin.format', 'qcow2'],
    ['disks.0.image.segmentSizeBytes', 1024 ** 3],
    ['disks.0.image.sizeBytes', 0],
    ['lineageId', `${'aZ9_-'.repeat(12)}abcd`],
    ['reason', 'x'.repeat(10_000)],
    ['server.name', 'x'.repeat(4096)],
    ['definitionFingerprint', 'x'.repeat(128)],
    ['disks', Array.from({ length: 1000 }, (_, index) => disk(`vd${index}`))],
    ['removableMedia', Array<unknown>(1000).fill({ target: 'sda', source: null })],
    ['nics', Array<unknown>(1000).fill(MANIFEST.nics[0])],
    ...(['offline', 'application', 'filesystem', 'crash'] as const).map((value): [string, unknown] => ['consistency', value]),
    ...(['running', 'paused', 'off'] as const).map((value): [string, unknown] => ['powerStateBefore', value]),
    ...(['answering', 'silent', 'absent'] as const).map((value): [string, unknown] => ['agentBefore', value]),
    ['firmware', 'bios'],
  ])('may say in %s what is within its bounds', (place, value) => expect(manifestProblem(changed(place, value))).toBeNull());

  it.each<[string, unknown, string]>([
    ['format', 'something-else', 'format:'],
    ['recoveryPointId', `srv_${ID}`, 'recoveryPointId: is not an id beginning with "rp_"'],
    ['recoveryPointId', '../rp_1', 'recoveryPointId:'],
    ['server.id', `rp_${ID}`, 'server.id: is not an id beginning with "srv_"'],
    ['runId', `rp_${ID}`, 'runId: is not an id beginning with "run_"'],
    ['server.uuid', '3f0c9c1e-1111-4222-8333-44445555aabbc', 'server.uuid: is not a UUID'],
    ['server.uuid', 'x3f0c9c1e-1111-4222-8333-44445555aabb', 'server.uuid: is not a UUID'],
    ['server.uuid', '3f0c9c1e-1111-4222-8333-44445555aagg', 'server.uuid: is not a UUID'],
    ['server.name', 'db\u001b[31m', 'server.name: has control characters'],
    ['server.name', 'db\u007f', 'server.name: has control characters'],
    ['server.name', 'x'.repeat(4097), 'server.name:'],
    ['generation', 0, 'generation:'],
    ['generation', 1.5, 'generation:'],
    ['lineageId', '', 'lineageId: is not the id of a lineage'],
    ['lineageId', 'a/b', 'lineageId: is not the id of a lineage'],
    ['lineageId', '/ab', 'lineageId: is not the id of a lineage'],
    ['lineageId', 'ab/', 'lineageId: is not the id of a lineage'],
    ['lineageId', 'x'.repeat(65), 'lineageId: is not the id of a lineage'],
    ['parentId', `rp_${ID}`, 'parentId:'],
    ['reason', 'x'.repeat(10_001), 'reason:'],
    ['consistency', 'perhaps', 'consistency:'],
    ['pointInTime', 'yesterday', 'pointInTime:'],
    ['publishedAt', '2026-03-02', 'publishedAt:'],
    ['disks', [], 'disks:'],
    ['disks', Array.from({ length: 1001 }, (_, index) => disk(`vd${index}`)), 'disks:'],
    ['disks', ['vda', 'vdb', 'vda'].map(disk), 'disks: two disks have the same target'],
    ['disks', [disk('../x')], 'disks.0.target: is not the name of a disk device'],
    ['disks.0.image.path', 'disks/vdb.qcow2', "disks.0.image.path: is not the place of this disk's image"],
    ['disks.0.image.path', '/etc/shadow', "disks.0.image.path: is not the place of this disk's image"],
    ['disks.0.image.segmentsPath', 'disks/vdb.segments', "disks.0.image.segmentsPath: is not the place of this disk's segment list"],
    ['disks.0.image.format', 'raw', 'disks.0.image.format:'],
    ['disks.0.image.sizeBytes', -1, 'disks.0.image.sizeBytes:'],
    ['disks.0.image.sha256', SHA.toUpperCase(), 'disks.0.image.sha256: is not a SHA-256 in lower-case hex'],
    ['disks.0.image.sha256', SHA.slice(1), 'disks.0.image.sha256:'],
    ['disks.0.image.sha256', `${SHA}0`, 'disks.0.image.sha256:'],
    ['disks.0.image.sha256', `x${SHA}`, 'disks.0.image.sha256:'],
    ['disks.0.image.segmentSizeBytes', 4095, 'disks.0.image.segmentSizeBytes:'],
    ['disks.0.image.segmentSizeBytes', 1024 ** 3 + 1, 'disks.0.image.segmentSizeBytes:'],
    ['disks.0.origin.path', 'srv/vm/vda.qcow2', 'disks.0.origin.path: is not an absolute path'],
    ['disks.0.origin.path', '/srv/\nvda', 'disks.0.origin.path: has control characters'],
    ['disks.0.origin.format', 'vmdk', 'disks.0.origin.format:'],
    ['definition.path', '../domain.xml', 'definition.path:'],
    ['definitionFingerprint', '', 'definitionFingerprint:'],
    ['definitionFingerprint', 'x'.repeat(129), 'definitionFingerprint:'],
    ['nvram.path', '/etc/passwd', 'nvram.path:'],
    ['nvram.origin.path', 'db01.fd', 'nvram.origin.path: is not an absolute path'],
    ['removableMedia', Array<unknown>(1001).fill({ target: 'sda', source: null }), 'removableMedia:'],
    ['nics', Array<unknown>(1001).fill(MANIFEST.nics[0]), 'nics:'],
    ['firmware', 'coreboot', 'firmware:'],
    ['powerStateBefore', 'on', 'powerStateBefore:'],
    ['agentBefore', 'unknown', 'agentBefore:'],
  ])('may not say in %s what is outside of them', (place, value, problem) => expect(manifestProblem(changed(place, value))).toContain(problem));

  describe.each([
    ['a full', MANIFEST],
    ['an incremental', INCREMENTAL],
    ['a full that says what it contains', TELLING_FULL],
    ['an incremental that does', TELLING_INCREMENTAL],
  ])('of %s', (_what, manifest) => {
    it('is read as it was written', () => {
      expect(parseManifest(JSON.stringify(manifest), '/r/manifest.json', MANIFEST.recoveryPointId)).toEqual(manifest);
    });

    it('has every field it has to have, and of the right type', () => {
      for (const place of placesIn(manifest)) {
        expect([place, manifestProblem(changed(place, undefined, manifest))]).toEqual([place, expect.stringContaining(place)]);
        expect([place, manifestProblem(changed(place, Symbol.iterator, manifest))]).toEqual([place, expect.any(String)]);
      }
    });

    it('has no field that this version does not know, in any place', () => {
      for (const place of objectsIn(manifest)) {
        expect([place, manifestProblem(changed(`${place}later`, 1, manifest))]).toEqual([place, expect.stringContaining('later')]);
      }
    });
  });

  it('of a full knows nothing of a parent', () => {
    expect(manifestProblem(changed('parentSha256', SHA))).toContain('parentSha256');
    expect(manifestProblem(changed('disks.0.incremental', false))).toContain('incremental');
    expect(manifestProblem(changed('version', 1, INCREMENTAL))).toMatch(/parentId: .*incremental|incremental.*parentId: /);
  });

  it.each<[string, unknown, string]>([
    ['parentId', null, 'parentId:'],
    ['parentId', `srv_${ID}`, 'parentId: is not an id beginning with "rp_"'],
    ['parentId', `../${PARENT_ID}`, 'parentId: is not an id beginning with "rp_"'],
    ['parentSha256', null, 'parentSha256:'],
    ['parentSha256', SHA.toUpperCase(), 'parentSha256: is not a SHA-256 in lower-case hex'],
    ['disks.0.incremental', 1, 'disks.0.incremental:'],
    ['disks.0.incremental', false, 'disks: no disk builds on the parent'],
    ['disks', ['vda', 'vda'].map((target) => ({ ...disk(target), incremental: true })), 'disks: two disks have the same target'],
    ['disks', [], 'disks:'],
    ['disks.0.image.path', '../../rp_1/disks/vda.qcow2', "disks.0.image.path: is not the place of this disk's image"],
  ])('of an incremental may not say in %s what is none', (place, value, problem) => {
    expect(manifestProblem(changed(place, value, INCREMENTAL))).toContain(problem);
  });

  it('of an incremental may hold disks that build on nothing, besides one that does', () => {
    const disks = [
      { ...disk('vda'), incremental: false },
      { ...disk('vdb'), incremental: true },
    ];
    expect(manifestProblem(changed('disks', disks, INCREMENTAL))).toBeNull();
  });

  describe('that says which changes it contains', () => {
    const READING = { state: 'read', value: '7', raw: '7\n', at: '2026-03-01T12:00:00.000Z' };
    const FAILED = { state: 'failed', code: 'AGENT_SILENT', message: 'nobody answers', at: READING.at };
    const SIDE = { relation: 'standby', peer: 'db02', of: 'peer', readings: { position: READING, words: FAILED } };
    const setId = 'set_01aaaaaaaaaaaaaaaaaaaaaaaa';
    const both = [TELLING_FULL, TELLING_INCREMENTAL] as const;

    it.each<[string, unknown]>([
      ['facts', null],
      ['facts.sizeBytes', 0],
      ['setId', setId],
      ['changes', { contained: [], partly: [], more: 0 }],
      ['changes.contained', Array<unknown>(500).fill(CHANGE)],
      ['changes.partly', Array<unknown>(500).fill(CHANGE)],
      ['credentials', [REFERENCE]],
      ['credentials', Array<unknown>(20).fill({ ...REFERENCE, version: null, createdAt: null, problem: 'SECRET_STORE_SEALED' })],
      ['changes.contained.0.ticket', null],
      ['changes.contained.0.title', 'x'.repeat(4096)],
      ['changes.contained.0.title', 'Größe "auf" 戻す; rm -rf /'],
      ['markers', []],
      ['markers', [SIDE]],
      ['markers', [{ ...SIDE, readings: {} }]],
      // What a guest has said is text, whatever is in it.
      ['markers', [{ ...SIDE, readings: { position: { ...READING, value: '\u001b[2J\u0000', raw: 'x'.repeat(64 * 1024) } } }]],
      ['markers', Array<unknown>(20_000).fill(SIDE)],
    ])('may say in %s what is within its bounds', (place, value) => {
      for (const manifest of both) expect(manifestProblem(changed(place, value, manifest))).toBeNull();
    });

    it.each<[string, unknown, string]>([
      ['facts.path', 'disks/vda.qcow2', 'facts.path:'],
      ['facts.path', '../facts.json', 'facts.path:'],
      ['facts.sizeBytes', -1, 'facts.sizeBytes:'],
      ['facts.sizeBytes', 1.5, 'facts.sizeBytes:'],
      ['facts.sha256', SHA.toUpperCase(), 'facts.sha256: is not a SHA-256 in lower-case hex'],
      ['facts', [], 'facts:'],
      ['changes', null, 'changes:'],
      ['changes.contained', Array<unknown>(501).fill(CHANGE), 'changes.contained:'],
      ['changes.partly', Array<unknown>(501).fill(CHANGE), 'changes.partly:'],
      ['changes.contained', {}, 'changes.contained:'],
      ['changes.more', -1, 'changes.more:'],
      ['changes.more', 0.5, 'changes.more:'],
      ['changes.more', '1', 'changes.more:'],
      ['changes.contained.0.id', `rp_${ID}`, 'changes.contained.0.id: is not an id beginning with "chg_"'],
      ['changes.contained.0.title', 'a\nb', 'changes.contained.0.title: has control characters'],
      ['changes.contained.0.title', 'x'.repeat(4097), 'changes.contained.0.title:'],
      ['changes.partly.0.ticket', '\u001b[31m', 'changes.partly.0.ticket: has control characters'],
      ['changes.contained.0.completedAt', 'yesterday', 'changes.contained.0.completedAt:'],
      ['changes.contained.0.applyAgain', null, 'applyAgain'],
      ['credentials', [], 'credentials:'],
      ['credentials', Array<unknown>(21).fill(REFERENCE), 'credentials:'],
      ['credentials', [{ ...REFERENCE, version: '' }], 'credentials.0.version:'],
      ['credentials', [{ ...REFERENCE, account: 'a\nb' }], 'credentials.0.account: has control characters'],
      ['credentials', [{ ...REFERENCE, password: 'x' }], 'password'],
      ['markers', null, 'markers:'],
      ['markers', Array<unknown>(20_001).fill(SIDE), 'markers:'],
      ['markers', [{ ...SIDE, of: 'each' }], 'markers.0.of:'],
      ['markers', [{ ...SIDE, peer: 'db02\n' }], 'markers.0.peer: has control characters'],
      ['markers', [{ ...SIDE, profile: 'x' }], 'profile'],
      ['markers', [{ ...SIDE, readings: [] }], 'markers.0.readings:'],
      ['markers', [{ ...SIDE, readings: { position: { ...READING, value: 'x'.repeat(64 * 1024 + 1) } } }], 'markers.0.readings.position.value:'],
      ['markers', [{ ...SIDE, readings: { position: { ...READING, value: 7 } } }], 'markers.0.readings.position.value:'],
      ['markers', [{ ...SIDE, readings: { position: { ...READING, state: 'ok' } } }], 'markers.0.readings.position.state:'],
      ['markers', [{ ...SIDE, readings: { position: { ...READING, at: 'yesterday' } } }], 'markers.0.readings.position.at:'],
      ['markers', [{ ...SIDE, readings: { position: { state: 'failed', code: 'A', at: READING.at } } }], 'markers.0.readings.position.message:'],
      ['setId', null, 'setId:'],
      ['setId', `rp_${ID}`, 'setId: is not an id beginning with "set_"'],
    ])('may not say in %s what is outside of them', (place, value, problem) => {
      for (const manifest of both) expect(manifestProblem(changed(place, value, manifest))).toContain(problem);
    });

    it('of an earlier version remembers no credentials', () => {
      for (const manifest of [MANIFEST, INCREMENTAL]) expect(manifestProblem({ ...manifest, credentials: [REFERENCE] })).toContain('credentials');
    });

    it('is never one of an earlier version, nor the other of the two', () => {
      for (const version of [1, 3]) expect(manifestProblem({ ...MANIFEST, setId, version, markers: [SIDE] })).toContain('markers');
      for (const version of [2, 4]) expect(manifestProblem({ ...INCREMENTAL, setId, version, markers: [SIDE] })).toContain('markers');
      for (const version of [1, 3]) expect(manifestProblem({ ...TELLING_FULL, setId, version })).toMatch(/changes|facts/);
      for (const version of [2, 4]) expect(manifestProblem({ ...TELLING_INCREMENTAL, setId, version })).toMatch(/changes|facts/);
      expect(manifestProblem({ ...TELLING_FULL, version: 6 })).toContain('parentId');
      expect(manifestProblem({ ...TELLING_INCREMENTAL, version: 5 })).toContain('parentId');
      expect(manifestProblem({ ...MANIFEST, version: 5 })).toContain('changes');
      expect(manifestProblem({ ...INCREMENTAL, version: 6 })).toContain('changes');
    });
  });

  it('has its problems named, three at most', () => {
    expect(
      manifestProblem({ ...MANIFEST, generation: 0, runId: '', lineageId: '', firmware: '' })
        ?.split('; ')
        .map((problem) => problem.split(':')[0]),
    ).toEqual(['generation', 'lineageId', 'runId']);
    expect(manifestProblem(7)).toMatch(/^the manifest: /);
    expect(() => parseManifest(JSON.stringify({ ...MANIFEST, generation: 0 }), '/r/manifest.json', MANIFEST.recoveryPointId)).toThrow(
      expect.objectContaining({
        code: 'RECOVERY_POINT_CORRUPT',
        message: expect.stringMatching(/^The manifest \/r\/manifest\.json is not valid: generation: /) as string,
        context: { recoveryPointId: MANIFEST.recoveryPointId, path: '/r/manifest.json' },
      }) as Error,
    );
  });

  it('is no manifest where it is not JSON', () => {
    expect(() => parseManifest('{', '/r/manifest.json', MANIFEST.recoveryPointId)).toThrow(
      expect.objectContaining({
        code: 'RECOVERY_POINT_CORRUPT',
        message: 'The manifest /r/manifest.json is not JSON',
        context: { recoveryPointId: MANIFEST.recoveryPointId, path: '/r/manifest.json' },
        cause: expect.any(SyntaxError) as Error,
      }) as Error,
    );
  });

  it.each([0, 7, 1.5])('of version %d is left to the program that wrote it, whatever else it holds', (version) => {
    expect(() => parseManifest(JSON.stringify({ format: MANIFEST.format, version, anything: true }), '/r/manifest.json', MANIFEST.recoveryPointId)).toThrow(
      expect.objectContaining({
        code: 'REPOSITORY_FORMAT_UNKNOWN',
        message: `The manifest /r/manifest.json has version ${version}; this program reads versions 1 to 6`,
        hint: expect.stringContaining('that wrote it') as string,
        context: { recoveryPointId: MANIFEST.recoveryPointId, path: '/r/manifest.json', version },
      }) as Error,
    );
  });

  it('of a backup set has a version of its own, and is one only with the id of the set', () => {
    const setId = 'set_01aaaaaaaaaaaaaaaaaaaaaaaa';
    expect(manifestProblem({ ...MANIFEST, version: 3, setId })).toBeNull();
    expect(manifestProblem({ ...MANIFEST, version: 3 })).toContain('setId');
    expect(manifestProblem({ ...MANIFEST, version: 3, setId: '../x' })).toContain('setId');
    expect(manifestProblem({ ...MANIFEST, version: 4, setId })).toContain('parentId');
    // A field of a later version under the number of an earlier one is what nobody may guess about.
    expect(manifestProblem({ ...MANIFEST, setId })).toContain('setId');
  });

  it.each([
    ['null', null],
    ['a number', 7],
    ['a text', 'modosu-image-recovery-point'],
    ['another format of a later version', { ...MANIFEST, format: 'other', version: 3 }],
    ['a version that is no number', { ...MANIFEST, version: '2' }],
  ])('is damaged, not newer, where it is %s', (_what, value) =>
    expect(() => parseManifest(JSON.stringify(value), '/r', MANIFEST.recoveryPointId)).toThrow(
      expect.objectContaining({ code: 'RECOVERY_POINT_CORRUPT' }) as Error,
    ),
  );
});

describe('the files of an image recovery point', () => {
  it('are named after the target of the disk alone', () => {
    expect([imagePath('vda'), segmentsPath('vda')]).toEqual(['disks/vda.qcow2', 'disks/vda.segments']);
    for (const target of ['vd', 'vda', 'sdab', 'nvme0n1', 'xvda1', 'abcd1234']) expect([target, isTarget(target)]).toEqual([target, true]);
    for (const target of ['', 'v', '1da', 'VDA', 'vd/a', '../a', 'vda.', 'abcd12345', 'vda\n', '-vda', 'vd a']) {
      expect([target, isTarget(target)]).toEqual([target, false]);
    }
  });

  it('are named by an incremental as they lie from it, and only those of its parent', () => {
    expect(backingName(PARENT_ID, 'vda')).toBe('../../rp_01aaaaaaaaaaaaaaaaaaaaaaab/disks/vda.qcow2');
    expect(backingOf(PARENT_ID, { target: 'vdb', incremental: true })).toBe('../../rp_01aaaaaaaaaaaaaaaaaaaaaaab/disks/vdb.qcow2');
    expect([backingOf(PARENT_ID, { target: 'vda', incremental: false }), backingOf(PARENT_ID, { target: 'vda' })]).toEqual([null, null]);
    expect(backingOf(null, { target: 'vda', incremental: true })).toBeNull();
    const setId = 'set_01aaaaaaaaaaaaaaaaaaaaaaaa';
    expect([null, PARENT_ID].map((parentId) => manifestVersion({ parentId }))).toEqual([1, 2]);
    expect([null, PARENT_ID].map((parentId) => manifestVersion({ parentId, setId }))).toEqual([3, 4]);
    const { changes } = SAYS;
    for (const more of [{}, { setId }]) expect([null, PARENT_ID].map((parentId) => manifestVersion({ parentId, changes, ...more }))).toEqual([5, 6]);
  });

  it('may be as large as the format says', () => expect(MAX_MANIFEST_BYTES).toBe(4_194_304));
});
