// pure
import type {
  Architecture,
  EngineName,
  KernelFlavor,
  LaunchPlan,
  Machine,
  MailboxUse,
} from '../spec/parts.ts';
import { planQemu } from './qemu/plan.ts';
import { planUml } from './uml/plan.ts';

/** What the system knows of an engine; nothing else asks which one runs. */
export interface Engine {
  readonly name: EngineName;
  /** The kind of kernel it boots. */
  readonly flavor: KernelFlavor;
  /** How its wire uses the mailbox beside it; null if it needs none. */
  readonly mailbox: MailboxUse | null;
  /** The guests that boot so slowly, and save so well, that boxes start from a snapshot of one. */
  readonly snapshots: readonly Architecture[];
  /** How long a boot may take when nothing else is said. */
  readonly bootTimeoutMs: number;
  plan(machine: Machine): LaunchPlan;
}

const BOOT_TIMEOUT_MS = 30_000;
/** Emulation is ten times slower, and slower still on a busy host. */
const EMULATED_BOOT_TIMEOUT_MS = 120_000;

/**
 * A UML guest reads a serial line a byte at a time, a microsecond each. Its terminal holds 4 KiB; when that is full UML
 * stops listening, and can miss the moment to go on. Half of it never fills it.
 */
const SERIAL_LINE: MailboxUse = { payloadBytesMin: 128, lineBytesMax: 2048 };
/** QEMU passes a page at a time to a virtio port: an emulated guest is interrupted and copies for each. */
const EMULATED_PORT: MailboxUse = { payloadBytesMin: 32 * 1024, lineBytesMax: null };

const hardware = {
  flavor: 'vm',
  mailbox: null,
  snapshots: [],
  bootTimeoutMs: BOOT_TIMEOUT_MS,
  plan: planQemu,
} as const;

/** Every engine, by name. */
export const engines: Readonly<Record<EngineName, Engine>> = {
  kvm: { name: 'kvm', ...hardware },
  hvf: { name: 'hvf', ...hardware },
  uml: {
    name: 'uml',
    flavor: 'uml',
    mailbox: SERIAL_LINE,
    snapshots: [],
    bootTimeoutMs: BOOT_TIMEOUT_MS,
    plan: planUml,
  },
  tcg: {
    name: 'tcg',
    flavor: 'vm',
    mailbox: EMULATED_PORT,
    // The other architecture's machine has not been seen to come back from one.
    snapshots: ['x64'],
    bootTimeoutMs: EMULATED_BOOT_TIMEOUT_MS,
    plan: planQemu,
  },
};

/** The order in which `auto` tries those that a system can have. */
export const enginePreference: readonly EngineName[] = ['kvm', 'hvf', 'uml', 'tcg'];
