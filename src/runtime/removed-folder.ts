import { closeSync, constants, fstatSync, openSync } from 'node:fs';

/**
 * How often a folder is looked at, in milliseconds: one fstat(2) each time. Watches that tell at once are few on a
 * host (128 of a user's by default), and there may be more boxes.
 */
const LOOK_MS = 5_000;

/** Calls `act` once when somebody has removed the folder, until disposed. One that was moved is not removed. */
export function whenRemoved(folder: string, act: () => void): Disposable {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  const timer = setInterval(() => {
    if (fstatSync(fd).nlink > 0) return;
    clearInterval(timer);
    act();
  }, LOOK_MS);
  timer.unref();
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      closeSync(fd);
    },
  };
}
