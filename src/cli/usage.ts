// pure
/** What a usage text says, for those that need it in pieces: completions. */

/** An option as its line describes it. */
export interface UsageOption {
  /** `-d`, `--detach`, or both. */
  readonly names: readonly string[];
  /** Empty if the text only names it. */
  readonly help: string;
}

/** What may stand behind a command. */
export interface UsageWords {
  /** `ls` of `boxlite image ls`, for commands of commands. */
  readonly actions: readonly string[];
  readonly options: readonly UsageOption[];
}

const OPTION_LINE = /^ {2,6}(?:(-\w), )?(--[\w-]+)(?: [A-Z]\S*)? {2,}(.*)$/;
const MENTIONED = /\[(--?\w[\w-]*)(?: [^\]]*)?\]/g;
const ACTION = /^boxlite \w+ ([a-z]+(?:\|[a-z]+)*)(?= |$)/;

/** Reads a command's usage: its lines of options, and what its first lines mention besides. */
export function usageWords(usage: string): UsageWords {
  const lines = usage.split('\n');
  const described = lines
    .map((line) => OPTION_LINE.exec(line))
    .filter((match) => match !== null)
    .map(([, short, long = '', help = '']) => ({
      names: short === undefined ? [long] : [short, long],
      help,
    }));
  const synopsis = lines.filter((line) => line.startsWith('boxlite '));
  const mentioned = synopsis.flatMap((line) =>
    [...line.matchAll(MENTIONED)].map(([, name]) => name),
  );
  const known = described.flatMap(({ names }) => names);
  const others = [...new Set(mentioned)].filter(
    (name) => name !== undefined && !known.includes(name),
  );
  return {
    actions: [...new Set(synopsis.flatMap((line) => ACTION.exec(line)?.[1]?.split('|') ?? []))],
    options: [...described, ...others.map((name) => ({ names: [name ?? ''], help: '' }))],
  };
}
