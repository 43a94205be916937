// pure
/** Scripts with which a shell completes our command line, made from the commands' own usage texts. */
import { type UsageOption, usageWords } from './usage.ts';

/** A command, as far as a shell is concerned. */
export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly usage: string;
}

/** The shells there are scripts for. */
export const shells = ['bash', 'zsh', 'fish'] as const;

/** The script for a shell. Behind the options files are completed, as everywhere. */
export function completionScript(
  shell: (typeof shells)[number],
  commands: readonly CompletedCommand[],
): string {
  return { bash, zsh, fish }[shell](commands);
}

function bash(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(({ name, usage }) => `    ${name}) words='${allWords(usage)}' ;;`);
  return `# boxlite completion bash: put it in ~/.local/share/bash-completion/completions/boxlite
_boxlite() {
  local words=''
  if [ "$COMP_CWORD" = 1 ]; then words='${commands.map(({ name }) => name).join(' ')}'
  else case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _boxlite boxlite
`;
}

function zsh(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(({ name, usage }) => {
    const { actions, options } = usageWords(usage);
    const described = options.flatMap(({ names, help }) =>
      names.map((each) => quoted(`${each}:${help}`)),
    );
    return `    ${name}) words_=(${[...actions.map(quoted), ...described].join(' ')}) ;;`;
  });
  return `#compdef boxlite
# boxlite completion zsh: put it into a folder of $fpath as _boxlite
_boxlite() {
  local -a words_
  if (( CURRENT == 2 )); then
    words_=(${commands.map(({ name, summary }) => quoted(`${name}:${summary}`)).join(' ')})
    _describe command words_
    return
  fi
  case $words[2] in
${cases.join('\n')}
  esac
  _describe word words_
  _files
}
if [ "$funcstack[1]" = _boxlite ]; then _boxlite "$@"; else compdef _boxlite boxlite; fi
`;
}

function fish(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ name, summary, usage }) => {
    const { actions, options } = usageWords(usage);
    const seen = `-n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c boxlite -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
      ...actions.map((action) => `complete -c boxlite ${seen} -a ${action}`),
      ...options.map((option) => `complete -c boxlite ${seen} ${fishOption(option)}`),
    ];
  });
  return `# boxlite completion fish: put it in ~/.config/fish/completions/boxlite.fish\n${lines.join('\n')}\n`;
}

function fishOption({ names, help }: UsageOption): string {
  const flags = names.map((name) =>
    name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
  );
  return [...flags, ...(help === '' ? [] : [`-d ${quoted(help)}`])].join(' ');
}

function allWords(usage: string): string {
  const { actions, options } = usageWords(usage);
  return [...actions, ...options.flatMap(({ names }) => names), '--help'].join(' ');
}

/** For any of the shells. A quote within would be read differently by each of them: it is left out. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", '')}'`;
}
