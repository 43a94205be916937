// pure
/** What a tar archive holds, after all its dialects. */
import { BoxliteError } from '../../base/errors.ts';
import type { Attributes, ByteString } from '../tree.ts';

export type TarEntryType =
  | 'file'
  | 'link'
  | 'symlink'
  | 'character'
  | 'block'
  | 'directory'
  | 'fifo';

export interface TarEntry {
  readonly type: TarEntryType;
  /** As written: may be absolute, hold `..`, or end with a slash. */
  readonly name: ByteString;
  /** Where a `link` or `symlink` leads, as written. */
  readonly linkName: ByteString;
  readonly attributes: Attributes;
  /** Bytes of a `file` with its holes filled, otherwise 0. */
  readonly size: number;
  /** Device number of a `character` or `block`. */
  readonly major: number;
  readonly minor: number;
}

/**
 * `entry` begins a member; for a file, `data` and `hole` follow in order and add up to its size.
 * The bytes of `data` are only good until the reader continues.
 */
export type TarEvent =
  | {
      readonly kind: 'entry';
      readonly entry: TarEntry;
      /** Bytes of `data` that follow it in the archive: fewer than its size if it is sparse. */
      readonly stored: number;
    }
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'hole'; readonly length: number };

/** What every broken archive ends with. `position` is a byte offset in the archive. */
export function tarError(position: number, problem: string): BoxliteError {
  return new BoxliteError(
    'Image',
    `Cannot read the tar archive at byte ${position}: ${problem}; make or pull it anew`,
  );
}
