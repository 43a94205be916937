import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { BoxliteRuntime, type BoxOptions, type LiteBox } from '../../src/index.ts';
import { NameServer } from '../network/name-server.ts';
import { inNamespace, serverKeys, servers } from '../network/namespace.ts';
import { forEachEngine, sharedBox, shell, TestRuntime } from './fixture.ts';
import { copyProgram } from './host-programs.ts';
import { textsInMemory } from './memory-search.ts';
import { eventually } from './polling.ts';
import { descendants } from './processes.ts';

const VALUE = 'sk-live-0123456789abcdef';
const options: BoxOptions = {
  secrets: [
    { name: 'api-key', hosts: ['api.example'], value: VALUE },
    { name: 'other', hosts: ['other.example'], value: 'other-value-0123' },
  ],
};

/**
 * Whether any file below a folder has these bytes. Other programs look: to close a database's file ends our locks. tar
 * leaves out what a disk has never been given.
 */
function isBelow(folder: string, bytes: string): boolean {
  const script = 'tar -C "$1" -cSf - . | grep -qaF "$2"';
  return spawnSync('sh', ['-c', script, 'sh', folder, bytes]).status !== 1;
}

if (inNamespace(import.meta.filename)) {
  const names = new NameServer({ 'api.example': [servers.one], 'other.example': [servers.one] });
  const running: (Server | Http2SecureServer)[] = [];
  const seen: string[] = [];

  before(async () => {
    await names.listen();
    const answer = async (request: IncomingMessage, response: ServerResponse) => {
      const said = `${request.headers.authorization ?? ''} ${await text(request)}`;
      seen.push(said);
      response.end(`you said: ${said}\n`);
    };
    const https = createHttpsServer(serverKeys(), answer).listen(443, servers.one);
    const strange = createHttpsServer(serverKeys('strange'), answer).listen(4433, servers.one);
    const http = createHttpServer(answer).listen(80, servers.one);
    const http2 = createSecureServer(serverKeys()).listen(8443, servers.one);
    http2.on('stream', (stream, headers) => {
      seen.push(String(headers['authorization']));
      stream.respond({ ':status': 200 });
      stream.end(`h2: ${headers['authorization']}\n`);
    });
    running.push(https, strange, http, http2);
    await Promise.all(running.map((server) => server.listening || once(server, 'listening')));
  });
  after(async () => {
    for (const server of running) server.close();
    await names[Symbol.asyncDispose]();
  });

  forEachEngine((engine) => {
    describe('a box with secrets', () => {
      const box = sharedBox(engine, options);
      before(async () => {
        await shell(box(), 'wget -O- http://169.254.1.1/');
        await copyProgram(box(), '/usr/bin/curl');
      });
      const curl = async (args: string) => shell(box(), `curl -sS ${args} 2>&1`);
      const bearer = '-H "Authorization: Bearer $BOXLITE_SECRET_API_KEY"';

      it('has placeholders in its environment', async () => {
        const { stdout } = await shell(
          box(),
          'echo "$BOXLITE_SECRET_API_KEY $BOXLITE_SECRET_OTHER"',
        );
        assert.equal(stdout, '<BOXLITE_SECRET:api-key> <BOXLITE_SECRET:other>\n');
      });

      it('sends values to their hosts, by certificates that its programs trust', async () => {
        const { stdout } = await curl(
          `${bearer} --data "k=$BOXLITE_SECRET_API_KEY" https://api.example/`,
        );
        assert.equal(seen.at(-1), `Bearer ${VALUE} k=${VALUE}`);
        assert.equal(
          stdout,
          'you said: Bearer <BOXLITE_SECRET:api-key> k=<BOXLITE_SECRET:api-key>\n',
        );
        const body = `--data-binary '{"k":"<BOXLITE_SECRET:api-key>"}' -H 'Content-Type: application/json'`;
        await curl(`${body} https://api.example/`);
        assert.equal(seen.at(-1), ` {"k":"${VALUE}"}`);
        const basic = await curl(`-u "me:$BOXLITE_SECRET_API_KEY" https://api.example/`);
        assert.equal(seen.at(-1), `Basic ${Buffer.from(`me:${VALUE}`).toString('base64')} `);
        assert.ok(!basic.stdout.includes(Buffer.from(`me:${VALUE}`).toString('base64')));
      });

      it('does so over HTTP/2 and over plain HTTP', async () => {
        const two = await curl(`--http2 ${bearer} https://api.example:8443/`);
        assert.equal(two.stdout, 'h2: Bearer <BOXLITE_SECRET:api-key>\n');
        assert.equal(seen.at(-1), `Bearer ${VALUE}`);
        await curl(`${bearer} http://api.example/`);
        assert.equal(seen.at(-1), `Bearer ${VALUE} `);
      });

      it('sends none to others, and says so', async () => {
        const before = seen.length;
        const wrong = await curl(`-H "X: $BOXLITE_SECRET_OTHER" https://api.example/`);
        assert.match(wrong.stdout, /BoxLite refused this request/);
        const plain = await curl(`${bearer} http://other.example/`);
        assert.match(plain.stdout, /BoxLite refused this request/);
        const spoofed = await curl(
          `${bearer} --resolve api.example:80:${servers.two} http://api.example/`,
        );
        assert.notEqual(spoofed.exitCode, 0);
        const strange = await curl(`${bearer} -k https://api.example:4433/`);
        assert.notEqual(strange.exitCode, 0);
        const fronted = await curl(`${bearer} -H "Host: other.example" https://api.example/`);
        assert.match(fronted.stdout, /BoxLite refused this request/);
        assert.equal(seen.length, before);
        const events = await Array.fromAsync(box().network.events({ follow: false }));
        const reasons = events.map(({ reason }) => reason);
        for (const reason of [
          'secret-not-allowed',
          'certificate-invalid',
          'name-mismatch',
        ] as const) {
          assert.ok(reasons.includes(reason), reason);
        }
        assert.ok(!JSON.stringify(events).includes(VALUE));
      });

      it('has the value nowhere', async () => {
        const script = `cat /proc/[0-9]*/environ /etc/ssl/* /etc/hosts 2>/dev/null | grep -c ${VALUE.slice(0, 12)}`;
        assert.equal((await shell(box(), script)).stdout.trim(), '0');
      });
    });

    it('the value is in no memory of the guest, on no disk and in no file of the box', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox(
        { ...options, memoryMib: 128, autoRemove: false, diskSizeGb: 1 },
        'searched',
      );
      await copyProgram(box, '/usr/bin/curl');
      const header = '-H "Authorization: Bearer $BOXLITE_SECRET_API_KEY"';
      const script = `curl -sS ${header} https://api.example/ | tee /answer; sync; exec sleep 1000`;
      await using _command = await box.run(['sh', '-c', script]);
      await eventually('the request', () => (seen.at(-1) === `Bearer ${VALUE} ` ? true : null));
      await shell(box, 'until [ -s /answer ]; do sleep 0.1; done; sync');
      const placeholder = '<BOXLITE_SECRET:api-key>';
      const found = new Set(
        descendants().flatMap(({ pid }) => [...textsInMemory(pid, [VALUE, placeholder])]),
      );
      // What the box does have is found, so what is not found is not there.
      assert.deepEqual([...found], [placeholder]);
      await box.stop();
      assert.ok(!isBelow(owner.homeDir, VALUE));
      const disk = join(owner.homeDir, 'boxes', String(box.id));
      assert.ok(readdirSync(disk).includes('disk.ext4'));
      assert.ok(isBelow(disk, placeholder));
      await owner.runtime.remove('searched');
    });

    it("what is in the home is its owner's alone to read", async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox({ ...options, autoRemove: false }, 'private');
      await box.start();
      const names = readdirSync(owner.homeDir);
      assert.ok(names.includes('secrets.key') && names.includes('boxlite.db'), names.join());
      for (const path of [owner.homeDir, ...names.map((name) => join(owner.homeDir, name))]) {
        assert.equal(statSync(path).mode & 0o077, 0, path);
      }
      await box.stop();
      await owner.runtime.remove('private');
    });

    it('a box with a list of certificates that has no end, or no beginning, starts', async () => {
      await using owner = new TestRuntime(engine);
      const box = await owner.makeBox({ ...options, autoRemove: false, diskSizeGb: 1 });
      const script = `mkdir -p /etc/ssl/certs /etc/pki/tls/certs
        ln -sf /dev/zero /etc/ssl/certs/ca-certificates.crt
        rm -f /etc/ssl/cert.pem; mkfifo /etc/ssl/cert.pem
        truncate -s 3G /etc/pki/tls/certs/ca-bundle.crt`;
      assert.equal((await shell(box, script)).exitCode, 0);
      await box.stop();
      assert.equal((await shell(box, 'grep -c BEGIN.CERT $SSL_CERT_FILE')).exitCode, 0);
      await box.stop();
      await owner.runtime.remove(box.id);
    });

    it('a box keeps its secrets for other programs, and on the disk nobody reads them', async () => {
      await using owner = new TestRuntime(engine);
      const ask = async (box: LiteBox) => {
        const script =
          'wget -qO- --header "Authorization: $BOXLITE_SECRET_API_KEY" http://api.example/';
        return (await shell(box, script)).stdout;
      };
      const small = { diskSizeGb: 1 };
      const box = await owner.makeBox({ ...options, ...small, engine, detach: true }, 'lasting');
      assert.equal(await ask(box), 'you said: <BOXLITE_SECRET:api-key> \n');
      assert.equal(seen.at(-1), `${VALUE} `);
      await box.stop();
      assert.ok(!isBelow(owner.homeDir, VALUE));
      await using other = new BoxliteRuntime({ homeDir: owner.homeDir });
      const same = await other.get('lasting');
      assert.ok(same !== null);
      await ask(same);
      assert.equal(seen.at(-1), `${VALUE} `);
      await same.stop();
      await other.remove('lasting');
    });
  });
}
