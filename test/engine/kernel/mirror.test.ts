import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chooseMirror,
  parseCodename,
  parseReleaseUris,
} from '../../../src/engine/kernel/mirror.ts';

const PRINTED = `'http://mirror.example/debian/dists/bookworm/InRelease' mirror_bookworm_InRelease 0 
'http://mirror.example/debian/dists/bookworm-updates/InRelease' mirror_bookworm-updates_InRelease 0 
'http://mirror.example/debian-security/dists/bookworm-security/InRelease' security_InRelease 0 
'http://mirror.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' mirror_Packages 0 
`;
const VENDOR =
  "'https://vendor.example/linux/debian/dists/bookworm/InRelease' vendor_InRelease 0 \n";
const FLAT = "'https://flat.example/apt/InRelease' flat_InRelease 0 \n";

test('parseReleaseUris() takes each suite once and passes by what is no suite', () => {
  assert.deepEqual(parseReleaseUris(FLAT + PRINTED), [
    { uri: 'http://mirror.example/debian/', suite: 'bookworm' },
    { uri: 'http://mirror.example/debian/', suite: 'bookworm-updates' },
    { uri: 'http://mirror.example/debian-security/', suite: 'bookworm-security' },
  ]);
});

test("chooseMirror() takes Debian's archive though a vendor uses the same suite name", () => {
  const chosen = chooseMirror(parseReleaseUris(VENDOR + PRINTED), 'bookworm');
  assert.equal(chosen.archive, 'http://mirror.example/debian/');
  assert.deepEqual(chosen.release, [
    { uri: 'http://mirror.example/debian/', suite: 'bookworm' },
    { uri: 'http://mirror.example/debian-security/', suite: 'bookworm-security' },
  ]);
});

test("chooseMirror() falls back on Debian's own archive", () => {
  const elsewhere = chooseMirror(parseReleaseUris(PRINTED), null);
  assert.match(elsewhere.archive, /^http:\/\/deb\.debian\.org\//);
  assert.deepEqual(
    elsewhere.release.map((source) => source.suite),
    ['stable'],
  );
  assert.equal(chooseMirror([], 'trixie').release[0]?.suite, 'trixie');
});

test('parseCodename() knows Debian and no other distribution', () => {
  const debian = 'PRETTY_NAME="Debian GNU/Linux 12"\nVERSION_CODENAME=bookworm\nID=debian\n';
  assert.equal(parseCodename(debian), 'bookworm');
  assert.equal(parseCodename('ID=ubuntu\nVERSION_CODENAME=noble\nID_LIKE=debian\n'), null);
  assert.equal(parseCodename(''), null);
});
