import { PART_NAME_PATTERN, SERVER_NAME_PATTERN } from './names';

it.each(['db01', 'web-1.example', 'データベース01', 'Ωmega', 'a'.repeat(64), 'が'.normalize('NFD') + '1'])('accepts %p as a server name', (name) =>
  expect(name).toMatch(SERVER_NAME_PATTERN),
);
it.each(['', '-rf', '..', 'a..b', 'a/b', 'a b', "a'b", 'a"b', 'a\nb', 'a\n', 'a\u0000', '.hidden', 'a'.repeat(65)])('refuses %p as a server name', (name) =>
  expect(name).not.toMatch(SERVER_NAME_PATTERN),
);
it.each(['Main', 'データ', 'a_b', '-a', 'a.b', ''])('refuses %p as the name of a repository', (name) => expect(name).not.toMatch(PART_NAME_PATTERN));
