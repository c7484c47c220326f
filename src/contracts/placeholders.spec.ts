import { fillIn, hasOpenPlaceholder, markerNamed, nameOfMarker, placeholdersOf } from './placeholders';

it('finds what is to be filled in, and what does not end', () => {
  expect(placeholdersOf('$a ${zone}.${server} $_.x ${peer.serial.now}')).toEqual(['zone', 'server', 'peer.serial.now']);
  expect(placeholdersOf('${}')).toEqual(['']);
  expect([hasOpenPlaceholder('${a} ${b'), hasOpenPlaceholder('${a} $b }'), hasOpenPlaceholder('${a${b}')]).toEqual([true, false, true]);
});

it('fills in once, and never in what it has filled in', () => {
  const values: Readonly<Record<string, string>> = { a: '${b}', b: '$& $1 ${a}' };
  expect(fillIn('${a}-${b}-${a}', (name) => values[name] ?? '?')).toBe('${b}-$& $1 ${a}-${b}');
  expect(fillIn('$${a}{b}', (name) => (name === 'a' ? '' : 'x'))).toBe('${b}');
});

it('names markers, and reads the names back', () => {
  const reference = { marker: 'wal-position', of: 'peer', at: 'recovery-point' } as const;
  expect(nameOfMarker(reference)).toBe('peer.wal-position.recovery-point');
  expect(markerNamed('peer.wal-position.recovery-point')).toEqual(reference);
  for (const name of ['zone', 'server.x', 'address.x.now', 'server.x.then', 'server.x.y.now', 'server..now', ' server.x.now']) {
    expect(markerNamed(name)).toBeNull();
  }
});
