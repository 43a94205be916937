import { FilterFile } from '../jail/filter-file.ts';
import { jailed } from '../jail/jail.ts';
import { filterFor } from '../jail/seccomp/filters.ts';
import type { LaunchPlan } from '../spec/parts.ts';
import { guestArchitecture, scratchDirectories } from './host-checks.ts';
import { startVm, type Vm, type VmOptions } from './vm.ts';

/** What starting a jailed VM needs besides its plan. */
export interface JailedVmOptions extends VmOptions {
  readonly bubblewrap: string;
}

/**
 * Starts a VMM in its jail and waits for its agent, as {@link startVm} does.
 * @throws BoxliteError `Engine`, also if the host does not allow the jail; the signal's reason.
 */
export async function startJailed(plan: LaunchPlan, options: JailedVmOptions): Promise<Vm> {
  const { bubblewrap } = options;
  const program = filterFor(plan.kind, guestArchitecture());
  using filter = FilterFile.create(program, scratchDirectories);
  return await startVm(jailed(plan, { bubblewrap, filter: filter.descriptor }), options);
}
