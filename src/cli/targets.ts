/** Commands that work on what is named on the command line, boxes above all. */
import { BoxliteError, type BoxliteRuntime, isRunning, type LiteBox } from '../index.ts';
import { UsageError } from './arguments.ts';
import { exitStatus } from './exit-status.ts';

/** The box of that name or id. @throws BoxliteError `NotFound` */
export async function requireBox(runtime: BoxliteRuntime, name: string): Promise<LiteBox> {
  const box = await runtime.get(name);
  if (box === null) {
    throw new BoxliteError('NotFound', `There is no box "${name}": see "boxlite ls -a"`);
  }
  return box;
}

/** The same, if it runs. `what` is what it is for: "run a command in". @throws BoxliteError `InvalidState` */
export async function requireRunning(
  runtime: BoxliteRuntime,
  name: string,
  what: string,
): Promise<LiteBox> {
  const box = await requireBox(runtime, name);
  const { status } = box.info();
  if (isRunning(status)) return box;
  throw new BoxliteError(
    'InvalidState',
    `Cannot ${what} the box "${name}": it is ${status}; start it with "boxlite start"`,
  );
}

/** The only name given. @throws UsageError */
export function oneBox(rest: readonly string[], command: string): string {
  const [name, another] = rest;
  if (name === undefined || another !== undefined) throw new UsageError(`${command}: name one box`);
  return name;
}

/** Does it with each, whatever becomes of the others. Returns what to exit with. @throws UsageError */
export async function withEach(
  names: readonly string[],
  command: string,
  action: (name: string) => Promise<void>,
): Promise<number> {
  if (names.length === 0) throw new UsageError(`${command}: name a box`);
  const outcomes = await Promise.allSettled(names.map(action));
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') continue;
    const { reason } = outcome;
    process.stderr.write(`boxlite: ${reason instanceof Error ? reason.message : reason}\n`);
  }
  return outcomes.every(({ status }) => status === 'fulfilled') ? 0 : exitStatus.failed;
}

/** Does it with each, and prints the names of those with which it worked. @throws UsageError */
export function printEach(
  names: readonly string[],
  command: string,
  action: (name: string) => Promise<void>,
): Promise<number> {
  return withEach(names, command, async (name) => {
    await action(name);
    process.stdout.write(`${name}\n`);
  });
}
