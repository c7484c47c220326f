/** The shells for which there is a script. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The only line of an answer that asks the shell for names of files. */
export const FILES = ':files';

/**
 * A script that asks `modosu complete` for everything, so that it stays right when the program changes. Needs nothing but the shell itself: no bash-completion,
 * which a rescue system lacks.
 */
export const completionScript = (shell: Shell): string => SCRIPTS[shell];

const BASH = `# bash: eval "$(modosu completion bash)", or in a file below /etc/bash_completion.d
_modosu() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == '${FILES}' ]]; then
      compopt -o default 2>/dev/null
      return
    fi
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(modosu complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _modosu modosu
`;

const ZSH = `#compdef modosu
# zsh: eval "$(modosu completion zsh)" after compinit, or as _modosu in a directory of $fpath
_modosu() {
  local -a lines described
  local line
  lines=("\${(@f)$(modosu complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "\${lines[1]}" == '${FILES}' ]]; then
    _files
    return
  fi
  for line in "\${lines[@]}"; do
    [[ -n "$line" ]] && described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe modosu described
}
if [[ "\${funcstack[1]}" == _modosu ]]; then
  _modosu "$@"
else
  compdef _modosu modosu
fi
`;

const FISH = `# fish: modosu completion fish | source, or as ~/.config/fish/completions/modosu.fish
function __modosu_complete
  set -l before (commandline -opc)
  set -l current (commandline -ct)
  set -l lines (modosu complete -- $before[2..-1] "$current" 2>/dev/null)
  if test "$lines[1]" = '${FILES}'
    __fish_complete_path "$current"
  else
    printf '%s\\n' $lines
  end
end
complete -c modosu -f -a '(__modosu_complete)'
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
