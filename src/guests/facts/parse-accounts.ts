import type { RawFact } from './fact-entries';

/** passwd(5). Its second field is a hash where a system still keeps it there: it is not looked at. */
export const parsePasswd = (lines: readonly string[]): readonly RawFact[] =>
  lines.flatMap((line): readonly RawFact[] => {
    const [name = '', , uid = '', gid = '', , home, shell] = line.split(':');
    return isName(name) && isId(uid) && isId(gid) && home !== undefined && shell !== undefined
      ? [[name, `uid=${uid}, gid=${gid}, home=${home}, shell=${shell}`]]
      : [];
  });

/** group(5). */
export const parseGroup = (lines: readonly string[]): readonly RawFact[] =>
  lines.flatMap((line): readonly RawFact[] => {
    const [name = '', , gid = '', members] = line.split(':');
    if (!isName(name) || !isId(gid) || members === undefined) return [];
    return [[name, `gid=${gid}, members=${members.split(',').sort().join(',')}`]];
  });

/** What begins like that says where else a system looks, which is no account. */
const isName = (name: string): boolean => name !== '' && !/^[+-]/.test(name);
const isId = (text: string): boolean => /^\d{1,10}$/.test(text);
