/** Joins a stream that a client opened with an owner to one in the box, byte by byte and word by word. */
import type { BoxliteError } from '../base/errors.ts';
import type { Channel } from '../portal/channel.ts';
import type { JsonObject } from '../portal/messages.ts';
import type { PortalStream, StreamHandlers } from '../portal/stream.ts';

/**
 * Asks the box for what a client has asked its owner for. What either side sends goes to the other, and
 * counts as used only when the other has room for it, so that back-pressure goes all the way through.
 */
export function bridge(
  client: Channel,
  asked: PortalStream,
  request: JsonObject,
  box: Channel,
): StreamHandlers {
  const attached = attach(client, request, box);
  let accepted = false;
  const inner = box.open(attached === null ? request : { ...request, stderr: attached.id }, {
    accepted: (answer) => {
      accepted = true;
      client.accept(asked, answer);
    },
    data: (piece) => pass(inner, asked, piece),
    end: () => asked.end(),
    control: (message) => asked.control(message),
    closed: (reason) => {
      if (reason === null) asked.finish();
      else if (accepted) asked.reset(refusalOf(reason));
      else client.reject(asked, refusalOf(reason));
      if (reason !== null) attached?.giveUp(reason);
    },
  });
  return {
    data: (piece) => pass(asked, inner, piece),
    end: () => inner.end(),
    control: (message) => inner.control(message),
    closed: (reason) => {
      // A client that has gone takes its command with it.
      if (reason !== null) inner.reset(refusalOf(reason));
    },
  };
}

/** A command's stderr is a stream of its own, named in the request. */
function attach(client: Channel, request: JsonObject, box: Channel) {
  const id = request['stderr'];
  if (typeof id !== 'number' || id === 0) return null;
  const outer = client.adoptAttached(id, {});
  const inner: PortalStream = box.attach({
    data: (piece) => pass(inner, outer, piece),
    end: () => outer.end(),
    closed: (reason) => (reason === null ? outer.finish() : outer.reset(refusalOf(reason))),
  });
  outer.adopt({
    closed: (reason) => {
      if (reason !== null) inner.reset(refusalOf(reason));
    },
  });
  return { id: inner.id, giveUp: (reason: BoxliteError) => inner.close(reason) };
}

function pass(from: PortalStream, to: PortalStream, piece: Uint8Array): void {
  // Whoever closed it is not interested any more; the other side is told by its own close.
  const used = () => from.consumed(piece.length);
  to.write(piece).then(used, used);
}

function refusalOf(reason: BoxliteError): { code: string; message: string } {
  const { code = reason.kind } = (reason.cause ?? {}) as { code?: string };
  return { code, message: reason.message };
}
