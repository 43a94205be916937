/** Options that describe a box, as `run` and `create` have them. */
import { environmentVariable } from '../base/env.ts';
import type { BoxliteRuntime, BoxOptions, ImageConfig } from '../index.ts';
import { BUILTIN_BASE, DEFAULT_IMAGE } from '../spec/box-spec.ts';
import { environmentPairs, UsageError, wholeNumber } from './arguments.ts';
import { interruptible } from './interrupt.ts';
import { portFlag } from './port-flag.ts';
import { shown } from './progress.ts';
import { volumeFlag } from './volume-flag.ts';

export const boxOptions = {
  env: { type: 'string', short: 'e', multiple: true },
  workdir: { type: 'string', short: 'w' },
  user: { type: 'string', short: 'u' },
  rootfs: { type: 'string' },
  name: { type: 'string' },
  label: { type: 'string', short: 'l', multiple: true },
  volume: { type: 'string', short: 'v', multiple: true },
  entrypoint: { type: 'string' },
  cpus: { type: 'string' },
  memory: { type: 'string', short: 'm' },
  'disk-size': { type: 'string' },
  publish: { type: 'string', short: 'p', multiple: true },
  engine: { type: 'string' },
  network: { type: 'string' },
  'allow-net': { type: 'string', multiple: true },
  rm: { type: 'boolean' },
} as const;

/** What they mean, for usage texts. */
export const boxOptionsUsage = `  -e, --env NAME=VALUE    set a variable; NAME alone passes ours on
  -w, --workdir DIR       start in this directory
  -u, --user USER         name, uid, uid:gid or name:group
  -l, --label NAME=VALUE  a note to find the box by
  -v, --volume HOST:GUEST[:ro]
                          share a directory or file of the host
      --rootfs PATH       use a directory as the root file system, in place of an image
      --entrypoint NAME   run this program, with the command as its arguments
      --name NAME         name the box
      --cpus N            processors (default 2)
  -m, --memory MIB        memory (default 512)
      --disk-size GIB     what the box may write (default 10), taken as it is written
      --network MODE      enabled (default) or none
      --allow-net RULE    reach only this: a name, *.domain, address or block, each with :PORT if wanted; repeatable
  -p, --publish PORT      [IP:][HOST:]PORT[/udp]: let the host listen for a port of the box
      --engine ENGINE     auto, kvm, hvf, uml or tcg`;

/** Their values. */
export interface BoxValues {
  readonly env?: string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly rootfs?: string;
  readonly label?: string[];
  readonly volume?: string[];
  readonly entrypoint?: string;
  readonly cpus?: string;
  readonly memory?: string;
  readonly 'disk-size'?: string;
  readonly publish?: string[];
  readonly engine?: string;
  readonly network?: string;
  readonly 'allow-net'?: string[];
  readonly rm?: boolean;
}

/** The machine, and the files in it at first. @throws UsageError */
export function machineOptions(values: BoxValues, image: string): BoxOptions {
  return {
    rootfs: values.rootfs === undefined ? image : { rootfsPath: values.rootfs },
    cpus: wholeNumber(values.cpus, 'cpus'),
    memoryMib: wholeNumber(values.memory, 'memory'),
    diskSizeGb: wholeNumber(values['disk-size'], 'disk-size'),
    ports: (values.publish ?? []).flatMap(portFlag),
    engine: values.engine as never,
    network: networkOf(values),
    labels: pairs(values.label ?? []),
    volumes: (values.volume ?? []).map(volumeFlag),
  };
}

/** Docker's `none` is our `disabled`. */
function networkOf(values: BoxValues): NonNullable<BoxOptions['network']> {
  const given = values.network ?? 'enabled';
  const mode = (given === 'none' ? 'disabled' : given) as 'enabled';
  return { mode, allowNet: values['allow-net'] ?? [] };
}

/** A box that outlives this program, with what every command in it gets. @throws UsageError */
export function lastingBox(values: BoxValues, image: string): BoxOptions {
  return {
    ...machineOptions(values, image),
    env: environmentPairs(values.env ?? [], environmentVariable),
    workingDir: values.workdir,
    user: values.user,
    detach: true,
    autoRemove: values.rm === true,
  };
}

/** What a box is to run for as long as it lasts, if a command or an entrypoint was named. */
export function namedCommand(values: BoxValues, command: readonly string[]): BoxOptions | null {
  if (values.entrypoint !== undefined) return { entrypoint: [values.entrypoint], cmd: command };
  return command.length === 0 ? null : { cmd: command };
}

/** What the image says is to be run in it; the image is pulled if it is not here. */
export async function commandOfImage(
  runtime: BoxliteRuntime,
  values: BoxValues,
  image: string,
): Promise<Pick<ImageConfig, 'entrypoint' | 'cmd'>> {
  if (values.rootfs !== undefined || image === BUILTIN_BASE) return { entrypoint: [], cmd: [] };
  if ((await runtime.images.get(image)) === null) {
    await interruptible((signal) =>
      shown(false, (onProgress) => runtime.images.pull(image, { onProgress, signal })),
    );
  }
  const { entrypoint, cmd } = (await runtime.images.inspect(image)).config;
  return { entrypoint, cmd };
}

/**
 * An image, unless a directory takes its place, and the command behind it, with or without `--`. A command alone, behind
 * `--`, is for the image that boxes have by default.
 */
export function imageAndCommand(
  rest: readonly string[],
  { rootfs }: BoxValues,
  command: string,
): [image: string, command: readonly string[]] {
  const [first, ...others] = rest;
  if (rootfs !== undefined) return ['', withoutDashes(rest)];
  if (first === undefined) throw new UsageError(`${command}: name an image`);
  return first === '--' ? [DEFAULT_IMAGE, others] : [first, withoutDashes(others)];
}

/** A command without the `--` that may come before it. */
export function withoutDashes(words: readonly string[]): readonly string[] {
  return words[0] === '--' ? words.slice(1) : words;
}

/** `NAME=value`; a name alone has the empty value. */
export function pairs(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((item) => {
      const [name = '', ...value] = item.split('=');
      return [name, value.join('=')];
    }),
  );
}
