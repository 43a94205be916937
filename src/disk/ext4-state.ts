// pure
/** What an ext4's superblock says about its condition and size (Linux: Documentation/filesystems/ext4/super.rst). */

/** Where the superblock is, and as much of it as is looked at. */
export const SUPERBLOCK = { offset: 1024, bytes: 1024 } as const;

const MAGIC = { offset: 0x38, value: 0xef53 };
const STATE_OFFSET = 0x3a;
const STATE_CLEAN = 0x1;
const STATE_ERRORS = 0x2;
const BLOCKS_LOW_OFFSET = 0x4;
const BLOCKS_HIGH_OFFSET = 0x150;
const BLOCK_SIZE_OFFSET = 0x18;
const INCOMPATIBLE_OFFSET = 0x60;
const NEEDS_RECOVERY = 0x4;
const HAS_64_BIT = 0x80;
/** The block size is this, shifted. */
const BLOCK_SIZE_MIN = 1024;
const BLOCK_SHIFT_MAX = 6;

/**
 * `clean`: unmounted in order. `interrupted`: its journal has to be replayed, or errors were seen.
 * `unknown`: no ext4, or none any more.
 */
export function ext4Condition(superblock: Uint8Array): 'clean' | 'interrupted' | 'unknown' {
  const view = new DataView(superblock.buffer, superblock.byteOffset, superblock.byteLength);
  if (view.byteLength < SUPERBLOCK.bytes) return 'unknown';
  if (view.getUint16(MAGIC.offset, true) !== MAGIC.value) return 'unknown';
  const state = view.getUint16(STATE_OFFSET, true);
  const incompatible = view.getUint32(INCOMPATIBLE_OFFSET, true);
  const interrupted = (incompatible & NEEDS_RECOVERY) !== 0;
  const faulty = (state & STATE_CLEAN) === 0 || (state & STATE_ERRORS) !== 0;
  return interrupted || faulty ? 'interrupted' : 'clean';
}

/** How large the file system says it is, in bytes, which is not what its file is; 0 if it cannot be told. */
export function ext4Bytes(superblock: Uint8Array): number {
  if (ext4Condition(superblock) === 'unknown') return 0;
  const view = new DataView(superblock.buffer, superblock.byteOffset, superblock.byteLength);
  const shift = view.getUint32(BLOCK_SIZE_OFFSET, true);
  if (shift > BLOCK_SHIFT_MAX) return 0;
  const wide = (view.getUint32(INCOMPATIBLE_OFFSET, true) & HAS_64_BIT) !== 0;
  const high = wide ? view.getUint32(BLOCKS_HIGH_OFFSET, true) : 0;
  const blocks = high * 2 ** 32 + view.getUint32(BLOCKS_LOW_OFFSET, true);
  return blocks * (BLOCK_SIZE_MIN << shift);
}
