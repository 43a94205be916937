import { BoxliteError, messageOf } from '../base/errors.ts';
import { engines } from '../engine/engine.ts';
import { DiskMailbox } from '../engine/mailbox.ts';
import type { JailPrograms } from '../jail/jail.ts';
import type { EngineName, Machine } from '../spec/parts.ts';
import { SecurityOptions } from '../spec/security.ts';
import { startJailed } from './jailed-vm.ts';

/** A small machine, in which a distribution's kernel can still unpack itself. */
const PROBE_MEMORY_MIB = 128;
const PROBE_CPUS = 1;
/** What a probe is called instead of a box's id. */
const PROBE_NAME = 'probe';

/** How long a probe may take. Real acceleration boots in a tenth of a second or not at all. */
const probeTimeoutsMs: Readonly<Record<EngineName, number>> = {
  kvm: 3_000,
  hvf: 3_000,
  uml: 20_000,
  tcg: 60_000,
};

/** What a probe needs to know of the host. */
export interface ProbeInput
  extends Pick<Machine, 'engine' | 'kernel' | 'vmm' | 'initramfs' | 'preload'> {
  readonly programs: JailPrograms | null;
  /** Folders in which a mailbox may be made. */
  readonly scratch: readonly string[];
}

/** What booting a guest has shown. */
export interface ProbeResult {
  readonly bootMs: number;
  /** What the kernel measured, to be given to every later boot; null if it does not calibrate. */
  readonly loopsPerJiffy: number | null;
}

/**
 * Boots a guest without disks, waits for its agent and ends it.
 * @throws BoxliteError `Engine` saying why the engine does not work here.
 */
export async function probe(input: ProbeInput, signal?: AbortSignal): Promise<ProbeResult> {
  const engine = engines[input.engine];
  using mailbox =
    engine.mailbox === null ? null : DiskMailbox.create(input.scratch, engine.mailbox);
  const plan = engine.plan({
    ...input,
    cpus: PROBE_CPUS,
    memoryMib: PROBE_MEMORY_MIB,
    disks: null,
    loopsPerJiffy: null,
    mailbox: mailbox?.descriptor ?? null,
  });
  const started = performance.now();
  try {
    await using vm = await startJailed(plan, {
      programs: input.programs,
      security: SecurityOptions.enabled().toSettings(),
      boxId: PROBE_NAME,
      mailbox,
      timeoutMs: probeTimeoutsMs[input.engine],
      signal,
    });
    const bootMs = Math.round(performance.now() - started);
    return { bootMs, loopsPerJiffy: parseLoopsPerJiffy(vm.process.consoleTail) };
  } catch (cause) {
    signal?.throwIfAborted();
    throw BoxliteError.is(cause, 'Engine')
      ? cause
      : new BoxliteError('Engine', messageOf(cause), { cause });
  }
}

/** Linux's init/calibrate.c prints `... BogoMIPS (lpj=19259392)`. */
function parseLoopsPerJiffy(console: string): number | null {
  const found = /\(lpj=(\d{1,12})\)/.exec(console)?.[1];
  return found === undefined ? null : Number(found);
}
