import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { NameServer } from '../network/name-server.ts';
import { inNamespace, serverKeys, servers } from '../network/namespace.ts';
import { makePackageRoot } from './debian-root.ts';
import { forEachEngine, sharedBox, shell } from './fixture.ts';
import { layOut, STRANGE_BUNDLE, trustLayouts } from './trust-stores.ts';

const VALUE = 'sk-live-0123456789abcdef';
const PACKAGES = ['dash', 'coreutils', 'curl', 'openssl', 'ca-certificates'];

if (inNamespace(import.meta.filename)) {
  const folder = mkdtempSync(join(tmpdir(), 'boxlite-trust-'));
  const debian = join(folder, 'debian');
  makePackageRoot(debian, PACKAGES);
  for (const layout of trustLayouts) {
    const root = join(folder, layout.name);
    cpSync(debian, root, { recursive: true, verbatimSymlinks: true });
    layOut(root, layout);
  }
  const names = new NameServer({ 'api.example': [servers.one] });
  const server = createServer(serverKeys(), ({ headers }, response) =>
    response.end(headers.authorization === VALUE ? 'the value\n' : 'no value\n'),
  );
  before(async () => {
    await names.listen();
    await once(server.listen(443, servers.one), 'listening');
  });
  after(async () => {
    server.close();
    await names[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  forEachEngine((engine) => {
    for (const layout of trustLayouts) {
      describe(`a root file system as ${layout.name} has it`, () => {
        const box = sharedBox(engine, {
          rootfs: { rootfsPath: join(folder, layout.name) },
          secrets: [{ name: 'key', hosts: ['api.example'], value: VALUE }],
        });
        /** Without the variables that tell of files of ours. */
        const alone = async (command: string) => {
          const { stdout, stderr, exitCode } = await shell(box(), `env -i ${command}`);
          return { said: `${stdout}${stderr}`, exitCode };
        };
        const openssl = (file: string, directory: string) =>
          alone(
            `SSL_CERT_FILE=${file} SSL_CERT_DIR=${directory} openssl s_client -brief` +
              ' -verify_return_error -connect api.example:443 </dev/null',
          );

        it("has the box's authority in each of its lists", async () => {
          const key = "-H 'Authorization: <BOXLITE_SECRET:key>'";
          for (const path of layout.bundles) {
            const { said } = await alone(
              `curl -sS --cacert ${path} --capath /none ${key} https://api.example/`,
            );
            assert.equal(said, 'the value\n', path);
            assert.match((await openssl(path, '/none')).said, /Verification: OK/, path);
          }
        });

        it('has it by the hash of its name', async () => {
          for (const path of layout.hashed) {
            assert.match((await openssl('/none', path)).said, /Verification: OK/, path);
          }
        });

        it('is nowhere else', async () => {
          const { exitCode, said } = await openssl(STRANGE_BUNDLE, '/none');
          assert.notEqual(exitCode, 0);
          assert.match(said, /certificate verify failed/);
        });

        it("has it in Java's list, and where lists are made from", async () => {
          const path = join(folder, `${engine}.cacerts`);
          writeFileSync(path, await box().fs.readFile(layout.keystore));
          const list = ['-list', '-rfc', '-keystore', path, '-storepass', 'changeit'];
          const said = execFileSync('keytool', list, { encoding: 'utf8', stdio: 'pipe' });
          const authority = await box().fs.readFile('/etc/ssl/boxlite-ca.pem', 'utf8');
          const lines = (text: string) => text.replaceAll('\r', '').trim();
          assert.ok(lines(said).includes(lines(authority)));
          assert.equal(await box().fs.readFile(layout.anchor, 'utf8'), authority);
        });
      });
    }
  });
}
