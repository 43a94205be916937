// pure
import type { Architecture, ProgramKind } from '../../spec/parts.ts';
import { compile } from './compile.ts';
import { diskToolCalls } from './disk-tools.ts';
import { kvmCalls, qemuCalls } from './qemu.ts';
import type { AllowList } from './rule.ts';
import { umlSeccompCalls, umlTraceCalls } from './uml.ts';

/** What each program may call. */
export const allowLists = {
  qemu: qemuCalls,
  'qemu-kvm': kvmCalls,
  'uml-seccomp': umlSeccompCalls,
  'uml-ptrace': umlTraceCalls,
  'disk-tool': diskToolCalls,
} as const satisfies Readonly<Record<ProgramKind, AllowList>>;

const compiled = new Map<string, Uint8Array<ArrayBuffer>>();

/** The filter for a program, as the kernel reads it; compiled once. */
export function filterFor(kind: ProgramKind, arch: Architecture): Uint8Array<ArrayBuffer> {
  const key = `${kind} ${arch}`;
  const program = compiled.get(key) ?? compile(allowLists[kind], arch);
  compiled.set(key, program);
  return program;
}
