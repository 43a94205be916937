// pure
import type { Machine, PlanFile } from '../spec/parts.ts';

/** What the image disk is called in the jail. */
export const IMAGE_INSIDE = '/box/image';

/**
 * The image disk of a machine. By its path: who has a descriptor of a file of its own user can open the file anew to
 * write to it, and this one is in other boxes, too. In the jail it is on a read-only mount.
 */
export function imageFile({ disks }: Machine): PlanFile[] {
  return disks === null ? [] : [{ hostPath: disks.image, inside: IMAGE_INSIDE, ours: true }];
}

/** What the guest calls its disks. The agent mounts them before it is asked to. */
export function diskNames({ disks }: Machine, image: string, box: string): string[] {
  return disks === null ? [] : [`BOXLITE_IMAGE=${image}`, `BOXLITE_DISK=${box}`];
}
