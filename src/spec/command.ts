import type { Seconds } from '../base/durations.ts';
import type { EnvironmentPair } from './box-spec.ts';
import { durationMs } from './duration.ts';
import {
  environment,
  guestPath,
  joinEnvironments,
  user,
  variableName,
  words,
} from './guest-values.ts';
import {
  flag,
  invalid,
  isRecord,
  mistyped,
  nonEmptyText,
  optional,
  shape,
  text,
  wholeNumber,
} from './reader.ts';

/** A terminal's size in characters, as `struct winsize` holds it (ioctl_tty(2)): 1..65535 each. */
export interface TerminalSize {
  readonly rows: number;
  readonly cols: number;
}

const SIDE_MAX = 0xffff;
const side = wholeNumber(1, SIDE_MAX);
/** Reads a {@link TerminalSize}. */
const terminalSize = shape({ rows: side, cols: side });

/** A command, checked. Deeply frozen plain data. */
export interface CommandSpec {
  /** The program, then its arguments. */
  readonly argv: readonly [string, ...string[]];
  /** Over the box's own; each name once. */
  readonly env: readonly EnvironmentPair[];
  /** Null: no limit. */
  readonly timeoutMs: number | null;
  /** Absolute. Null: the box's. */
  readonly workingDir: string | null;
  /** Null: the box's. */
  readonly user: string | null;
  readonly tty: boolean;
  /** Null: nobody has said, or there is no terminal. */
  readonly ttySize: TerminalSize | null;
}

/**
 * A command to run in a box. Immutable: each call returns a new one.
 *
 * Every method throws BoxliteError `InvalidArgument` for what no guest could take, such as a NUL.
 *
 * @example
 * const command = new BoxCommand('python3').args(['-c', 'print(1)']).env('LANG', 'C').timeout(5_000);
 */
export class BoxCommand {
  #spec: CommandSpec;

  /** Runs the program of this name or path, without a shell. */
  constructor(command: string) {
    this.#spec = freeze({
      argv: [nonEmptyText(command, 'command')],
      env: Object.freeze([]),
      timeoutMs: null,
      workingDir: null,
      user: null,
      tty: false,
      ttySize: null,
    });
  }

  /** Adds one argument. */
  arg(a: string): BoxCommand {
    return this.#with({ argv: [...this.#spec.argv, text(a, 'arg')] });
  }

  /** Adds arguments. */
  args(a: Iterable<string>): BoxCommand {
    // A string is a list of characters too, which is never what is meant.
    if (typeof a !== 'object' || a === null || !(Symbol.iterator in a)) {
      throw mistyped('args', 'a list of strings', a);
    }
    const added = Array.from(a, (element: unknown, i) => text(element, `args[${i}]`));
    return this.#with({ argv: [...this.#spec.argv, ...added] });
  }

  /** Sets a variable, over the box's and the image's. */
  env(key: string, value: string): BoxCommand {
    const pair: EnvironmentPair = [variableName(key, 'env: key'), text(value, 'env: value')];
    return this.#with({ env: joinEnvironments(this.#spec.env, [pair]) });
  }

  /** Sets several variables. */
  envs(e: Readonly<Record<string, string>>): BoxCommand {
    if (!isRecord(e)) throw mistyped('envs', 'a record of strings', e);
    return this.#with({ env: joinEnvironments(this.#spec.env, environment(e, 'envs')) });
  }

  /** Ends the whole process tree after this long; a number is milliseconds. */
  timeout(t: number | Seconds): BoxCommand {
    return this.#with({ timeoutMs: durationMs()(t, 'timeout') });
  }

  /** Starts in this directory, an absolute path in the box. */
  workingDir(dir: string): BoxCommand {
    return this.#with({ workingDir: guestPath(dir, 'workingDir') });
  }

  /** Runs as `name`, `uid`, `uid:gid` or `name:group`. */
  user(u: string): BoxCommand {
    return this.#with({ user: user(u, 'user') });
  }

  /** Gives the command a terminal, on which stdout and stderr are one; of 24 rows and 80 columns if not said. */
  tty(enable: boolean, size?: TerminalSize): BoxCommand {
    const tty = flag(enable, 'tty');
    const ttySize = optional(terminalSize, null)(size, 'tty: size');
    return this.#with({ tty, ttySize: tty ? ttySize : null });
  }

  /** What was built. @internal */
  toSpec(): CommandSpec {
    return this.#spec;
  }

  #with(changes: Partial<CommandSpec>): BoxCommand {
    const changed = new BoxCommand(this.#spec.argv[0]);
    changed.#spec = freeze({ ...this.#spec, ...changes });
    return changed;
  }
}

/**
 * A command given as a builder, or as the program and its arguments.
 *
 * @throws BoxliteError `InvalidArgument`
 */
export function parseCommand(command: unknown): CommandSpec {
  if (command instanceof BoxCommand) return command.toSpec();
  if (!Array.isArray(command)) {
    throw mistyped('command', 'a BoxCommand or a list of strings', command);
  }
  const [program, ...args] = words(command, 'command');
  if (program === undefined) throw invalid('command', 'a program', 'an empty list');
  return new BoxCommand(program).args(args).toSpec();
}

function freeze(spec: CommandSpec): CommandSpec {
  Object.freeze(spec.argv);
  return Object.freeze(spec);
}
