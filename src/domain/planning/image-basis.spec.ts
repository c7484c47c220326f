import { ModosuError } from '../../contracts/errors';
import { chooseImageBasis, wholeAfterAll, type BasisFacts, type KnownParent } from './image-basis';

const MISSING = new ModosuError('RECOVERY_POINT_INCOMPLETE', 'rp_1 is missing').summary();
const SIZES = { vda: 1000, vdb: 1000 };
const disk = (target: string, allocatedBytes: number) => ({
  target,
  path: `/srv/vm/${target}.qcow2`,
  format: 'qcow2' as const,
  flattened: false,
  allocatedBytes,
});
const parent: KnownParent = {
  recoveryPointId: 'rp_2',
  chainLength: 3,
  disks: ['vda', 'vdb'].map((target) => ({ target, virtualSizeBytes: 1000, backingName: `../../rp_2/disks/${target}.qcow2` })),
};
const facts = (change: Partial<BasisFacts> = {}): BasisFacts => ({
  subject: { disks: [disk('vda', 600), disk('vdb', 300)], neededBytes: 910 },
  maxIncrements: 13,
  full: false,
  candidates: ['rp_2', 'rp_1'],
  survey: {
    able: ['vda', 'vdb'],
    virtualSizeBytes: SIZES,
    found: { name: 'rp_2', changedBytes: { vda: 64, vdb: 0 } },
    problem: null,
  },
  parent,
  ...change,
});

describe('what the images of an online backup build on', () => {
  it('is the newest recovery point whose checkpoint is whole: only what has changed needs room', () => {
    expect(chooseImageBasis(facts())).toEqual({
      parentId: 'rp_2',
      incremental: [
        { target: 'vda', backingName: '../../rp_2/disks/vda.qcow2' },
        { target: 'vdb', backingName: '../../rp_2/disks/vdb.qcow2' },
      ],
      changedBytes: 64,
      neededBytes: 74,
      fullBecause: null,
      alwaysFull: [],
      leavesCheckpoint: true,
    });
  });

  it('is not for a disk that can hold no checkpoint: that one is whole each time', () => {
    const survey = { virtualSizeBytes: SIZES, able: ['vda'], found: { name: 'rp_2', changedBytes: { vda: 64 } }, problem: null };
    expect(chooseImageBasis(facts({ survey }))).toMatchObject({
      parentId: 'rp_2',
      incremental: [{ target: 'vda' }],
      alwaysFull: ['vdb'],
      changedBytes: 64,
      neededBytes: 910 - 600 + 64,
    });
  });

  it('is an older one whose checkpoint is whole, where the newest has left none', () => {
    const survey = { virtualSizeBytes: SIZES, able: ['vda', 'vdb'], found: { name: 'rp_1', changedBytes: { vda: 1, vdb: 1 } }, problem: null };
    expect(chooseImageBasis(facts({ survey, parent: { ...parent, recoveryPointId: 'rp_1' } }))).toMatchObject({ parentId: 'rp_1', fullBecause: null });
  });

  it.each<[string, Partial<BasisFacts>, RegExp]>([
    ['a whole image was asked for', { full: true, parent: null }, /was asked for/],
    ['its policy wants whole images', { maxIncrements: 0, parent: null }, /its policy wants/],
    [
      'nothing is there to continue',
      { candidates: [], parent: null, survey: { virtualSizeBytes: SIZES, able: ['vda', 'vdb'], found: null, problem: null } },
      /no usable recovery point yet/,
    ],
    ['no disk can hold a checkpoint', { parent: null, survey: { virtualSizeBytes: SIZES, able: [], found: null, problem: null } }, /can hold a checkpoint/],
    ['nobody could look', { parent: null, survey: { virtualSizeBytes: SIZES, able: [], found: null, problem: 'db01 is off' } }, /db01 is off/],
    [
      'no checkpoint can be believed',
      { parent: null, survey: { virtualSizeBytes: SIZES, able: ['vda', 'vdb'], found: null, problem: 'that of rp_2: missing or broken bitmap' } },
      /no checkpoint can be believed: that of rp_2: missing or broken bitmap/,
    ],
    ['the recovery point cannot be read', { parent: MISSING }, /rp_2 cannot be continued: rp_1 is missing/],
    ['another one was read', { parent: { ...parent, recoveryPointId: 'rp_1' } }, /rp_2 was asked for, and rp_1 is there/],
    ['a disk is new', { parent: { ...parent, disks: parent.disks.slice(0, 1) } }, /disk vdb is new/],
    ['a disk was removed', { subject: { disks: [disk('vda', 600)], neededBytes: 600 } }, /disk vdb was removed/],
    ['a disk was resized', { survey: { ...facts().survey, virtualSizeBytes: { vda: 1000, vdb: 2000 } } }, /disk vdb was resized/],
    [
      'nothing is known of one disk',
      { survey: { virtualSizeBytes: SIZES, able: ['vda', 'vdb'], found: { name: 'rp_2', changedBytes: { vda: 64 } }, problem: null } },
      /nobody says what has changed on disk vdb/,
    ],
  ])('is nothing when %s, and it is said why', (_what, change, reason) => {
    const basis = chooseImageBasis(facts(change));
    expect(basis).toMatchObject({ parentId: null, incremental: [], changedBytes: 0, neededBytes: (change.subject ?? facts().subject).neededBytes });
    expect(basis.fullBecause).toMatch(reason);
    expect(basis.leavesCheckpoint).toBe(change.maxIncrements !== 0);
  });

  it('is merged with what has changed where its chain is as long as it may be: room for both is needed', () => {
    expect(chooseImageBasis(facts({ maxIncrements: 3 })).merges).toBeUndefined();
    expect(chooseImageBasis(facts({ maxIncrements: 2 }))).toMatchObject({
      parentId: 'rp_2',
      merges: true,
      changedBytes: 64,
      neededBytes: 910 + 64,
      fullBecause: null,
    });
    expect(wholeAfterAll(chooseImageBasis(facts({ maxIncrements: 2 })), { neededBytes: 910 }, 'gone').merges).toBeUndefined();
  });

  it('is nothing where the recovery point is damaged, and that is told', () => {
    expect(chooseImageBasis(facts({ parent: MISSING })).damage).toEqual({ recoveryPointId: 'rp_2', error: MISSING });
    expect(chooseImageBasis(facts({ parent: new ModosuError('REPOSITORY_FORMAT_UNKNOWN', 'version 9').summary() })).damage).toBeUndefined();
  });

  it('may turn out to be nothing after all', () => {
    expect(wholeAfterAll(chooseImageBasis(facts()), { neededBytes: 910 }, 'the bitmap is gone')).toEqual({
      parentId: null,
      incremental: [],
      changedBytes: 0,
      neededBytes: 910,
      fullBecause: 'the bitmap is gone',
      alwaysFull: [],
      leavesCheckpoint: true,
    });
  });
});
