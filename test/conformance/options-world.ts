/** What options are shown with: a home, a registry of the test's own, and files to share. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BoxliteRuntime,
  type BoxOptions,
  type EngineName,
  ImageRegistry,
} from '../../src/index.ts';
import { TestRegistry } from '../image/registry-fixture.ts';
import { busyboxImage } from '../image/support/busybox-image.ts';
import { shell, TestRuntime } from '../vm/fixture.ts';

export class OptionsWorld implements AsyncDisposable {
  readonly owner: TestRuntime;
  readonly registry: TestRegistry;
  /** Finds its images in the registry. */
  readonly runtime: BoxliteRuntime;
  /** A directory of the host. */
  readonly share: string;

  private constructor(engine: EngineName, registry: TestRegistry) {
    this.registry = registry;
    this.owner = new TestRuntime(engine);
    this.runtime = new BoxliteRuntime({
      homeDir: this.owner.homeDir,
      engine,
      imageRegistries: [ImageRegistry.http(registry.host).withSearch(true)],
    });
    this.share = join(this.owner.homeDir, 'share');
    mkdirSync(join(this.share, 'read'), { recursive: true });
    writeFileSync(join(this.share, 'read/file'), 'shared\n');
    writeFileSync(join(this.share, 'single'), 'one file\n');
  }

  static async open(engine: EngineName): Promise<OptionsWorld> {
    const registry = await TestRegistry.start();
    const image = busyboxImage();
    await registry.push('library/alpine', 'latest', image);
    await registry.push('library/python', '3.11', image);
    return new OptionsWorld(engine, registry);
  }

  /** Of a box with volumes and secrets. */
  get boxOptions(): BoxOptions {
    return {
      memoryMib: 200,
      volumes: [
        { hostPath: this.share, guestPath: '/share' },
        { hostPath: join(this.share, 'read'), guestPath: '/read', readOnly: true },
        { hostPath: join(this.share, 'single'), guestPath: '/etc/single' },
      ],
      secrets: [
        { name: 'plain', hosts: ['api.example'], value: 'v1' },
        { name: 'own', hosts: ['api.example'], value: 'v2', placeholder: 'PUT-IT-HERE' },
      ],
    };
  }

  async refuses(options: object, message: RegExp): Promise<void> {
    await assert.rejects(this.owner.runtime.create(options), { kind: 'InvalidArgument', message });
  }

  /** What a new box says. */
  async says(options: BoxOptions, script: string): Promise<string> {
    await using own = await this.owner.makeBox(options);
    return (await shell(own, script)).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runtime.shutdown();
    await this.owner[Symbol.asyncDispose]();
    await this.registry[Symbol.asyncDispose]();
  }
}
