/** Pulls a name without a host, with no registries given, and says how that failed. */
import { BoxliteError, BoxliteRuntime } from '../../../src/index.ts';

await using runtime = new BoxliteRuntime({ homeDir: process.argv[2] ?? '' });
const failure = await runtime.images.pull('alpine').catch((error: unknown) => error);
console.log(
  JSON.stringify(BoxliteError.is(failure) ? { kind: failure.kind, message: failure.message } : {}),
);
