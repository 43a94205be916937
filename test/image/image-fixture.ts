/** Small images, made in the test, as registries store them. */

import { gzipSync, zstdCompressSync } from 'node:zlib';
import { sha256Digest } from '../../src/image/digest.ts';

export interface TestBlob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly bytes: Uint8Array;
}

export interface TestImage {
  readonly manifest: TestBlob;
  readonly config: TestBlob;
  readonly layers: readonly TestBlob[];
  readonly diffIds: readonly string[];
}

export interface TestImageOptions {
  /** File names and contents, layer by layer. A layer may be a finished tar instead. */
  readonly layers?: readonly (Readonly<Record<string, string | Uint8Array>> | Uint8Array)[];
  readonly compression?: 'gzip' | 'zstd' | 'none';
  readonly docker?: boolean;
  readonly architecture?: string;
  /** Members for the configuration. */
  readonly config?: object;
}

const OCI = 'application/vnd.oci.image';
const DOCKER = 'application/vnd.docker';

/** An image with its manifest, as OCI or Docker write it. */
export function makeImage(options: TestImageOptions = {}): TestImage {
  const { layers = [{ 'hello.txt': 'hello\n' }], compression = 'gzip', docker = false } = options;
  const tars = layers.map((layer) => (layer instanceof Uint8Array ? layer : makeTar(layer)));
  const blobs = tars.map((tar) => {
    const [packed, suffix] = pack(tar, compression);
    const plain = docker ? `${DOCKER}.image.rootfs.diff.tar` : `${OCI}.layer.v1.tar`;
    const separator = docker && suffix === 'gzip' ? '.' : '+';
    return testBlob(suffix === '' ? plain : `${plain}${separator}${suffix}`, packed);
  });
  const diffIds = tars.map(sha256Digest);
  const config = jsonBlob(docker ? `${DOCKER}.container.image.v1+json` : `${OCI}.config.v1+json`, {
    architecture: options.architecture ?? 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
    ...options.config,
  });
  const type = docker ? `${DOCKER}.distribution.manifest.v2+json` : `${OCI}.manifest.v1+json`;
  const manifest = jsonBlob(type, {
    schemaVersion: 2,
    mediaType: type,
    config: descriptor(config),
    layers: blobs.map(descriptor),
  });
  return { manifest, config, layers: blobs, diffIds };
}

/** An index of images for several platforms, written `os/architecture[/variant]`. */
export function makeIndex(entries: Readonly<Record<string, TestBlob>>): TestBlob {
  const manifests = Object.entries(entries).map(([platform, manifest]) => {
    const [os, architecture, variant] = platform.split('/');
    return { ...descriptor(manifest), platform: { os, architecture, variant } };
  });
  const mediaType = `${OCI}.index.v1+json`;
  return jsonBlob(mediaType, { schemaVersion: 2, mediaType, manifests });
}

/** A tar of regular files, as `tar --format=ustar` makes it. */
export function makeTar(files: Readonly<Record<string, string | Uint8Array>>): Uint8Array {
  const blocks: Buffer[] = [];
  for (const [name, content] of Object.entries(files)) {
    const bytes = Buffer.from(content);
    blocks.push(
      tarHeader(name, bytes.length),
      bytes,
      Buffer.alloc((512 - (bytes.length % 512)) % 512),
    );
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

export function descriptor({ mediaType, digest, size }: TestBlob): object {
  return { mediaType, digest, size };
}

export function jsonBlob(mediaType: string, value: object): TestBlob {
  return testBlob(mediaType, Buffer.from(JSON.stringify(value)));
}

export function testBlob(mediaType: string, bytes: Uint8Array): TestBlob {
  return { mediaType, digest: sha256Digest(bytes), size: bytes.length, bytes };
}

function pack(tar: Uint8Array, compression: 'gzip' | 'zstd' | 'none'): [Uint8Array, string] {
  if (compression === 'none') return [tar, ''];
  return [compression === 'gzip' ? gzipSync(tar) : zstdCompressSync(tar), compression];
}

function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number) =>
    header.write(value.toString(8).padStart(length - 1, '0'), at);
  header.write(name, 0);
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  header.write(' '.repeat(8), 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    8,
  );
  return header;
}
