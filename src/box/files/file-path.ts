import { isUtf8 } from 'node:buffer';
import { fileURLToPath } from 'node:url';
import { BoxliteError } from '../../base/errors.ts';
import { describeType, invalid } from '../../spec/reader.ts';

/**
 * A path in a box. A relative one is seen from `/`. Bytes name files whose names are no UTF-8; a URL is a
 * `file:` one, as in `node:fs`.
 */
export type FilePath = string | Uint8Array | URL;

/** Of a path with its NUL, as the guest's kernel takes it. */
export const PATH_BYTES_MAX = 4096;

/** The path's bytes. @throws BoxliteError `InvalidArgument` if it is none or holds a NUL. */
export function pathBytes(path: FilePath, name = 'path'): Buffer {
  const plain: unknown = path instanceof URL ? urlPath(path, name) : path;
  if (typeof plain !== 'string' && !(plain instanceof Uint8Array)) {
    throw invalid(name, 'a string, a Uint8Array or a file: URL', describeType(plain));
  }
  const bytes =
    typeof plain === 'string'
      ? Buffer.from(plain)
      : Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  if (bytes.includes(0)) throw invalid(name, 'a path without NUL', 'one with NUL');
  return bytes;
}

/** The path as fields of a request: JSON holds no bytes that are no UTF-8. */
export function pathFields(path: FilePath, name = 'path'): Record<string, string> {
  const bytes = pathBytes(path, name);
  return isUtf8(bytes)
    ? { [name]: bytes.toString('utf8') }
    : { [`${name}64`]: bytes.toString('base64') };
}

/** The path for messages. */
export function showPath(path: FilePath): string {
  if (typeof path === 'string') return path;
  return path instanceof URL ? path.href : Buffer.from(path).toString('utf8');
}

/** A path and a name in it. Bytes stay bytes. */
export function joinPath(path: FilePath, name: string | Buffer): string | Buffer {
  const start = path instanceof URL ? fileURLToPath(path) : path;
  if (typeof start === 'string' && typeof name === 'string') {
    return start.endsWith('/') || start === '' ? `${start}${name}` : `${start}/${name}`;
  }
  const bytes = pathBytes(start);
  const slash = bytes.at(-1) === 0x2f || bytes.length === 0 ? '' : '/';
  return Buffer.concat([bytes, Buffer.from(slash), Buffer.from(name as string)]);
}

function urlPath(url: URL, name: string): string {
  try {
    return fileURLToPath(url, { windows: false });
  } catch (cause) {
    throw new BoxliteError('InvalidArgument', `${name}: expected a file: URL, got ${url.href}`, {
      cause,
    });
  }
}
