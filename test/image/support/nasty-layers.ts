/** Layers with everything that images hold and that goes wrong. */
import { type TarMember, tar } from './tar-maker.ts';

const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
const acl = Buffer.from(
  '0200000001000600ffffffff02000400e803000004000400ffffffff10000600ffffffff20000000ffffffff',
  'hex',
);

/** One of everything that images hold and that goes wrong. */
export function nastyLayers(): Buffer[] {
  const lower: readonly TarMember[] = [
    { name: './', flag: '5', mode: 0o711, uid: 7, mtime: 1234 },
    { name: 'usr/', flag: '5' },
    { name: 'usr/lib/', flag: '5', mtime: 5 },
    { name: 'lib', flag: '2', linkName: 'usr/lib' },
    { name: 'abs', flag: '2', linkName: '/usr/lib/../lib' },
    { name: 'usr/lib/a', content: 'lower' },
    { name: 'usr/lib/b', flag: '1', linkName: 'lib/a' },
    { name: 'setuid', content: 'x', mode: 0o6755, uid: 1000, gid: 2000 },
    { name: 'sticky/', flag: '5', mode: 0o1777 },
    { name: 'dev/', flag: '5' },
    { name: 'dev/null', flag: '3', major: 1, minor: 3, mode: 0o666 },
    { name: 'dev/disk', flag: '4', major: 259, minor: 70_000, mode: 0o660, gid: 6 },
    { name: 'dev/pipe', flag: '6', mode: 0o600 },
    { name: 'old', content: '1901', pax: { mtime: '-2000000000.25' } },
    // Beyond 2262 umoci's count of nanoseconds overflows.
    { name: 'new', content: '2255', pax: { mtime: '9000000000.000000001' } },
    { name: 'owner', pax: { uid: '4294967294', gid: '100000' } },
    { name: 'cap', content: 'x', pax: { 'SCHILY.xattr.security.capability': capability } },
    {
      name: 'attributes/',
      flag: '5',
      pax: {
        'SCHILY.xattr.user.a': 'value',
        'SCHILY.xattr.user.empty': '',
        'SCHILY.xattr.trusted.t': Buffer.from([0, 1, 255, 10]),
        'SCHILY.xattr.security.selinux': 'not ours',
        'SCHILY.xattr.com.apple.quarantine': 'unknown',
      },
    },
    { name: 'acl', mode: 0o660, pax: { 'SCHILY.xattr.system.posix_acl_access': acl } },
    { name: 'long', flag: '2', pax: { linkpath: 't/'.repeat(2000) } },
    { name: Buffer.from([0x6e, 0xff, 0x0a, 0x22, 0x5c]), content: 'not UTF-8' },
    { name: 'x', content: 'y', pax: { path: `${'n'.repeat(255)}` } },
    { name: '././@LongLink', flag: 'L', content: `deep/${'d'.repeat(120)}/e\0` },
    { name: 'cut', content: 'gnu', magic: 'gnu' },
    {
      name: 'sparse',
      content: 'abc',
      pax: {
        'GNU.sparse.major': '0',
        'GNU.sparse.minor': '1',
        'GNU.sparse.numblocks': '1',
        'GNU.sparse.size': '1000000',
        'GNU.sparse.map': '70000,3',
      },
    },
    { name: 'type/', flag: '5' },
    { name: 'type/inner', content: 'gone' },
    { name: 'type2', content: 'gone' },
    { name: 'opaque/', flag: '5' },
    { name: 'opaque/below', content: 'gone' },
    { name: 'twice', content: 'first' },
    { name: 'twice', content: 'second, longer' },
  ];
  const upper: readonly TarMember[] = [
    { name: 'lib/new', content: 'through a link' },
    { name: '/abs/absolute', content: 'through another' },
    { name: '../../escape', content: 'stays within' },
    { name: 'usr/../up', content: 'taken off first' },
    { name: 'linked', flag: '1', linkName: '/lib/a' },
    { name: 'usr/lib/a', content: 'upper' },
    { name: 'type', content: 'a file now' },
    { name: 'type2/', flag: '5' },
    { name: 'type2/inner', content: 'new' },
    { name: 'opaque/above', content: 'kept' },
    { name: 'opaque/.wh..wh..opq' },
    { name: '.wh.setuid' },
    { name: 'dev/.wh.missing' },
    { name: 'sticky/', flag: '5', mode: 0o700, uid: 5 },
  ];
  const top: readonly TarMember[] = [
    { name: 'type/', flag: '5', mtime: 9 },
    { name: 'lib', flag: '2', linkName: 'usr' },
    { name: 'lib/here', content: 'the link leads elsewhere now' },
    { name: '.wh.attributes' },
  ];
  // Every directory is described: the time of others is that of the unpacking, with umoci.
  const described = { name: `deep/${'d'.repeat(80)}`, flag: '5' };
  const deep = [
    { name: 'deep/', flag: '5' },
    { ...described, pax: { path: `deep/${'d'.repeat(120)}` } },
  ];
  return [tar(...deep, ...lower), tar(...upper), tar(...top)];
}
