import { guestRoomFindings, requireGuestRoom, tooTightFor } from './guest-room';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

describe('room for what is fetched', () => {
  const space = (fetchBytes: number, freeBytes: number) => ({ directory: '/srv', fetchBytes, freeBytes });

  it('is enough when a reserve is left', () => {
    expect(tooTightFor([space(100 * MIB, 132 * MIB)], Infinity)).toEqual([]);
    expect(tooTightFor([space(100 * MIB, 132 * MIB - 1)], Infinity)).toEqual([{ directory: '/srv', neededBytes: 132 * MIB, freeBytes: 132 * MIB - 1 }]);
  });

  it('for a small file is twice its size: it comes back to a nearly full disk too', () => {
    expect(tooTightFor([space(10, 20)], Infinity)).toEqual([]);
    expect(tooTightFor([space(10, 19)], Infinity)).toEqual([{ directory: '/srv', neededBytes: 20, freeBytes: 19 }]);
    expect(tooTightFor([space(0, 0)], Infinity)).toEqual([]);
  });

  it('is never more than the whole recovery point takes', () => {
    expect(tooTightFor([space(GIB, 200 * MIB)], 100 * MIB)).toEqual([]);
    expect(tooTightFor([space(GIB, 100 * MIB)], 100 * MIB)).toEqual([{ directory: '/srv', neededBytes: 132 * MIB, freeBytes: 100 * MIB }]);
  });

  it('is asked of each file system', () =>
    expect(tooTightFor([space(10, 20), { directory: '/var', fetchBytes: 10, freeBytes: 0 }], Infinity).map(({ directory }) => directory)).toEqual(['/var']));
});

describe('too little room', () => {
  const spaces = [
    { directory: '/enough', neededBytes: 10, freeBytes: 10 },
    { directory: '/srv/a\n\u001b[2Jb', neededBytes: 3 * GIB, freeBytes: GIB },
  ];

  it('blocks a plan, with the amount to be freed', () => {
    expect(guestRoomFindings(spaces)).toEqual([
      {
        code: 'GUEST_DISK_FULL',
        severity: 'block',
        message: '/srv/a [2Jb in the guest has too little room.',
        remedy: 'Free at least 2 GiB there.',
        evidence: ['3 GiB needed', '1 GiB free'],
      },
    ]);
    expect(guestRoomFindings(spaces, 'do without')[0]?.remedy).toBe('Free at least 2 GiB there, or do without.');
  });

  it('says nothing where there is enough', () => {
    expect(guestRoomFindings(spaces.slice(0, 1))).toEqual([]);
    expect(() => requireGuestRoom(spaces.slice(0, 1))).not.toThrow();
  });

  it('refuses what would be fetched', () =>
    expect(() => requireGuestRoom(spaces)).toThrow(
      expect.objectContaining({
        code: 'GUEST_DISK_FULL',
        message: '"/srv/a [2Jb" in the guest has 1 GiB free, and what is fetched beside the files there needs 3 GiB.',
        context: { directory: '/srv/a\n\u001b[2Jb', freeBytes: GIB, neededBytes: 3 * GIB },
      }),
    ));
});
