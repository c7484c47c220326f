import { DEFINITION_FILE, NVRAM_FILE } from '../../repositories/image/image-manifest';
import { builtOnDeleted, inheritedDamage, isHandedDown, OWN_FILES } from './inherited-damage';

const damage = { code: 'RECOVERY_POINT_CORRUPT', message: 'segment 3 differs', file: 'disks/vda.qcow2' } as const;

it('names the one on which it builds, and what is wrong with that', () => {
  expect(inheritedDamage('rp_1', damage)).toEqual({
    code: 'RECOVERY_POINT_CORRUPT',
    message: 'It builds on recovery point rp_1, which is damaged: segment 3 differs',
    origin: 'rp_1',
  });
  expect(builtOnDeleted('rp_1')).toEqual({
    code: 'RECOVERY_POINT_INCOMPLETE',
    message: 'It builds on recovery point rp_1, which is deleted',
    origin: 'rp_1',
  });
});

it.each<[string, string | undefined, boolean]>([
  ['an image', 'disks/vda.qcow2', true],
  ['the segment list of an image', 'disks/vda.segments', true],
  ['the manifest', 'manifest.json', true],
  ['a file that nobody has named', undefined, true],
  ['the definition', 'domain.xml', false],
  ['the NVRAM', 'nvram.fd', false],
])('of %s is handed down: %s %s', (_which, file, expected) => expect(isHandedDown({ ...(file === undefined ? {} : { file }) })).toBe(expected));

it('knows the files by the names that the repository gives them', () => expect(OWN_FILES).toEqual([DEFINITION_FILE, NVRAM_FILE]));
