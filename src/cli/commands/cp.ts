import { BoxliteRuntime } from '../../index.ts';
import { parseCommandLine, UsageError } from '../arguments.ts';
import { requireRunning } from '../targets.ts';

export const cpUsage = `boxlite cp [-L] PATH BOX:PATH
boxlite cp [-L] BOX:PATH PATH

Copies a file or a directory into a box that runs, or out of it: into the second path if that is a directory, as it
otherwise. A directory that ends with "/." stands for what is in it. A path of the box starts at its root; one of
the host that has a colon starts with "/" or "./".

  -L, --follow-link       copy what a symbolic link names, and not the link

Examples:
    boxlite cp ./data web:/srv
    boxlite cp web:/etc/passwd ./passwd`;

const options = { 'follow-link': { type: 'boolean', short: 'L' } } as const;

export async function cp(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, options);
  const [source, target, another] = rest;
  if (source === undefined || target === undefined || another !== undefined) {
    throw new UsageError('cp: name what to copy, and where to');
  }
  const [from, to] = [placeOf(source), placeOf(target)];
  const box = from.box ?? to.box;
  if (box === null || (from.box !== null && to.box !== null)) {
    throw new UsageError('cp: one of the two paths is BOX:PATH, and the other is one of the host');
  }
  await using runtime = new BoxliteRuntime();
  const running = await requireRunning(runtime, box, 'copy files of');
  const copyOptions = { followSymlinks: values['follow-link'] === true };
  if (to.box !== null) await running.copyIn(from.path, to.path, copyOptions);
  else await running.copyOut(from.path, to.path, copyOptions);
  return 0;
}

/** `BOX:PATH`, or a path of the host, by the rules of `docker cp`. @throws UsageError */
function placeOf(text: string): { readonly box: string | null; readonly path: string } {
  const at = text.indexOf(':');
  if (text === '-')
    throw new UsageError('cp: streams cannot be copied; name a file or a directory');
  if (at < 1 || text.startsWith('/') || text.startsWith('.')) return { box: null, path: text };
  const path = text.slice(at + 1);
  return { box: text.slice(0, at), path: path.startsWith('/') ? path : `/${path}` };
}
