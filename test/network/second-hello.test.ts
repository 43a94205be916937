import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SecondHello } from '../../src/network/second-hello.ts';
import { realHello } from './client-hellos.ts';

const allowed = await realHello({ servername: 'api.example' });
const other = await realHello({ servername: 'other.example' });
/** What clients send before a second hello, to look like older ones. */
const CHANGE = Buffer.of(20, 3, 3, 0, 1, 1);
const EARLY_DATA = Buffer.concat([Buffer.of(23, 3, 3, 0, 40), Buffer.alloc(40, 1)]);
/** SHA-256 of "HelloRetryRequest" (RFC 8446, 4.1.3). */
const RETRY = 'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c';

function serverHello(random: Buffer): Buffer {
  return Buffer.concat([Buffer.of(22, 3, 3, 0, 60, 2, 0, 0, 56, 3, 3), random, Buffer.alloc(22)]);
}
const retry = serverHello(Buffer.from(RETRY, 'hex'));
const ordinary = serverHello(Buffer.alloc(32, 7));

/** Everything that passes, or null. In pieces that end at these places. */
function pass(watch: SecondHello, bytes: Buffer, cuts: readonly number[] = []): Buffer | null {
  const places = [...new Set([0, ...cuts.map((cut) => cut % bytes.length), bytes.length])];
  places.sort((a, b) => a - b);
  const passed: Uint8Array[] = [];
  for (const [i, end] of places.slice(1).entries()) {
    const piece = watch.fromClient(bytes.subarray(places[i], end));
    if (piece === null) return null;
    passed.push(piece);
  }
  return Buffer.concat(passed);
}

function watchFor(name: string): SecondHello {
  return new SecondHello(({ serverName }) => serverName === name);
}

describe('SecondHello', () => {
  const cuts = fc.array(fc.nat(), { maxLength: 12 });

  it('lets one for the same host pass, wherever it is cut', () => {
    fc.assert(
      fc.property(cuts, cuts, cuts, (first, answer, second) => {
        const watch = watchFor('api.example');
        assert.deepEqual(pass(watch, allowed, first), allowed);
        const cut = (answer[0] ?? 0) % retry.length;
        for (const part of [retry.subarray(0, cut), retry.subarray(cut)]) watch.fromServer(part);
        const rest = Buffer.concat([CHANGE, allowed]);
        assert.deepEqual(pass(watch, rest, second), rest);
      }),
    );
  });

  it('lets none for another host pass, whatever is in front of it', () => {
    fc.assert(
      fc.property(cuts, fc.boolean(), fc.boolean(), (places, answered, early) => {
        const watch = watchFor('api.example');
        assert.deepEqual(
          pass(watch, early ? Buffer.concat([allowed, EARLY_DATA]) : allowed),
          early ? Buffer.concat([allowed, EARLY_DATA]) : allowed,
        );
        if (answered) watch.fromServer(retry);
        const passed = pass(watch, Buffer.concat([CHANGE, other]), places);
        assert.equal(passed, null);
      }),
    );
  });

  it('looks at nothing once the server goes on', () => {
    const watch = watchFor('api.example');
    assert.deepEqual(pass(watch, allowed), allowed);
    for (const byte of ordinary) watch.fromServer(Buffer.of(byte));
    assert.ok(watch.done);
    assert.deepEqual(pass(watch, other), other);
  });

  it('looks at nothing of a server that does not speak TLS', () => {
    const watch = watchFor('api.example');
    assert.deepEqual(pass(watch, allowed), allowed);
    watch.fromServer(Buffer.from('HTTP/1.1 400 Bad Request'));
    assert.ok(watch.done);
  });

  it('passes what it does not understand, and never throws', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (pieces) => {
        const watch = watchFor('api.example');
        for (const piece of [allowed, ...pieces]) if (watch.fromClient(piece) === null) return;
        watch.fromServer(retry);
        watch.fromServer(ordinary);
      }),
    );
  });
});
