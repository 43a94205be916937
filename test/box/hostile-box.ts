import type { BoxBackend } from '../../src/box/lite-box.ts';
import { LiteBox } from '../../src/box/lite-box.ts';
import type { JsonObject } from '../../src/portal/messages.ts';
import { parseBoxOptions } from '../../src/spec/parse-options.ts';
import { ChannelPair } from '../portal/memory-link.ts';

const STAT = [1, 2, 0o100644, 1, 0, 0, 0, 5, 4096, 8, 0, 0, 0, 0, 0, 0, 0, 0];

/** A box whose guest answers every stat with a file, and every copy with these bytes. */
export function hostileBox(archive: Uint8Array): LiteBox {
  return boxAnswering((request) => (request['op'] === 'pack' ? archive : { stat: STAT }));
}

/** A box whose guest answers each request with bytes, or with a message; or does not, if there is null. */
export function boxAnswering(
  answer: (request: JsonObject) => Uint8Array | JsonObject | null,
): LiteBox {
  const pair: ChannelPair = new ChannelPair({
    guest: {
      open: (stream, request) => {
        const given = answer(request);
        if (given === null) return {};
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
  const nothing = () => undefined;
  const backend: Partial<BoxBackend> = {
    counters: { sent: nothing, received: nothing, ran: nothing },
    spec: parseBoxOptions({}, { cpus: 1, memoryMib: 512, platform: 'linux' }),
    hostname: 'hostile',
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
