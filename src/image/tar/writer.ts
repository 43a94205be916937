// pure
/** Headers of tar members, for archives of our own: ustar, and pax where a size needs it. */
import { BLOCK_BYTES } from './demand.ts';

/** What eleven octal digits count. */
const USTAR_SIZE_MAX = 0o77777777777;
/** Names of ours are short. */
const NAME_BYTES_MAX = 100;

export interface PlainMember {
  readonly name: string;
  readonly type: 'file' | 'directory';
  /** Of the content, 0 for a directory. */
  readonly size: number;
}

/** The two blocks of zeros that end an archive. */
export const TAR_END = Buffer.alloc(2 * BLOCK_BYTES);

/** Everything of a member before its content. Owned by root, without a time, so always the same. */
export function encodeHeader(member: PlainMember): Buffer {
  if (member.size <= USTAR_SIZE_MAX) return header(member, member.type === 'file' ? '0' : '5');
  const records = Buffer.from(record('size', `${member.size}`));
  const extended = { name: 'pax', type: 'file', size: records.length } as const;
  return Buffer.concat([
    header(extended, 'x'),
    records,
    paddingAfter(records.length),
    header({ ...member, size: 0 }, '0'),
  ]);
}

/** What fills the last block of a content. */
export function paddingAfter(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

function header(member: PlainMember, flag: string): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  if (Buffer.byteLength(member.name) > NAME_BYTES_MAX) {
    throw new RangeError(`name too long for a tar header: ${member.name}`);
  }
  block.write(member.name);
  block.write(octal(member.type === 'file' ? 0o644 : 0o755, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(member.size, 12), 124);
  block.write(octal(0, 12), 136);
  block.write(flag, 156);
  block.write('ustar\x0000', 257);
  // The sum is taken with spaces in its own place.
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 7)}\0 `, 148);
  return block;
}

function octal(value: number, width: number): string {
  return value.toString(8).padStart(width - 1, '0');
}

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (`${length}`.length + rest.length > length) length++;
  return `${length}${rest}`;
}
