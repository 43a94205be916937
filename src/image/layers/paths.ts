// pure
/**
 * Where a path of a layer leads. Everything is looked up in the tree in memory, so nothing can
 * leave it; what matters is to end where other container tools do: `..` is taken off lexically
 * first, then symbolic links are followed within the image's root, links in the last component
 * excepted.
 */
import { BoxliteError } from '../../base/errors.ts';
import type { ByteString, Directory, Node } from '../tree.ts';
import { display } from '../tree.ts';
import type { UnpackBudget } from './budget.ts';

/** PATH_MAX of Linux: nobody could open a longer one. */
const PATH_BYTES_MAX = 4096;
/** As in filepath-securejoin, which umoci, runc and others resolve paths with. */
const LINKS_MAX = 255;
/** A path and all links it leads through: more than this many names is an attack on our time. */
const STEPS_MAX = 1 << 14;

/** One name on the way from the root, and what is there: null if nothing is yet. */
export interface Step {
  readonly name: ByteString;
  readonly node: Node | null;
}

/**
 * The names of a path, without `.`, with `..` taken off lexically. Empty for the root.
 * @throws BoxliteError `Image` if the path is too long
 */
export function cleanPath(path: ByteString): ByteString[] {
  if (path.length > PATH_BYTES_MAX) {
    throw new BoxliteError(
      'Image',
      `Cannot unpack ${display(path)}: the path has ${path.length} bytes, at most ` +
        `${PATH_BYTES_MAX} are allowed`,
    );
  }
  const names: ByteString[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names;
}

/**
 * The way to a directory of the image, symbolic links followed. Beyond the first missing name (or
 * a file) all steps are missing.
 * @throws BoxliteError `Image` on a loop of links, or when the budget is spent
 */
export function resolve(
  root: Directory,
  names: readonly ByteString[],
  budget: UnpackBudget,
): Step[] {
  const steps: Step[] = [];
  const pending = names.toReversed();
  let links = 0;
  let taken = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (++taken > STEPS_MAX || links > LINKS_MAX) throw tooManyLinks(names);
    if (name === '' || name === '.') continue;
    if (name === '..') {
      steps.pop();
      continue;
    }
    const node = lookUp(root, steps, name);
    if (node?.kind !== 'symlink') {
      steps.push({ name, node });
      continue;
    }
    links += 1;
    if (node.target.startsWith('/')) steps.length = 0;
    const target = node.target.split('/');
    budget.spendLink(target.length);
    for (const part of target.reverse()) pending.push(part);
  }
  return steps;
}

function lookUp(root: Directory, steps: readonly Step[], name: ByteString): Node | null {
  return directoryAt(root, steps)?.entries.get(name) ?? null;
}

/** The directory a way leads to, or null if there is none. */
export function directoryAt(root: Directory, way: readonly Step[]): Directory | null {
  const last = way.at(-1);
  if (last === undefined) return root;
  return last.node?.kind === 'directory' ? last.node : null;
}

/** The steps as a path. */
export function pathOf(steps: readonly Step[]): ByteString {
  return steps.map(({ name }) => name).join('/');
}

function tooManyLinks(names: readonly ByteString[]): BoxliteError {
  return new BoxliteError(
    'Image',
    `Cannot unpack into ${display(names.join('/'))}: too many symbolic links lead there`,
  );
}
