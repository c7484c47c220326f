import { whyNoHold } from './hold';

it('only the restore of a server can be stopped before go-live', () => {
  expect(whyNoHold('server')).toBeNull();
  expect(whyNoHold('data')).toBe('is for restores of a server only: data is restored into the running server, which stays on its network');
  expect(whyNoHold('undo')).toBe('is for restores of a server only: an undo returns to a server that has been live before');
});
