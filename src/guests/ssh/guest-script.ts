import { ModosuError } from '../../contracts/errors';
import type { GuestProgram } from '../guest-agent';

/**
 * Scripts for a POSIX shell of a guest that do what a guest agent does: start a program that outlives the connection, tell what became of it, read a file. They
 * go to the shell's standard input, so that nothing of them stands in an argument vector, on the host or in the guest. Every word that is not ours is quoted or
 * in base64. Pure.
 *
 * What a program has said lies in files that only its account can read, below /run for root.
 */

/** As the guest agent: what is longer is read and dropped. */
const CAPTURED_BYTES = 16 * 1024 * 1024;
/** An end can be asked for this long after it; once told, it goes away sooner. */
const KEPT_MINUTES = 30;
const TOLD_MINUTES = 2;
const MAX_INPUT_BYTES = 128 * 1024;
const BASE64_LINE = 76;

/** What stands in a shell script for exactly these characters. */
export const quotedWord = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

const inBase64 = (content: string | Uint8Array): string =>
  (
    Buffer.from(content)
      .toString('base64')
      .match(new RegExp(`.{1,${BASE64_LINE}}`, 'g')) ?? []
  ).join('\n');

/**
 * printf is the shell's own (`NEEDED` sees to it): what it is given stands in no argument vector, and, unlike a here-document of some shells, in no other
 * file.
 */
const fileFrom = (path: string, content: string | Uint8Array): string => `printf '%s\\n' '${inBase64(content)}' | base64 -d > ${path}`;

export interface Asked {
  /** A word nobody else knows. */
  readonly mark: string;
  /** Of the server: a machine that says that it is another one is left alone. */
  readonly uuid: string;
}

const NEEDED = `for needed in setsid mkfifo mktemp base64 head find; do
if ! command -v "$needed" > /dev/null; then echo "lacks $needed"; return; fi
done
case $(command -v printf) in */* | '') echo 'lacks printf'; return ;; esac`;

/** Of other boots, of programs whose keeper is gone, of ends that were told. What belongs to somebody has a living keeper or is young. */
const SWEEP = `find "$base" -mindepth 1 -maxdepth 1 -name 'new.*' -mmin +${KEPT_MINUTES} 2> /dev/null | while IFS= read -r old; do
if [ -e "$old/keeper" ] && kill -0 "$(cat "$old/keeper")" 2> /dev/null; then continue; fi
rm -rf -- "$old"
done
find "$base" -mindepth 2 -maxdepth 2 -name told -mmin +${TOLD_MINUTES} 2> /dev/null | while IFS= read -r old; do rm -rf -- "\${old%/*}"; done
find -L "$base" -maxdepth 1 -type l -exec rm -f -- '{}' + 2> /dev/null || :`;

/** The shell reads all of it before anything is done; a program in it finds nothing on its standard input. */
const whole = ({ mark, uuid }: Asked, body: string): string => `work() {
{ read -r machine < /sys/class/dmi/id/product_uuid; } 2> /dev/null || machine=
case $machine in '' | ${quotedWord(uuid.toLowerCase())} | ${quotedWord(uuid.toUpperCase())}) ;; *) echo other; return ;; esac
${NEEDED}
base=/run/modosu
if [ ! -w /run ]; then
base=$HOME/.modosu/$(cat /proc/sys/kernel/random/boot_id)
for old in "$HOME"/.modosu/*; do [ "$old" = "$base" ] || rm -rf -- "$old"; done
fi
mkdir -p "$base"
${body}
}
main() {
set -eu
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export PATH
LC_ALL=C
export LC_ALL
printf '%s begin\\n' ${quotedWord(mark)}
work
printf '%s end\\n' ${quotedWord(mark)}
}
main </dev/null
`;

/**
 * Waits for the program, also when nobody is connected any more. Arguments: the program's directory, the one of all, and the program.
 * The two readers keep what is said within bounds; they end when nobody can say anything any more, as the guest agent waits for it too. Nothing of the log-in's
 * environment reaches the program.
 */
const KEEPER = `cd /
{ head -c ${CAPTURED_BYTES + 1} || : > "$1/cut"; cat > /dev/null; } < "$1/o" > "$1/out" &
{ head -c ${CAPTURED_BYTES + 1} || : > "$1/cut"; cat > /dev/null; } < "$1/e" > "$1/err" &
env -i PATH="$PATH" HOME="\${HOME:-/root}" LC_ALL=C sh "$1/program" "$3" < "$1/input" > "$1/o" 2> "$1/e" &
p=$!
echo "$$" > "$1/keeper"
rm -f -- "$2/$p"
ln -s -- "$1" "$2/$p"
echo "$p" > "$1/pid"
code=0
wait "$p" || code=$?
wait
echo "$code" > "$1/code.part" && [ -s "$1/code.part" ] && mv -- "$1/code.part" "$1/code"
`;

const REPORT = (maxBytes: number): string => `cut=whole
if [ -e "$d/cut" ]; then cut=cut; fi
printf 'ended %s %s %s %s\\n' "$(cat "$d/code")" "$(wc -c < "$d/out")" "$(wc -c < "$d/err")" "$cut"
head -c ${maxBytes} "$d/out" | base64
echo .
head -c ${maxBytes} "$d/err" | base64`;

/**
 * Prepares the program in `$d` and starts its keeper; `$p` is its process id afterwards. The program is looked for by us: some shells prefer what they have of
 * the same name themselves.
 */
function started({ argv, env = {}, input = '' }: GuestProgram): string {
  for (const name of Object.keys(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new ModosuError('INTERNAL', `"${name}" cannot be the name of an environment variable.`);
  }
  const nul = [...argv, ...Object.values(env)].some((word) => word.includes('\0'));
  if (nul) throw new ModosuError('INTERNAL', 'A word for a program in a guest holds a NUL character.');
  if (Buffer.byteLength(input) > MAX_INPUT_BYTES) {
    throw new ModosuError('INTERNAL', `${Buffer.byteLength(input)} bytes are too many for the standard input of a program in a guest.`);
  }
  // Both are open by then.
  const program = [
    'rm -f -- "$0" "${0%/*}/input"',
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quotedWord(value)}`),
    `exec "$1" ${argv.slice(1).map(quotedWord).join(' ')}`,
  ].join('\n');
  return `${SWEEP}
wanted=${quotedWord(argv[0])}
found=
case $wanted in
*/*) if [ -x "$wanted" ] && [ ! -d "$wanted" ]; then found=$wanted; fi ;;
*)
IFS=:
for place in $PATH; do if [ -x "$place/$wanted" ] && [ ! -d "$place/$wanted" ]; then found=$place/$wanted; break; fi; done
unset IFS ;;
esac
if [ -z "$found" ]; then echo missing; return; fi
d=$(mktemp -d "$base/new.XXXXXXXX")
${fileFrom('"$d/program"', program)}
${fileFrom('"$d/input"', input)}
${fileFrom('"$d/keep"', KEEPER)}
mkfifo "$d/o" "$d/e"
setsid sh "$d/keep" "$d" "$base" "$found" < /dev/null > /dev/null 2>&1 &
keeper=$!
until [ -s "$d/pid" ]; do
if ! kill -0 "$keeper" 2> /dev/null && [ ! -s "$d/pid" ]; then echo 'no keeper'; return; fi
sleep 0.02 2> /dev/null || sleep 1
done
read -r p < "$d/pid"`;
}

export const startScript = (asked: Asked, program: GuestProgram): string => whole(asked, `${started(program)}\nprintf 'started %s\\n' "$p"`);

/** Starts a program, waits for its end and tells it, in one connection. */
export const runScript = (asked: Asked, program: GuestProgram, maxBytes: number): string =>
  whole(
    asked,
    `${started(program)}\nwait "$keeper" || :\nif [ ! -e "$d/code" ]; then echo unknown; return; fi\n${REPORT(maxBytes)}\nrm -rf -- "$d" "$base/$p"`,
  );

/** Whether its keeper lives is asked first: one that ends afterwards has left the code. */
export const outcomeScript = (asked: Asked, pid: number, maxBytes: number): string =>
  whole(
    asked,
    `d=$base/${pid}
runs=
if [ -e "$d/keeper" ] && kill -0 "$(cat "$d/keeper")" 2> /dev/null; then runs=yes; fi
if [ -e "$d/code" ]; then
${REPORT(maxBytes)}
: > "$d/told"
elif [ -n "$runs" ]; then
echo runs
else
echo unknown
fi`,
  );

export const readScript = (asked: Asked, path: string, maxBytes: number): string => {
  const file = quotedWord(path);
  return whole(
    asked,
    `if [ ! -e ${file} ] && [ ! -L ${file} ]; then
echo none
elif [ -d ${file} ]; then
echo directory
else
d=$(mktemp -d "$base/new.XXXXXXXX")
trap 'rm -rf -- "$d"' EXIT
trap 'exit 1' HUP PIPE TERM
if head -c ${maxBytes} -- ${file} > "$d/content" 2> "$d/words"; then
echo content
base64 < "$d/content"
else
echo failed
base64 < "$d/words"
fi
fi`,
  );
};

export interface ScriptAnswer {
  readonly said: readonly string[];
  /** The script has been read and has begun. */
  readonly begun: boolean;
  readonly complete: boolean;
}

/** What stands between the marks: a log-in shell may say something before. */
export function between(mark: string, stdout: string): ScriptAnswer {
  const lines = stdout.split('\n');
  const begin = lines.indexOf(`${mark} begin`);
  const end = lines.lastIndexOf(`${mark} end`);
  if (begin === -1) return { said: [], begun: false, complete: false };
  return end > begin ? { said: lines.slice(begin + 1, end), begun: true, complete: true } : { said: lines.slice(begin + 1), begun: true, complete: false };
}

/** Null: that is no base64. */
export function fromBase64(lines: readonly string[]): Buffer | null {
  const text = lines.join('');
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, 'base64') : null;
}
