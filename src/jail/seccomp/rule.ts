// pure
import type { SyscallName } from './numbers.ts';

/** A condition on one argument, which is a register of 64 bits: `(argument & mask) == equals`. */
export interface ArgumentTest {
  /** 0 to 5. */
  readonly index: number;
  readonly mask: bigint;
  readonly equals: bigint;
}

/** System calls a program may make, and why it does. */
export interface Rule {
  readonly calls: readonly SyscallName[];
  /** What the program does with them. */
  readonly why: string;
  /** When it does, for what no box on an ordinary x86-64 host shows; absent: in every box's life. */
  readonly when?: string;
  /** Only with arguments that pass all of these. Several rules for a call are alternatives. Absent: any. */
  readonly args?: readonly ArgumentTest[];
}

/** All that a program may call. */
export type AllowList = readonly Rule[];

/** An `int` argument: the kernel looks at 32 bits of the register. */
const INT = 0xffff_ffffn;

/** The argument as an `int` is this number. */
export function is(index: number, equals: number): ArgumentTest {
  return { index, mask: INT, equals: BigInt(equals) };
}

/** linux/socket.h. */
const MSG_OOB = 1;

/**
 * That a message is in band, of sendmsg(2) and recvmsg(2). Nobody needs the other kind between Unix sockets, and it has brought the
 * host's kernel down from inside of a filter before (CVE-2025-38236).
 */
export const inBand: readonly ArgumentTest[] = [bits(2, MSG_OOB, 0)];

/** Of these bits, the argument has those of `set`, and no others. */
export function bits(index: number, mask: number, set: number): ArgumentTest {
  return { index, mask: BigInt(mask), equals: BigInt(set) };
}
