import module from 'node:module';
import { join } from 'node:path';

/** Where a program of ours keeps its code as Node has compiled it, in the folder of what can be made again. */
export function compileCacheIn(cacheDir: string): string {
  return join(cacheDir, 'code');
}

/**
 * Has Node keep and find compiled code there: the program starts in half the time, and from source with half the
 * memory, as nothing needs to be compiled. A folder that cannot be written is no reason not to go on.
 */
export function keepCompiledCode(cacheDir: string): void {
  module.enableCompileCache(compileCacheIn(cacheDir));
}
