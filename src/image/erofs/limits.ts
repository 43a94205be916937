// pure
/** What an EROFS image can hold, checked before a node enters the tree. */
import { BoxliteError } from '../../base/errors.ts';
import { type ByteString, display, type Node } from '../tree.ts';
import { MAJOR_MAX, MINOR_MAX } from './format.ts';
import { xattrProblem } from './xattrs.ts';

/** EROFS_NAME_LEN, and NAME_MAX of Linux. */
export const NAME_BYTES_MAX = 255;
/** PATH_MAX of Linux without the final zero; what symlink(2) takes. */
export const TARGET_BYTES_MAX = 4095;
const ID_MAX = 0xffffffff;

/**
 * Refuses a node that the image cannot hold.
 * @throws BoxliteError `Image`, naming `path`
 */
export function checkNode(path: ByteString, node: Node): void {
  const { uid, gid, seconds, nanoseconds, permissions, xattrs } = node.attributes;
  const problem =
    outside(uid, ID_MAX, 'owner') ??
    outside(gid, ID_MAX, 'group') ??
    outside(permissions, 0o7777, 'mode') ??
    outside(nanoseconds, 999_999_999, 'nanoseconds of the time') ??
    outside(Math.abs(seconds), Number.MAX_SAFE_INTEGER, 'time') ??
    kindProblem(node) ??
    xattrProblem(xattrs);
  if (problem !== null) {
    throw new BoxliteError('Image', `Cannot put ${display(path)} into an image: ${problem}`);
  }
}

function kindProblem(node: Node): string | null {
  if (node.kind === 'symlink') {
    return outside(node.target.length, TARGET_BYTES_MAX, 'length of the link target');
  }
  if (node.kind === 'character' || node.kind === 'block') {
    return (
      outside(node.major, MAJOR_MAX, 'major device number') ??
      outside(node.minor, MINOR_MAX, 'minor device number')
    );
  }
  return null;
}

function outside(value: number, max: number, what: string): string | null {
  if (Number.isSafeInteger(value) && value >= 0 && value <= max) return null;
  return `its ${what} is ${value}, expected 0..${max}`;
}
