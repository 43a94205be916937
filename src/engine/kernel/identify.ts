// pure
/** Tells what a kernel file is from its first bytes, so that nothing else is ever booted. */

import type { Architecture, KernelFlavor } from '../../spec/parts.ts';

/** How much of a file {@link identifyKernel} needs to see. */
export const KERNEL_HEAD_BYTES = 64 * 1024;

/** What a file was recognised as. */
export interface KernelIdentity {
  readonly flavor: KernelFlavor;
  readonly arch: Architecture;
  /** As `uname -r` would print it, where the file's head says so. */
  readonly release: string | null;
}

/** What the file that starts with `head` is, or null if it is no kernel that we can boot. */
export function identifyKernel(head: Buffer): KernelIdentity | null {
  if (isElfX64(head)) {
    return { flavor: isLowEntry(head) ? 'vm' : 'uml', arch: 'x64', release: null };
  }
  // Linux x86 boot protocol: "HdrS" at 0x202, and at 0x20e where the version text is, less 0x200.
  if (text(head, 0x202, 4) === 'HdrS') {
    return { flavor: 'vm', arch: 'x64', release: bzImageRelease(head) };
  }
  // Documentation/arch/arm64/booting.rst: "ARM\x64" at 56; a packed one is an EFI program.
  if (text(head, 56, 4) === 'ARM\x64' || text(head, 4, 4) === 'zimg') {
    return { flavor: 'vm', arch: 'arm64', release: null };
  }
  return null;
}

/** ELF, 64-bit, little-endian, EM_X86_64 (62). */
function isElfX64(head: Buffer): boolean {
  return (
    head.length >= 20 &&
    text(head, 0, 4) === '\x7fELF' &&
    head[4] === 2 &&
    head[5] === 1 &&
    head.readUInt16LE(18) === 62
  );
}

/** A plain `vmlinux` starts near 16 MiB of physical memory; user-mode Linux is linked at 0x60000000. */
function isLowEntry(head: Buffer): boolean {
  return head.length >= 32 && head.readBigUInt64LE(24) < 0x1000_0000n;
}

function bzImageRelease(head: Buffer): string | null {
  if (head.length < 0x210) return null;
  const offset = head.readUInt16LE(0x20e) + 0x200;
  const end = head.indexOf(0, offset);
  if (offset === 0x200 || end < 0) return null;
  return text(head, offset, end - offset).split(' ')[0] || null;
}

function text(head: Buffer, offset: number, length: number): string {
  return head.toString('latin1', offset, offset + length);
}
