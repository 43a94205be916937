import { posix } from 'node:path';
import { type FileContext, fileError } from './file-error.ts';

/** What is to be copied. */
export interface CopySource {
  readonly path: string;
  readonly isDirectory: boolean;
  /** Only what is in the directory is copied. */
  readonly contentsOnly: boolean;
}

/** Where it is to go, and what is there now: of a symbolic link, what it leads to. */
export interface CopyDestination {
  readonly path: string;
  readonly kind: 'missing' | 'directory' | 'other';
}

/** Where it goes. */
export interface CopyTarget {
  /** Made if it is missing, with those above it. */
  readonly directory: string;
  /** Under which name in there; null for the contents of a directory, which keep their own. */
  readonly name: string | null;
}

/**
 * The rules of `docker cp`: into a directory that is there, as what is not there; a directory never takes the
 * place of a file. Beyond them, a path that ends with a slash is a directory also when it is missing.
 * @throws BoxliteError ENOTDIR, or ENOENT if the name is none
 */
export function copyTarget(
  source: CopySource,
  destination: CopyDestination,
  context: FileContext,
): CopyTarget {
  const { path, kind } = destination;
  const name = baseName(source.path);
  const asDirectory = /(^|\/)\.?$/.test(path);
  if (kind === 'directory') {
    // The root has no name of its own.
    const contents = source.isDirectory && (source.contentsOnly || name === '');
    return { directory: path, name: contents ? null : name };
  }
  if (kind === 'other') {
    if (source.isDirectory) {
      throw fileError('ENOTDIR', context, 'a directory cannot take the place of a file');
    }
    if (asDirectory) throw fileError('ENOTDIR', context);
    return split(path, context);
  }
  return asDirectory && !source.isDirectory ? { directory: path, name } : split(path, context);
}

/** Whether a path stands for what is in a directory: it ends with a dot of its own. */
export function namesContents(path: string): boolean {
  return posix.basename(path) === '.';
}

/** The last component, as far as the path alone tells; empty for the root. */
function baseName(path: string): string {
  return posix.basename(posix.resolve('/', path));
}

function split(path: string, context: FileContext): CopyTarget {
  const name = posix.basename(path);
  if (name === '' || name === '.' || name === '..') throw fileError('ENOENT', context);
  return { directory: posix.dirname(path), name };
}
