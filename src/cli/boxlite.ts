#!/usr/bin/env node
/** The program `boxlite`: refuses an old Node in one line, then runs the command line. */
try {
  await import('../base/node-version.ts');
  await import('./main.ts');
} catch (error) {
  process.stderr.write(`boxlite: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 125;
}
