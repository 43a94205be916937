/** Takes a lock and holds it until it is killed. */

import { FileLock } from '../../../src/image/file-lock.ts';

const [folder = '', name = '', mode = ''] = process.argv.slice(2);
await FileLock.acquire(folder, name, { mode: mode === 'shared' ? 'shared' : 'exclusive' });
console.log(JSON.stringify('held'));
setInterval(() => undefined, 1000);
