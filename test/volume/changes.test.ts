/** What the host changes while the box looks: the kernel is told, once, and not of what the box has done itself. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { HostVolume } from '../../src/volume/host-provider.ts';
import { eventually } from '../vm/polling.ts';
import { FuseClient, refused } from './fuse-client.ts';

const ROOT = 1;
const ESTALE = 116;

let folder: string;
let client: FuseClient;
const onHost = (path: string) => join(folder, path);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'boxlite-changes-'));
  writeFileSync(onHost('file'), 'old');
  mkdirSync(onHost('directory'));
  writeFileSync(onHost('directory/inner'), 'old');
  // Time stands still, so that what was told does not grow old by itself.
  client = await FuseClient.of(new HostVolume(folder), { now: () => 1_000_000 });
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const told = (node: number) =>
  eventually(
    `the word that node ${node} has changed`,
    () => client.invalidated.includes(node) || null,
  );

describe('a change on the host', () => {
  it('to what a file holds is told', async () => {
    const { node } = await client.lookup(ROOT, 'file');
    writeFileSync(onHost('file'), 'newer');
    await told(node);
    assert.equal((await client.getattr(node)).size, 5);
  });

  it('is told in a directory of the share as well, and in a file that is open', async () => {
    const { node: directory } = await client.lookup(ROOT, 'directory');
    const { node } = await client.lookup(directory, 'inner');
    const handle = await client.open(node, 0);
    await client.getattr(node);
    writeFileSync(onHost('directory/inner'), 'newer');
    await told(node);
    assert.equal((await client.read(node, handle, 0, 100)).toString(), 'newer');
  });

  it('that replaces, renames or removes a file makes what is known of it stale', async () => {
    const { node } = await client.lookup(ROOT, 'file');
    writeFileSync(onHost('.file.tmp'), 'saved by an editor');
    renameSync(onHost('.file.tmp'), onHost('file'));
    await told(node);
    await refused(ESTALE, client.getattr(node));
    const saved = await client.lookup(ROOT, 'file');
    assert.notEqual(saved.node, node);
    rmSync(onHost('file'));
    await told(saved.node);
    await refused(ESTALE, client.getattr(saved.node));
  });

  it('that renames a directory makes what is known of it stale', async () => {
    const { node } = await client.lookup(ROOT, 'directory');
    await client.lookup(node, 'inner');
    renameSync(onHost('directory'), onHost('moved'));
    await told(node);
    await refused(ESTALE, client.getattr(node));
    assert.equal((await client.lookup(ROOT, 'moved')).node, node);
    await client.getattr(node);
  });

  it('that makes a file changes its directory', async () => {
    await client.getattr(ROOT);
    writeFileSync(onHost('made'), '');
    await told(ROOT);
  });

  it('is told once, until the kernel has asked again', async () => {
    const { node } = await client.lookup(ROOT, 'file');
    const marker = await client.lookup(ROOT, 'directory');
    writeFileSync(onHost('file'), 'one');
    await told(node);
    writeFileSync(onHost('file'), 'two');
    writeFileSync(onHost('file'), 'three');
    // Events come in their order.
    writeFileSync(onHost('directory/inner'), '');
    rmSync(onHost('directory'), { recursive: true });
    await told(marker.node);
    assert.equal(client.invalidated.filter((one) => one === node).length, 1);
  });

  it('is not told of if it was the box that made it', async () => {
    const file = await client.create(ROOT, 'own');
    await client.write(file.node, file.handle, 0, Buffer.from('content'));
    await client.setattr(file.node, 1, { mode: 0o600 });
    await client.lookup(ROOT, 'own');
    const marker = await client.lookup(ROOT, 'file');
    writeFileSync(onHost('file'), 'newer');
    await told(marker.node);
    assert.ok(!client.invalidated.includes(file.node));
  });
});
