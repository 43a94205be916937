// pure
import type { Architecture } from '../../spec/parts.ts';
import { syscallNumbers } from './numbers.ts';
import type { AllowList, ArgumentTest } from './rule.ts';

/**
 * An allow-list becomes a program for the kernel's classic BPF machine, as linux/seccomp.h and linux/filter.h describe
 * it: for each system call it sees a `struct seccomp_data` and answers with a verdict. The calls are compared one
 * after the other. That is plain, and fast enough: since Linux 5.11 the kernel knows the calls that are
 * always allowed beforehand and does not run the program for them.
 */

/** `AUDIT_ARCH_*` of linux/audit.h: the ELF machine, 64 bits, little-endian. */
const auditArchitectures: Readonly<Record<Architecture, number>> = {
  x64: 0xc000_003e,
  arm64: 0xc000_00b7,
};

/** On x86-64 numbers from here on are the calls of x32, the same as ours under other numbers. */
const X32_BIT = 0x4000_0000;

const ENOSYS = 38;

/** The kernel's verdicts, from linux/seccomp.h. */
export const verdicts = {
  allow: 0x7fff_0000,
  /** As if the kernel did not have the call: programs then fall back to what they may do. */
  refuse: 0x0005_0000 | ENOSYS,
  killProcess: 0x8000_0000,
} as const;

/** `struct seccomp_data`: the offsets of its fields; the arguments are little-endian here. */
const NUMBER_OFFSET = 0;
const ARCHITECTURE_OFFSET = 4;
const ARGUMENTS_OFFSET = 16;
const ARGUMENT_BYTES = 8;
const HALF_BYTES = 4;
const HALF_BITS = 32n;
const HALF_MASK = 0xffff_ffffn;

/** `BPF_LD | BPF_W | BPF_ABS` and its like. */
const opcodes = {
  load: 0x20,
  and: 0x54,
  jumpIfEqual: 0x15,
  jumpIfAtLeast: 0x35,
  return: 0x06,
} as const;

/** `struct sock_filter`. The two jumps count instructions from the next one on. */
interface Instruction {
  readonly code: number;
  readonly jumpTrue: number;
  readonly jumpFalse: number;
  readonly operand: number;
}

const INSTRUCTION_BYTES = 8;
const INSTRUCTIONS_MAX = 4096;

/** What is asked of a call's arguments: one of these conjunctions; an empty one is always true. */
type Alternatives = readonly (readonly ArgumentTest[])[];

/**
 * The program as the kernel reads it: an array of `struct sock_filter`.
 *
 * A call of another architecture ends the process, whatever else is in the list.
 */
export function compile(list: AllowList, arch: Architecture): Uint8Array<ArrayBuffer> {
  const calls = [...alternativesByNumber(list, arch)];
  const program = [
    ...prologue(arch),
    ...calls.flatMap(([number, alternatives]) => oneCall(number, alternatives)),
    verdict(verdicts.refuse),
  ];
  return encode(program);
}

function alternativesByNumber(list: AllowList, arch: Architecture): Map<number, Alternatives> {
  const calls = new Map<number, Alternatives>();
  for (const rule of list) {
    for (const call of rule.calls) {
      const number = syscallNumbers[call][arch];
      // Of the older calls, some do not exist on newer architectures.
      if (number !== null) calls.set(number, [...(calls.get(number) ?? []), rule.args ?? []]);
    }
  }
  return calls;
}

function prologue(arch: Architecture): Instruction[] {
  return [
    load(ARCHITECTURE_OFFSET),
    jump(opcodes.jumpIfEqual, auditArchitectures[arch], 1, 0),
    verdict(verdicts.killProcess),
    load(NUMBER_OFFSET),
    ...(arch === 'x64'
      ? [jump(opcodes.jumpIfAtLeast, X32_BIT, 0, 1), verdict(verdicts.refuse)]
      : []),
  ];
}

/** The number is in the accumulator, and still is afterwards if it was another. */
function oneCall(number: number, alternatives: Alternatives): Instruction[] {
  const always = alternatives.some((tests) => tests.length === 0);
  const body = always
    ? [verdict(verdicts.allow)]
    : [...alternatives.flatMap(oneAlternative), verdict(verdicts.refuse)];
  return [jump(opcodes.jumpIfEqual, number, 0, body.length), ...body];
}

/** Allows the call if all tests pass; goes on behind itself if not. */
function oneAlternative(tests: readonly ArgumentTest[]): Instruction[] {
  const program: Instruction[] = [verdict(verdicts.allow)];
  // From the back, because a test that fails jumps over what follows it.
  for (const half of tests.flatMap(halves).reverse()) {
    program.unshift(...testHalf(half, program.length));
  }
  return program;
}

interface HalfTest {
  readonly offset: number;
  readonly mask: number;
  readonly equals: number;
}

/** The machine has 32 bits; a half of which no bit counts is not looked at. */
function halves({ index, mask, equals }: ArgumentTest): HalfTest[] {
  const low = ARGUMENTS_OFFSET + index * ARGUMENT_BYTES;
  const half = (offset: number, shift: bigint): HalfTest => ({
    offset,
    mask: Number((mask >> shift) & HALF_MASK),
    equals: Number((equals >> shift) & HALF_MASK),
  });
  const both = [half(low, 0n), half(low + HALF_BYTES, HALF_BITS)];
  return both.filter((part) => part.mask !== 0 || part.equals !== 0);
}

function testHalf({ offset, mask, equals }: HalfTest, rest: number): Instruction[] {
  const masked = mask === Number(HALF_MASK) ? [] : [jump(opcodes.and, mask, 0, 0)];
  return [load(offset), ...masked, jump(opcodes.jumpIfEqual, equals, 0, rest)];
}

function load(offset: number): Instruction {
  return { code: opcodes.load, jumpTrue: 0, jumpFalse: 0, operand: offset };
}

function jump(code: number, operand: number, jumpTrue: number, jumpFalse: number): Instruction {
  return { code, jumpTrue, jumpFalse, operand };
}

function verdict(operand: number): Instruction {
  return { code: opcodes.return, jumpTrue: 0, jumpFalse: 0, operand };
}

function encode(program: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  if (program.length > INSTRUCTIONS_MAX) throw new RangeError('the kernel takes 4096 instructions');
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, { code, jumpTrue, jumpFalse, operand }] of program.entries()) {
    const at = i * INSTRUCTION_BYTES;
    if (Math.max(jumpTrue, jumpFalse) > 0xff) throw new RangeError('a jump is too far');
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jumpTrue);
    view.setUint8(at + 3, jumpFalse);
    view.setUint32(at + 4, operand, true);
  }
  return bytes;
}
