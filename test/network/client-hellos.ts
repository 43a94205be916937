/** First messages of TLS clients, real ones and changed ones. */
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect } from 'node:tls';

/** What Node's own TLS says first. */
export function realHello(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        resolve(chunk);
        done();
        wire.destroy();
      },
    });
    connect({ socket: wire, ...options }).on('error', () => undefined);
  });
}

/** The same hello with one more extension, all lengths put right. */
export function withExtension(bytes: Buffer, extension: Buffer): Buffer {
  const grown = Buffer.concat([bytes, extension]);
  const by = extension.length;
  grown.writeUInt16BE(bytes.readUInt16BE(3) + by, 3);
  grown.writeUIntBE(bytes.readUIntBE(6, 3) + by, 6, 3);
  let at = 9 + 34;
  at += 1 + bytes.readUInt8(at);
  at += 2 + bytes.readUInt16BE(at);
  at += 1 + bytes.readUInt8(at);
  grown.writeUInt16BE(bytes.readUInt16BE(at) + by, at);
  return grown;
}

/** A warning ("unrecognized name"), which servers let pass in front of a hello. */
export const WARNING = Buffer.of(0x15, 3, 1, 0, 2, 1, 112);
/** An extension that says that there is another hello inside (RFC 9849), and the one that was before it. */
export const ENCRYPTED_HELLO = Buffer.of(0xfe, 0x0d, 0, 1, 0);
export const ENCRYPTED_NAME = Buffer.of(0xff, 0xce, 0, 1, 0);
