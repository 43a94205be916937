import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BoxliteError,
  type BoxliteErrorKind,
  boxliteErrorKinds,
  errorCode,
  messageOf,
  systemCode,
} from '../../src/base/errors.ts';

/** The reference's 18 kinds, with the code of each. */
const codes: Record<BoxliteErrorKind, string> = {
  UnsupportedEngine: 'BOXLITE_UNSUPPORTED_ENGINE',
  Engine: 'BOXLITE_ENGINE',
  Config: 'BOXLITE_CONFIG',
  Storage: 'BOXLITE_STORAGE',
  Image: 'BOXLITE_IMAGE',
  Portal: 'BOXLITE_PORTAL',
  Network: 'BOXLITE_NETWORK',
  Rpc: 'BOXLITE_RPC',
  RpcTransport: 'BOXLITE_RPC_TRANSPORT',
  Internal: 'BOXLITE_INTERNAL',
  Run: 'BOXLITE_RUN',
  Unsupported: 'BOXLITE_UNSUPPORTED',
  NotFound: 'BOXLITE_NOT_FOUND',
  AlreadyExists: 'BOXLITE_ALREADY_EXISTS',
  InvalidState: 'BOXLITE_INVALID_STATE',
  Database: 'BOXLITE_DATABASE',
  MetadataError: 'BOXLITE_METADATA_ERROR',
  InvalidArgument: 'BOXLITE_INVALID_ARGUMENT',
};

test('there are the 18 kinds of the reference, in its order', () => {
  assert.deepEqual(boxliteErrorKinds, Object.keys(codes));
  assert.equal(boxliteErrorKinds.length, 18);
});

for (const kind of boxliteErrorKinds) {
  test(`BoxliteError of kind ${kind} has the code ${codes[kind]}`, () => {
    const cause = new Error('why');
    const error = new BoxliteError(kind, 'what', { cause });
    assert.equal(error.kind, kind);
    assert.equal(error.code, codes[kind]);
    assert.equal(errorCode(kind), codes[kind]);
    assert.equal(error.message, 'what');
    assert.equal(error.cause, cause);
  });
}

test('BoxliteError is an Error with a stack and a name', () => {
  const error = new BoxliteError('Run', 'what');
  assert.ok(error instanceof Error);
  assert.equal(error.name, 'BoxliteError');
  assert.match(error.stack ?? '', /^BoxliteError: what\n/);
  assert.equal('cause' in error, false);
});

test('BoxliteError.is() tells kinds apart', () => {
  const error: unknown = new BoxliteError('NotFound', 'what');
  assert.equal(BoxliteError.is(error), true);
  assert.equal(BoxliteError.is(error, 'NotFound'), true);
  assert.equal(BoxliteError.is(error, 'Run'), false);
  for (const other of [new Error('what'), { kind: 'NotFound' }, null, 'NotFound']) {
    assert.equal(BoxliteError.is(other, 'NotFound'), false);
  }
});

test('messageOf() has a text for anything that was thrown', () => {
  assert.equal(messageOf(new Error('what')), 'what');
  assert.equal(messageOf('what'), 'what');
  assert.equal(messageOf(undefined), 'undefined');
});

test('systemCode() reads the code of a system error alone', () => {
  assert.equal(systemCode(Object.assign(new Error('what'), { code: 'ENOENT' })), 'ENOENT');
  assert.equal(systemCode(Object.assign(new Error('what'), { code: 2 })), null);
  assert.equal(systemCode(new Error('what')), null);
  assert.equal(systemCode({ code: 'ENOENT' }), null);
});
