// pure
/** Reads what getfattr(1) prints, as Node cannot read attributes itself. */
import { BoxliteError } from '../base/errors.ts';
import { type ByteString, bytesOf, type Xattr } from './tree.ts';

/** What goes with a file. Labels and signatures of the host's security modules mean nothing to another kernel. */
const KEPT = '^(user|trusted|system)\\.|^security\\.capability$';

/** What to run, in the directory, for {@link parseGetfattr}. `-P` and `-h` follow no links. */
export const GETFATTR_COMMAND = ['getfattr', '-R', '-P', '-h', '-d', '-m', KEPT, '-e', 'hex', '.'];

const FILE = '# file: ';

/**
 * Extended attributes by path relative to the directory it ran in, `''` being the directory itself.
 * @throws BoxliteError `Image` if it is not what getfattr prints
 */
export function parseGetfattr(dump: Uint8Array): Map<ByteString, Xattr[]> {
  const attributes = new Map<ByteString, Xattr[]>();
  let current: Xattr[] | null = null;
  for (const line of Buffer.from(dump).toString('latin1').split('\n')) {
    if (line === '') continue;
    if (line.startsWith(FILE)) {
      current = [];
      attributes.set(relative(unquoted(line.slice(FILE.length))), current);
    } else if (current !== null) {
      current.push(parseAttribute(line));
    } else {
      throw unreadable(line);
    }
  }
  return attributes;
}

function parseAttribute(line: string): Xattr {
  const match = /^([^=]+)(?:=0x((?:[0-9a-f]{2})*))?$/.exec(line);
  if (match === null) throw unreadable(line);
  const [, name = '', hex = ''] = match;
  return { name: unquoted(name), value: Buffer.from(hex, 'hex') };
}

/** `\012` is the byte of that octal number. */
function unquoted(text: string): ByteString {
  return text.replace(/\\([0-7]{3})/g, (_, octal) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** `.`, `./a` and `a` as seen from the directory. */
function relative(path: ByteString): ByteString {
  return path === '.' ? '' : path.replace(/^\.\//, '');
}

function unreadable(line: string): BoxliteError {
  const start = JSON.stringify(bytesOf(line.slice(0, 80)).toString('utf8'));
  return new BoxliteError('Image', `Cannot read the output of getfattr: ${start} is no attribute`);
}
