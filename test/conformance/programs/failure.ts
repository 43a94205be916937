/** How a runtime fails whose variables are wrong, as JSON. */
import { BoxliteError, BoxliteRuntime } from '../../../src/index.ts';

try {
  BoxliteRuntime.withDefaults();
} catch (error) {
  if (!BoxliteError.is(error)) throw error;
  console.log(JSON.stringify({ kind: error.kind, message: error.message }));
}
