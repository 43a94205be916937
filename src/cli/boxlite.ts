#!/usr/bin/env node
/** The program `boxlite`: refuses an old Node in one line, then runs the command line. */
try {
  await import('../base/node-version.ts');
  const [{ keepCompiledCode }, { cacheDir }] = await Promise.all([
    import('../base/compile-cache.ts'),
    import('../base/env.ts'),
  ]);
  keepCompiledCode(cacheDir());
  await import('./main.ts');
} catch (error) {
  process.stderr.write(`boxlite: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 125;
}
