import { BoxliteRuntime, type ImageInfo } from '../../index.ts';
import { parseCommandLine, parseOptions, UsageError } from '../arguments.ts';
import { shown } from '../progress.ts';
import { ago, listFormat, size, table } from '../table.ts';
import { printEach } from '../targets.ts';

export const imagesUsage = `boxlite images [-q] [--format table|json]

Lists the images on this host. -q prints their names alone.

Examples:
    boxlite images`;

export const imageUsage = `boxlite image ls [-q] [--format table|json]
boxlite image inspect IMAGE...
boxlite image import PATH [NAME]       an OCI layout folder, or an archive (OCI, docker save)
boxlite image export IMAGE PATH        write an OCI archive
boxlite image rm IMAGE...
boxlite image prune [-a]               delete what no image needs; -a: also images no box uses

Examples:
    boxlite image inspect debian:12
    boxlite image export debian:12 debian.tar
    boxlite image import debian.tar our/debian:12
    boxlite image rm our/debian:12
    boxlite image prune`;

const listOptions = {
  quiet: { type: 'boolean', short: 'q' },
  format: { type: 'string' },
} as const;

export async function images(args: readonly string[]): Promise<number> {
  const values = parseOptions(args, listOptions, 'images');
  if (values.quiet === true && values.format !== undefined) {
    throw new UsageError('images: choose one of -q and --format');
  }
  const format = listFormat(values.format);
  await using runtime = new BoxliteRuntime();
  const list = await runtime.images.list();
  process.stdout.write(values.quiet === true ? names(list) : formatted(list, format));
  return 0;
}

export async function image(args: readonly string[]): Promise<number> {
  const [action = '', ...others] = args;
  const command = actions.get(action);
  if (command === undefined) {
    throw new UsageError(`image: expected ${[...actions.keys()].join(', ')}, got "${action}"`);
  }
  return command(others);
}

const actions: ReadonlyMap<string, (args: readonly string[]) => Promise<number>> = new Map([
  ['ls', images],
  ['inspect', inspect],
  ['import', importImage],
  ['export', exportImage],
  ['rm', remove],
  ['prune', prune],
]);

async function inspect(args: readonly string[]): Promise<number> {
  const references = required(args, 'inspect', { from: 1 });
  await using runtime = new BoxliteRuntime();
  const found = await Promise.all(references.map((name) => runtime.images.inspect(name)));
  process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
  return 0;
}

async function importImage(args: readonly string[]): Promise<number> {
  const [path = '', reference] = required(args, 'import', { from: 1, to: 2 });
  await using runtime = new BoxliteRuntime();
  const info = await shown(false, (onProgress) =>
    runtime.images.import(path, { onProgress, ...(reference === undefined ? {} : { reference }) }),
  );
  process.stdout.write(`${info.reference}@${info.digest}\n`);
  return 0;
}

async function exportImage(args: readonly string[]): Promise<number> {
  const [reference = '', path = ''] = required(args, 'export', { from: 2, to: 2 });
  await using runtime = new BoxliteRuntime();
  await runtime.images.export(reference, path);
  return 0;
}

async function remove(args: readonly string[]): Promise<number> {
  const references = required(args, 'rm', { from: 1 });
  await using runtime = new BoxliteRuntime();
  return await printEach(references, 'image rm', (name) => runtime.images.remove(name));
}

async function prune(args: readonly string[]): Promise<number> {
  const options = { all: { type: 'boolean', short: 'a' } } as const;
  const values = parseOptions(args, options, 'image prune');
  await using runtime = new BoxliteRuntime();
  const { images: removed, bytesFreed } = await runtime.images.prune({ all: values.all === true });
  for (const reference of removed) process.stdout.write(`${reference}\n`);
  process.stdout.write(`freed ${size(bytesFreed)}\n`);
  return 0;
}

/** As many words as an action takes. @throws UsageError */
function required(
  args: readonly string[],
  action: string,
  { from, to = Number.POSITIVE_INFINITY }: { readonly from: number; readonly to?: number },
): readonly string[] {
  const { rest } = parseCommandLine(args, {});
  if (rest.length < from) {
    throw new UsageError(`image ${action}: ${from - rest.length} argument(s) missing`);
  }
  if (rest.length > to) {
    throw new UsageError(`image ${action}: expected no more words, got "${rest[to]}"`);
  }
  return rest;
}

function names(list: readonly ImageInfo[]): string {
  return list.map((info) => `${info.reference}\n`).join('');
}

function formatted(list: readonly ImageInfo[], format: 'table' | 'json'): string {
  if (format === 'json') return `${JSON.stringify(list, null, 2)}\n`;
  const now = new Date();
  return table(
    ['IMAGE', 'ID', 'PULLED', 'LAYERS', 'DISK'],
    list.map((info) => [
      info.reference,
      info.configDigest.replace(/^[^:]+:/, '').slice(0, 12),
      ago(info.createdAt, now),
      size(info.sizeBytes),
      size(info.diskBytes),
    ]),
  );
}
