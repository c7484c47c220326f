import { ModosuError } from '../../contracts/errors';
import type { GuestProgram } from '../guest-agent';

/**
 * Scripts for a POSIX shell of a guest that do what a guest agent does: start a program that outlives the connection, tell what became of it, read a file. They go to the shell's standard input, so that nothing of
 * them stands in an argument vector, on the host or in the guest. Every word that is not ours is quoted or in base64. Pure.
 *
 * What a program has said lies in files that only its account can read, below /run for root.
 */

/** As the guest agent: what is longer is read and dropped. */
const CAPTURED_BYTES = 16 * 1024 * 1024;
/** An end can be asked for this long after it. */
const KEPT_MINUTES = 30;
const MAX_INPUT_BYTES = 128 * 1024;
/** `base64` in the guest and ours may break lines where they like. */
const BASE64_LINE = 76;

/** What stands in a shell script for exactly these characters. */
export const quotedWord = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

const inBase64 = (content: string | Uint8Array): string =>
  (Buffer.from(content).toString('base64').match(new RegExp(`.{1,${BASE64_LINE}}`, 'g')) ?? []).join('\n');

/** No line of base64 looks like it. */
const DELIMITER = '=END=';
const fileFrom = (path: string, content: string | Uint8Array): string => `base64 -d > ${path} <<'${DELIMITER}'\n${inBase64(content)}\n${DELIMITER}`;

/** The shell reads all of it before anything is done; a program in it finds nothing on its standard input. */
const whole = (mark: string, body: string): string => `main() {
set -eu
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export PATH
LC_ALL=C
export LC_ALL
base=/run/modosu
[ -w /run ] || base=$HOME/.modosu/$(cat /proc/sys/kernel/random/boot_id)
mkdir -p "$base"
printf '%s begin\\n' ${quotedWord(mark)}
${body}
printf '%s end\\n' ${quotedWord(mark)}
}
main </dev/null
`;

/**
 * Waits for the program, also when nobody is connected any more. Arguments: the program's directory, the one of all, and the program.
 * The two readers keep what is said within bounds; they end when nobody can say anything any more, as the guest agent waits for it too.
 */
const KEEPER = `cd /
{ head -c ${CAPTURED_BYTES + 1}; cat > /dev/null; } < "$1/o" > "$1/out" &
{ head -c ${CAPTURED_BYTES + 1}; cat > /dev/null; } < "$1/e" > "$1/err" &
sh "$1/program" "$3" < "$1/input" > "$1/o" 2> "$1/e" &
p=$!
echo "$$" > "$1/keeper"
rm -f -- "$2/$p"
ln -s -- "$1" "$2/$p"
echo "$p" > "$1/started"
code=0
wait "$p" || code=$?
wait
echo "$code" > "$1/code.part"
mv -- "$1/code.part" "$1/code"
`;

const REPORT = (directory: string, maxBytes: number): string => `printf 'ended %s %s %s\\n' "$(cat ${directory}/code)" "$(wc -c < ${directory}/out)" "$(wc -c < ${directory}/err)"
head -c ${maxBytes} ${directory}/out | base64
echo .
head -c ${maxBytes} ${directory}/err | base64`;

/** Prepares the program in `$d` and starts its keeper; `$p` is its process id afterwards. The program is looked for by us: some shells prefer what they have of the same name themselves. */
function started({ argv, env = {}, input = '' }: GuestProgram): string {
  for (const name of Object.keys(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new ModosuError('INTERNAL', `"${name}" cannot be the name of an environment variable.`);
  }
  const nul = [...argv, ...Object.values(env)].some((word) => word.includes('\0'));
  if (nul) throw new ModosuError('INTERNAL', 'A word for a program in a guest holds a NUL character.');
  if (Buffer.byteLength(input) > MAX_INPUT_BYTES) throw new ModosuError('INTERNAL', `${Buffer.byteLength(input)} bytes are too many for the standard input of a program in a guest.`);
  const program = ['rm -f -- "$0"', ...Object.entries(env).map(([name, value]) => `export ${name}=${quotedWord(value)}`), `exec "$1" ${argv.slice(1).map(quotedWord).join(' ')}`].join('\n');
  return `find "$base" -mindepth 2 -maxdepth 2 \\( -name code -o -name program \\) -mmin +${KEPT_MINUTES} 2> /dev/null | while IFS= read -r old; do rm -rf -- "\${old%/*}"; done
find "$base" -maxdepth 1 -type l ! -exec test -e '{}' ';' -exec rm -f -- '{}' ';' 2> /dev/null || :
wanted=${quotedWord(argv[0])}
found=
case $wanted in
*/*) if [ -x "$wanted" ] && [ ! -d "$wanted" ]; then found=$wanted; fi ;;
*)
IFS=:
for place in $PATH; do if [ -x "$place/$wanted" ] && [ ! -d "$place/$wanted" ]; then found=$place/$wanted; break; fi; done
unset IFS ;;
esac
if [ -z "$found" ]; then
echo missing
else
d=$(mktemp -d "$base/new.XXXXXXXX")
${fileFrom('"$d/program"', program)}
${fileFrom('"$d/input"', input)}
${fileFrom('"$d/keep"', KEEPER)}
mkfifo "$d/o" "$d/e" "$d/started"
setsid sh "$d/keep" "$d" "$base" "$found" < /dev/null > /dev/null 2>&1 &
keeper=$!
read -r p < "$d/started"`;
}

export const startScript = (mark: string, program: GuestProgram): string => whole(mark, `${started(program)}\nprintf 'started %s\\n' "$p"\nfi`);

/** Starts a program, waits for its end and tells it, in one connection. */
export const runScript = (mark: string, program: GuestProgram, maxBytes: number): string => whole(mark, `${started(program)}\nwait "$keeper"\n${REPORT('"$d"', maxBytes)}\nrm -rf -- "$d" "$base/$p"\nfi`);

/** Whether its keeper lives is asked first: one that ends afterwards has left the code. */
export const outcomeScript = (mark: string, pid: number, maxBytes: number): string =>
  whole(
    mark,
    `d=$base/${pid}
runs=
if [ -e "$d/keeper" ] && kill -0 "$(cat "$d/keeper")" 2> /dev/null; then runs=yes; fi
if [ -e "$d/code" ]; then
${REPORT('"$d"', maxBytes)}
elif [ -n "$runs" ]; then
echo runs
else
echo unknown
fi`,
  );

export const readScript = (mark: string, path: string, maxBytes: number): string => {
  const file = quotedWord(path);
  return whole(
    mark,
    `if [ ! -e ${file} ] && [ ! -L ${file} ]; then
echo none
elif [ -d ${file} ]; then
echo directory
else
d=$(mktemp -d "$base/new.XXXXXXXX")
if head -c ${maxBytes} -- ${file} > "$d/content" 2> "$d/words"; then
echo content
base64 < "$d/content"
else
echo failed
base64 < "$d/words"
fi
rm -rf -- "$d"
fi`,
  );
};

export type ScriptAnswer = { readonly said: readonly string[]; readonly complete: boolean };

/** What stands between the marks: a log-in shell may say something before. */
export function between(mark: string, stdout: string): ScriptAnswer {
  const lines = stdout.split('\n');
  const begin = lines.indexOf(`${mark} begin`);
  const end = lines.lastIndexOf(`${mark} end`);
  if (begin === -1) return { said: [], complete: false };
  return end > begin ? { said: lines.slice(begin + 1, end), complete: true } : { said: lines.slice(begin + 1), complete: false };
}

/** Null: that is no base64. */
export function fromBase64(lines: readonly string[]): Buffer | null {
  const text = lines.join('');
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, 'base64') : null;
}
