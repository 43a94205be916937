import { mistyped } from '../../spec/reader.ts';

/** What can be written to a file: all at once, or piece by piece as it comes. */
export type FileData =
  | string
  | NodeJS.ArrayBufferView
  | Iterable<string | NodeJS.ArrayBufferView>
  | AsyncIterable<string | NodeJS.ArrayBufferView>;

/** The pieces of some data, as bytes. @throws BoxliteError `InvalidArgument` if it is something else. */
export function pieces(
  data: FileData,
  encoding: BufferEncoding,
): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  if (typeof data === 'string' || ArrayBuffer.isView(data)) return [bytesOf(data, encoding)];
  if (typeof data === 'object' && data !== null && isIterable(data))
    return encodeAll(data, encoding);
  throw mistyped('data', 'a string, bytes or an iterable of them', data);
}

/** @throws BoxliteError `InvalidArgument` if it is neither text nor bytes. */
export function bytesOf(data: unknown, encoding: BufferEncoding): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data, encoding);
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  }
  throw mistyped('data', 'strings or bytes', data);
}

async function* encodeAll(
  data: Iterable<unknown> | AsyncIterable<unknown>,
  encoding: BufferEncoding,
): AsyncGenerator<Uint8Array> {
  for await (const piece of data) yield bytesOf(piece, encoding);
}

function isIterable(value: object): value is Iterable<unknown> | AsyncIterable<unknown> {
  return Symbol.iterator in value || Symbol.asyncIterator in value;
}
