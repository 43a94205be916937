/** What the host's network says no to arrives in a box as what it is. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { HOST_ALIAS } from '../../src/network/addresses.ts';
import { refusalFor } from '../../src/network/socket-uplink.ts';
import { inNamespace } from '../network/namespace.ts';
import { compileGuest } from './compile.ts';
import { folders, forEachEngine, sharedBox, shell } from './fixture.ts';

/** Listens, and accepts nobody: when two wait, the kernel does not answer the next ones. */
const BUSY_SERVER = `
  const { parentPort } = require('node:worker_threads');
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });`;
/** More than the kernel lets wait. */
const WAITING = 8;
/** Set aside for documentation, and nowhere in the namespace (RFC 5737). */
const NOWHERE = '198.51.100.7';

if (inNamespace(import.meta.filename)) {
  const server = new Worker(BUSY_SERVER, { eval: true });
  const waiting: Socket[] = [];
  let port = 0;

  before(async () => {
    [port] = await once(server, 'message');
    for (let i = 0; i < WAITING; i++) {
      waiting.push(connect(port, '127.0.0.1').on('error', () => undefined));
    }
    await once(waiting[0] ?? assert.fail(), 'connect');
  });
  after(async () => {
    for (const socket of waiting) socket.destroy();
    await server.terminate();
  });

  it('silence of a server is silence for the box', () => {
    assert.equal(refusalFor('ETIMEDOUT'), 'silence');
  });

  forEachEngine((engine) => {
    describe('a box', () => {
      const box = sharedBox(engine);
      before(async () => {
        await box().copyIn(compileGuest('network', folders.homes), '/bin/');
      });
      const probe = async (words: string) => {
        const { stdout } = await shell(box(), `/bin/network ${words}`);
        return stdout.trim();
      };

      it('waits for a server that does not answer until its own time is up', async () => {
        const seen = await probe(`unanswered ${HOST_ALIAS.v4} ${port}`);
        assert.equal(seen, 'connect: Operation timed out');
        const last = (await box().network.connections()).at(-1);
        assert.deepEqual([last?.to.port, last?.state], [port, 'asked']);
      });

      it('learns that there is no way', async () => {
        assert.equal(await probe(`send ${NOWHERE} 80 1`), 'connect: Host is unreachable');
      });

      it('learns that nobody listens', async () => {
        assert.equal(await probe(`send ${HOST_ALIAS.v4} 1 1`), 'connect: Connection refused');
        assert.equal(await probe(`datagram ${HOST_ALIAS.v4} 1 10`), 'recv: Connection refused');
      });
    });
  });
}
