import { access, constants } from 'node:fs/promises';

/** Whether a path leads to something that is there and that we may use as the mode of access(2) says. */
export function isThere(path: string, mode: number = constants.F_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
