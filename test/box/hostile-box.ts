import type { BoxBackend } from '../../src/box/lite-box.ts';
import { LiteBox } from '../../src/box/lite-box.ts';
import type { JsonObject } from '../../src/portal/messages.ts';
import { ChannelPair } from '../portal/memory-link.ts';

const STAT = [1, 2, 0o100644, 1, 0, 0, 0, 5, 4096, 8, 0, 0, 0, 0, 0, 0, 0, 0];

/** A box whose guest answers every stat with a file, and every copy with these bytes. */
export function hostileBox(archive: Uint8Array): LiteBox {
  return boxAnswering((request) => (request['op'] === 'pack' ? archive : { stat: STAT }));
}

/** A box whose guest answers each request with bytes, or with a message. */
export function boxAnswering(answer: (request: JsonObject) => Uint8Array | JsonObject): LiteBox {
  const pair: ChannelPair = new ChannelPair({
    guest: {
      open: (stream, request) => {
        const given = answer(request);
        queueMicrotask(() => {
          if (given instanceof Uint8Array) void stream.write(given);
          else pair.guest.accept(stream, given);
          stream.finish();
        });
        return {};
      },
    },
  });
  pair.settle();
  let busy = 0;
  const pump = () => {
    pair.settle();
    if (busy > 0) setImmediate(pump);
  };
  const backend: Partial<BoxBackend> = {
    connect: async () => ({ channel: pair.host, image: null }),
    busy: async (work) => {
      if (busy++ === 0) setImmediate(pump);
      try {
        return await work;
      } finally {
        busy--;
      }
    },
  };
  return new LiteBox(backend as BoxBackend);
}
