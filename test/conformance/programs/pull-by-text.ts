/** Pulls `app:1` from a registry that is given as a text. */
import { BoxliteRuntime } from '../../../src/index.ts';

const [homeDir = '', registry = ''] = process.argv.slice(2);
await using runtime = new BoxliteRuntime({ homeDir, imageRegistries: [registry] });
console.log(JSON.stringify(await runtime.images.pull('app:1')));
