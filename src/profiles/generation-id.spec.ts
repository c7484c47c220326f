import { judged, shippedProfile } from '../../test/support/judged-profile';

const PROFILE = shippedProfile('generation-id');
const THEN = '3d6f9a2e-0b1c-4d5e-8f70-112233445566';

it('knows that an id which was not there when the image was taken protects nothing', () => {
  const plan = (id: string) => judged(PROFILE, 'plan', { 'server.generation-id.recovery-point': id }).verdicts;
  expect(plan('none')).toEqual(['block GENERATION_ID_NOT_CAPTURED']);
  expect(plan(THEN)).toEqual(['ok RELATION_AGREES']);
});

it('blocks the way to the network with the id of the recovery point', () => {
  const quarantine = (id: string) => judged(PROFILE, 'quarantine', { 'server.generation-id.recovery-point': THEN, 'server.generation-id.now': id }).verdicts;
  expect(quarantine(THEN)).toEqual(['block GENERATION_ID_NOT_RENEWED']);
  expect(quarantine('9b2c7d10-5e4f-4a3b-9c8d-665544332211')).toEqual(['ok RELATION_AGREES']);
});
