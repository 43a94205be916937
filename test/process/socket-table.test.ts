import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { portHolder } from '../../src/process/port-holder.ts';
import { listeningSockets } from '../../src/process/socket-table.ts';

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (local: string, state: string, inode: number) =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0\n`;

test('sockets are read from the tables of the kernel', () => {
  const table = [
    row('0100007F:1F90', '0A', 11),
    row('00000000:0050', '07', 12),
    row('0100007F:1F91', '01', 13),
    row('00000000000000000000000001000000:0016', '0A', 14),
    row('0000000000000000FFFF00000100007F:0017', '0A', 15),
    row('B80D0120000000000000000001000000:0018', '0A', 16),
    'garbage\n',
    row('0100007:1F90', '0A', 17),
  ];
  assert.deepEqual(listeningSockets(HEAD + table.join('')), [
    { address: '127.0.0.1', port: 8080, inode: 11 },
    { address: '0.0.0.0', port: 80, inode: 12 },
    { address: '::1', port: 22, inode: 14 },
    { address: '127.0.0.1', port: 23, inode: 15 },
    { address: '2001:db8::1', port: 24, inode: 16 },
  ]);
});

test('the process that has a port is found', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: hostPort } = server.address() as AddressInfo;
  const port = { hostPort, protocol: 'tcp' } as const;
  for (const hostIp of ['127.0.0.1', '0.0.0.0', '::']) {
    assert.equal(portHolder({ ...port, hostIp })?.pid, process.pid, hostIp);
  }
  assert.equal(portHolder({ ...port, hostIp: '127.0.0.2' }), null);
  assert.equal(portHolder({ ...port, hostIp: '127.0.0.1', protocol: 'udp' }), null);
  server.close();
  await once(server, 'close');
  assert.equal(portHolder({ ...port, hostIp: '127.0.0.1' }), null);
});
