// pure
/** What the kernel of every guest is told, whatever the engine. */
export const guestParameters: readonly string[] = [
  'rdinit=/init',
  // Waiting for a whole grace period of several processors costs 100 ms at power-off alone.
  'rcupdate.rcu_expedited=1',
  // No group of ours has a limit of memory, and counting what the kernel takes for each costs 2 MiB under QEMU.
  'cgroup.memory=nokmem,nosocket',
];
