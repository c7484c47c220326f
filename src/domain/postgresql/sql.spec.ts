import { connectionString, identifier, literal, literals, pattern, qualified, settingClause } from './sql';

describe('names and texts as SQL', () => {
  it('stay one name, one text, whatever stands in them', () => {
    expect(identifier('a"; DROP TABLE b; --')).toBe('"a""; DROP TABLE b; --"');
    expect(qualified({ schema: 'Mixed Case', name: 'it\'s "注文"' })).toBe('"Mixed Case"."it\'s ""注文"""');
    expect(literal("it's \\ $1 :x")).toBe("'it''s \\ $1 :x'");
    expect(connectionString({ dbname: "a' host=evil \\", application_name: '' })).toBe("dbname='a\\' host=evil \\\\' application_name=''");
    expect(pattern('a.*', 'b"|c')).toBe('"a.*"."b""|c"');
    expect([literals(["a'b", 'c']), literals([])]).toEqual(["'a''b', 'c'", '']);
    expect(connectionString({ a: '1', b: '2' })).toBe("a='1' b='2'");
    expect([identifier(''), literal('')]).toEqual(['""', "''"]);
    expect([identifier('""'), literal("''")]).toEqual(['""""""', "''''''"]);
  });

  it('hold no NUL', () => {
    for (const quote of [identifier, literal, pattern, (text: string) => connectionString({ dbname: text })]) expect(() => quote('a\0b')).toThrow(TypeError);
  });
});

describe('settings as pg_db_role_setting holds them', () => {
  it.each([
    ['work_mem=5MB', `"work_mem" TO '5MB'`],
    ['application_name=', `"application_name" TO ''`],
    ["my.own=it's=so", `"my"."own" TO 'it''s=so'`],
    ['search_path="$user", public, "Mixed, ""Case"""', `"search_path" TO '$user', 'public', 'Mixed, "Case"'`],
    ['search_path=""', `"search_path" TO ''`],
    ['search_path=', `"search_path" TO ''`],
    ['SEARCH_PATH= a , b ', `"SEARCH_PATH" TO 'a', 'b'`],
    ['temp_tablespaces=fast,"slow one"', `"temp_tablespaces" TO 'fast', 'slow one'`],
    ['shared_preload_libraries=one two, three', `"shared_preload_libraries" TO 'one two', 'three'`],
    ['my.search_path=a, b', `"my"."search_path" TO 'a, b'`],
    ['_a.b$.c1=x', `"_a"."b$"."c1" TO 'x'`],
    ['a=', `"a" TO ''`],
    ...['local_preload_libraries', 'session_preload_libraries', 'unix_socket_directories'].map((name): [string, string] => [
      `${name}=a, b`,
      `"${name}" TO 'a', 'b'`,
    ]),
    ['DateStyle=ISO, DMY', `"DateStyle" TO 'ISO, DMY'`],
  ])('%s', (setting, clause) => expect(settingClause(setting)).toBe(clause));

  it.each([
    '',
    '=x',
    'no value',
    'novalue',
    'a b=c',
    'x"; DROP=1',
    'search_path="open',
    'search_path=a"b',
    ' a=b',
    'a =b',
    '1a=b',
    '$a=b',
    'a.1b=c',
    'a.=b',
    '.a=b',
    'a..b=c',
    'a-b=c',
    'search_path=,a',
    'search_path=a,,b',
    'search_path="a" b',
  ])('%p is none', (setting) => expect(settingClause(setting)).toBeNull());
});
