import { sha256Of } from './sha256';

it('is that of the text as UTF-8, in lower-case hex', () => {
  expect(sha256Of('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  expect(sha256Of('戻す')).toBe(sha256Of(Buffer.from('戻す', 'utf8')));
  expect(sha256Of('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});
