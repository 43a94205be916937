import type { EngineName, KernelFlavor, LaunchPlan, Machine } from '../spec/parts.ts';
import { planQemu, qemuDisks } from './qemu/plan.ts';
import { planUml, umlDisks } from './uml/plan.ts';

/** What the system knows of an engine; nothing else asks which one runs. */
export interface Engine {
  readonly name: EngineName;
  /** The kind of kernel it boots. */
  readonly flavor: KernelFlavor;
  /** Whether its wire needs a mailbox beside it. */
  readonly mailbox: boolean;
  /** How long a boot may take when nothing else is said. */
  readonly bootTimeoutMs: number;
  /** The guest's names of its disks. */
  readonly disks: { readonly image: string; readonly box: string };
  plan(machine: Machine): LaunchPlan;
}

const BOOT_TIMEOUT_MS = 30_000;
/** Emulation is ten times slower, and slower still on a busy host. */
const EMULATED_BOOT_TIMEOUT_MS = 120_000;

function qemu(name: EngineName, bootTimeoutMs: number): Engine {
  return { name, flavor: 'vm', mailbox: false, bootTimeoutMs, disks: qemuDisks, plan: planQemu };
}

/** Every engine, by name. */
export const engines: Readonly<Record<EngineName, Engine>> = {
  kvm: qemu('kvm', BOOT_TIMEOUT_MS),
  hvf: qemu('hvf', BOOT_TIMEOUT_MS),
  uml: {
    name: 'uml',
    flavor: 'uml',
    mailbox: true,
    bootTimeoutMs: BOOT_TIMEOUT_MS,
    disks: umlDisks,
    plan: planUml,
  },
  tcg: qemu('tcg', EMULATED_BOOT_TIMEOUT_MS),
};

/** The order in which `auto` tries them. */
export const enginePreference: readonly EngineName[] = ['kvm', 'hvf', 'uml', 'tcg'];
