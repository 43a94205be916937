/** Pulls an image: `pull.ts STORE REFERENCE [http|https]`. Reports progress, then what it got. */

import { BlobStore } from '../../../src/image/blobs.ts';
import { boxPlatform } from '../../../src/image/platform.ts';
import { pullImage } from '../../../src/image/pull.ts';
import { ImageRegistry } from '../../../src/spec/image-registry.ts';

const [folder = '', reference = '', transport = 'http'] = process.argv.slice(2);
const host = reference.slice(0, reference.indexOf('/'));
const report = (value: object) => console.log(JSON.stringify(value));
try {
  await using image = await pullImage(reference, {
    store: await BlobStore.open(folder),
    registries: [transport === 'http' ? ImageRegistry.http(host) : ImageRegistry.https(host)],
    platform: boxPlatform('x64'),
    proxy: { http: null, https: null, none: null },
    docker: null,
    onProgress: report,
  });
  await image.downloaded();
  report({ kind: 'pulled', digest: image.digest });
} catch (error) {
  report({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
}
