import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Replacement, Replacer, replaceAll } from '../../src/network/secrets/replace.ts';
import { Substitution } from '../../src/network/secrets/substitution.ts';
import { secrets as readSecrets } from '../../src/spec/parse-network.ts';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8');
const pair = (needle: string, by: string): Replacement => ({
  needle: Buffer.from(needle),
  by: Buffer.from(by),
});

function inPieces(bytes: Buffer, cuts: readonly number[], replacements: readonly Replacement[]) {
  const replacer = new Replacer(replacements);
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])];
  places.sort((a, b) => a - b);
  const out = places.slice(1).map((end, i) => replacer.push(bytes.subarray(places[i], end)));
  return Buffer.concat([...out, replacer.end()]);
}

describe('Replacer', () => {
  const letters = fc.stringMatching(/^[abc]{0,40}$/);
  const needle = fc.stringMatching(/^[abc]{1,5}$/);

  it('does the same however the stream is cut', () => {
    fc.assert(
      fc.property(
        letters,
        fc.array(needle, { maxLength: 3 }),
        fc.array(fc.nat(40)),
        (input, all, cuts) => {
          const replacements = [...new Set(all)].map((each, i) => pair(each, `<${i}>`));
          const whole = replaceAll(Buffer.from(input), replacements);
          assert.equal(text(inPieces(Buffer.from(input), cuts, replacements)), text(whole));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('does what String.replaceAll does with one needle', () => {
    fc.assert(
      fc.property(letters, needle, (input, each) => {
        const out = replaceAll(Buffer.from(input), [pair(each, 'X')]);
        assert.equal(text(out), input.replaceAll(each, 'X'));
      }),
    );
  });

  it('passes on at once what cannot be the start of anything', () => {
    const replacer = new Replacer([pair('secret', '*')]);
    assert.equal(text(replacer.push(Buffer.from('data: x\n\n'))), 'data: x\n\n');
    assert.equal(text(replacer.push(Buffer.from('a sec'))), 'a ');
    assert.equal(text(replacer.push(Buffer.from('ond, a secre'))), 'second, a ');
    assert.equal(text(replacer.push(Buffer.from('t.'))), '*.');
    assert.equal(replacer.count, 1);
  });

  it('makes nothing longer than it may', () => {
    const replacer = new Replacer([pair('a', 'long')], 7);
    assert.equal(text(replacer.push(Buffer.from('a a a'))), 'long long a');
    assert.equal(text(Buffer.concat([replacer.push(Buffer.from(' a')), replacer.end()])), ' a');
  });

  it('replaces the longer of two that begin together', () => {
    const both = [pair('abc', '1'), pair('abcdef', '2')];
    assert.equal(text(replaceAll(Buffer.from('abcdefabc'), both)), '21');
    assert.equal(text(inPieces(Buffer.from('abcdefabc'), [4, 8], both)), '21');
  });
});

describe('Substitution', () => {
  const given = [
    { name: 'key', hosts: ['api.example', '*.wild.example:8443'], value: 'va"lue&1' },
    { name: 'other', hosts: ['other.example', '203.0.113.9'], value: 'hidden' },
  ];
  const secrets = readSecrets(given, 'secrets');
  const api = () => new Substitution(secrets, 'api.example', 443);

  it('knows whose secrets go to a host', () => {
    assert.equal(api().any, true);
    assert.equal(new Substitution(secrets, 'x.wild.example', 8443).any, true);
    assert.equal(new Substitution(secrets, 'x.wild.example', 443).any, false);
    assert.equal(new Substitution(secrets, '203.0.113.9', 443).any, true);
    assert.equal(new Substitution(secrets, 'evil.example', 443).any, false);
  });

  it('puts the value into fields, and finds the placeholder of another', () => {
    const fields = ['Authorization', 'Bearer <BOXLITE_SECRET:key>', 'X', 'y'];
    const { fields: replaced, foreign } = api().requestFields(fields);
    assert.deepEqual(replaced, ['Authorization', 'Bearer va"lue&1', 'X', 'y']);
    assert.equal(foreign, null);
    assert.equal(api().requestFields(['X', '<BOXLITE_SECRET:other>']).foreign, 'other');
  });

  it('looks into the credentials of Basic authentication, and takes them back out of answers', () => {
    const basic = (user: string) => `Basic ${Buffer.from(user).toString('base64')}`;
    const substitution = api();
    const sent = basic('me:<BOXLITE_SECRET:key>');
    const { fields } = substitution.requestFields(['authorization', sent]);
    assert.deepEqual(fields, ['authorization', basic('me:va"lue&1')]);
    const echoed = substitution.responseFields(['X-Echo', fields[1] ?? '']);
    assert.deepEqual(echoed, ['X-Echo', sent]);
    const other = basic('me:<BOXLITE_SECRET:other>');
    assert.equal(substitution.requestFields(['Authorization', other]).foreign, 'other');
  });

  it('spells the value as the body is written', () => {
    const body = (type: string | undefined, content: string) => {
      const replacements = api().requestBody(type);
      return replacements === null ? null : text(replaceAll(Buffer.from(content), replacements));
    };
    assert.equal(body('text/plain', '<BOXLITE_SECRET:key>'), 'va"lue&1');
    assert.equal(body(undefined, '<BOXLITE_SECRET:key>'), 'va"lue&1');
    const json = body('application/json', JSON.stringify({ key: '<BOXLITE_SECRET:key>' }));
    assert.deepEqual(JSON.parse(json ?? ''), { key: 'va"lue&1' });
    for (const written of [
      '\\u003cBOXLITE_SECRET:key\\u003e',
      '\\u003CBOXLITE_SECRET:key\\u003E',
    ]) {
      const escaped = body('application/vnd.x+json', `"${written}"`);
      assert.equal(JSON.parse(escaped ?? ''), 'va"lue&1');
    }
    const small = body('application/x-www-form-urlencoded', 'key=%3cBOXLITE_SECRET%3akey%3e');
    assert.equal(new URLSearchParams(small ?? '').get('key'), 'va"lue&1');
    const form = body(
      'application/x-www-form-urlencoded; charset=utf-8',
      new URLSearchParams({ key: '<BOXLITE_SECRET:key>' }).toString(),
    );
    assert.equal(new URLSearchParams(form ?? '').get('key'), 'va"lue&1');
    assert.equal(body('image/png', '<BOXLITE_SECRET:key>'), null);
  });

  it('finds every spelling of the value in an answer', () => {
    const back = api().response();
    const spelt = [
      'va"lue&1',
      'va\\"lue&1',
      'va%22lue%261',
      'va\\"lue\\u00261',
      'va&quot;lue&amp;1',
    ];
    for (const each of spelt) {
      const out = text(replaceAll(Buffer.from(`x${each}y`), back));
      assert.ok(!out.includes('lue'), out);
    }
  });

  it('finds a value in base64, whatever is in front of it and behind', () => {
    const value = 'sk-live/0123+ü?>=~';
    const [secret] = readSecrets([{ name: 'key', hosts: ['api.example'], value }], 'secrets');
    const back = new Substitution(secret ? [secret] : [], 'api.example', 443).response();
    const around = fc.uint8Array({ maxLength: 20 });
    const alphabet = fc.constantFrom('base64' as const, 'base64url' as const);
    fc.assert(
      fc.property(around, around, alphabet, (front, behind, as) => {
        const encoded = Buffer.concat([front, Buffer.from(value), behind]).toString(as);
        const out = Buffer.from(text(replaceAll(Buffer.from(encoded), back)), as);
        assert.ok(!out.includes('live') && !out.includes('0123'), String(out));
      }),
    );
  });

  it('puts the placeholder as it is where the value was as it is in every spelling', () => {
    const [secret] = readSecrets(
      [{ name: 'key', hosts: ['api.example'], value: 'sk-live-0123456789' }],
      'secrets',
    );
    const back = new Substitution(secret ? [secret] : [], 'api.example', 443);
    assert.equal(back.responseText('a sk-live-0123456789 b'), 'a <BOXLITE_SECRET:key> b');
  });

  it('looks for no short value in base64, where it would be found by chance', () => {
    const short = readSecrets([{ name: 'key', hosts: ['api.example'], value: 'abc' }], 'secrets');
    const back = new Substitution(short, 'api.example', 443).response();
    assert.equal(text(replaceAll(Buffer.from('YWJj xx'), back)), 'YWJj xx');
    assert.ok(back.every(({ needle }) => needle.length > 0));
  });
});
