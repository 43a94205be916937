import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { messageOf } from '../base/errors.ts';

/** A command line that does not make sense: exit status 2. */
export class UsageError extends Error {}

/** What a command line said. */
export interface Parsed<Options extends ParseArgsOptionsConfig> {
  readonly values: ReturnType<typeof parseArgs<{ options: Options }>>['values'];
  /** The first word that is no option, and all that follows it, whatever it looks like. */
  readonly rest: readonly string[];
}

/**
 * Reads options up to the first word that is none, as Docker does: what follows belongs to the command that
 * is run. @throws UsageError
 */
export function parseCommandLine<Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
): Parsed<Options> {
  const end = firstPositional(args, options);
  try {
    const { values } = parseArgs({ args: args.slice(0, end), options, strict: true });
    return { values: values as Parsed<Options>['values'], rest: args.slice(end) };
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

/** The same for a command that nothing is named to. @throws UsageError */
export function parseOptions<Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
  command: string,
): Parsed<Options>['values'] {
  const { values, rest } = parseCommandLine(args, options);
  if (rest.length > 0) throw new UsageError(`${command}: expected no name, got "${rest[0]}"`);
  return values;
}

function firstPositional(args: readonly string[], options: ParseArgsOptionsConfig): number {
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const first = tokens.find((token) => token.kind !== 'option');
  return first?.index ?? args.length;
}

/** A whole number from an option. @throws UsageError */
export function wholeNumber(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    throw new UsageError(`--${option}: expected a whole number, got "${text}"`);
  }
  return Number(text);
}

/** `NAME=value`, or `NAME` alone for the caller's own value. @throws UsageError */
export function environmentPairs(
  given: readonly string[],
  own: (name: string) => string | null,
): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const item of given) {
    const at = item.indexOf('=');
    if (at === 0) throw new UsageError(`--env: expected NAME=value, got "${item}"`);
    const name = at < 0 ? item : item.slice(0, at);
    const value = at < 0 ? own(name) : item.slice(at + 1);
    if (value !== null) pairs[name] = value;
  }
  return pairs;
}
