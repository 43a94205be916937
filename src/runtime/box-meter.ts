import { setTimeout as sleep } from 'node:timers/promises';
import { cpuPercent, type TreeUsage, treeUsage } from '../process/usage.ts';
import type { BoxMetrics } from '../spec/metrics.ts';
import type { ProcessIdentity } from '../spec/process-identity.ts';
import type { BoxRow } from '../store/box-row.ts';
import type { StoredMetrics } from '../store/metrics.ts';

/** Over how long processor use is measured where there is no earlier look; a clock tick is 10 ms. */
const FIRST_LOOK_MS = 200;

/** Measures the VMM of one box, whoever runs it. */
export class BoxMeter {
  #last: { readonly vmm: ProcessIdentity; readonly usage: TreeUsage } | null = null;

  /** What is remembered of the box, and what its VMM takes now. */
  async measure(
    row: BoxRow,
    stored: StoredMetrics,
  ): Promise<Omit<BoxMetrics, 'networkTcpConnections'>> {
    const used = row.vmm === null ? null : await this.#use(row.vmm, row.spec.cpus);
    return {
      ...stored,
      cpuPercent: used?.cpuPercent ?? null,
      memoryBytes: used?.memoryBytes ?? null,
    };
  }

  async #use(vmm: ProcessIdentity, cpus: number) {
    const before = await this.#earlier(vmm);
    const usage = before === null ? null : await treeUsage(vmm);
    this.#last = usage === null ? null : { vmm, usage };
    if (before === null || usage === null) return null;
    return { cpuPercent: cpuPercent(before, usage, cpus), memoryBytes: usage.memoryBytes };
  }

  /** The look before, if it was at the same VMM. */
  async #earlier(vmm: ProcessIdentity): Promise<TreeUsage | null> {
    const last = this.#last;
    if (last !== null && last.vmm.pid === vmm.pid && last.vmm.start === vmm.start)
      return last.usage;
    const first = await treeUsage(vmm);
    if (first !== null) await sleep(FIRST_LOOK_MS);
    return first;
  }
}
