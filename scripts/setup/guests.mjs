/** The virtual servers of demo and tests: their images, and whether they can use KVM. */
import { chooseAccelerator, knownAccelerator } from '../../test/guests/accelerator.mjs';
import { buildGuests, imagePath, missingGuests } from '../../test/guests/build.mjs';
import { apt, hasPackageLists } from './packages.mjs';
import { interruption } from './programs.mjs';
import { longPart, say } from './progress.mjs';

const ALL = ['minimal', 'minimal-uefi', 'postgresql', 'name-server', 'openldap'];
const GUESTS = { use: [], demo: ['postgresql'], test: ALL, full: ALL, unit: [], bench: ['minimal', 'postgresql'] };

export const missingGuestsFor = (purpose) => missingGuests(GUESTS[purpose]);

/** True: nobody has tried yet whether KVM works here. */
export const acceleratorIsUnknown = (purpose) => GUESTS[purpose].length > 0 && knownAccelerator() === null;

export async function makeGuests(names) {
  await longPart(
    `Building guest images: ${names.join(', ')}`,
    { expected: names.length > 1 ? '1 min' : '40 s', advice: 'look at the message above; "apt-get update" helps when packages cannot be found or fetched.' },
    async (onLine) => {
      if (!hasPackageLists()) await apt(['update'], onLine);
      try {
        await buildGuests(names, onLine);
      } catch (error) {
        if (interruption() !== null) throw error;
        onLine(`once more, with fresh package lists: ${error.message}`); // old lists name packages that mirrors have dropped
        await apt(['update'], onLine);
        await buildGuests(names, onLine);
      }
    },
  );
}

export async function tryAccelerator(purpose) {
  await longPart(
    'Trying whether KVM can be used',
    { expected: '5 to 30 s', advice: 'set MODOSU_ACCELERATOR=qemu (emulation) or kvm to decide by hand.' },
    (onLine) => chooseAccelerator(imagePath(GUESTS[purpose][0]), onLine),
  );
}

/** Nothing where no guests of ours will run. */
export function sayHowGuestsRun(purpose) {
  if (GUESTS[purpose].length > 0 && knownAccelerator() === 'qemu') {
    say('Virtual servers of demo, tests and benchmark run under emulation: KVM cannot be used here. Slower, otherwise the same.');
  }
}
