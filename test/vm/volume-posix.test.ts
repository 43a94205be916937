/**
 * What POSIX says of files, asked for in the guest on a volume and on the box's own disk: the same script, with the same
 * answers but for the differences that docs/VOLUMES.md lists.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LiteBox } from '../../src/index.ts';
import { forEachEngine, shell, TestRuntime } from './fixture.ts';

/** By subject, as pjdfstest has them: each line is asked in a directory of its own, and answers with text and status. */
const questions: Readonly<Record<string, readonly string[]>> = {
  open: [
    ': > f; stat -c "%F %a %s" f',
    'umask 027; : > f; stat -c %a f',
    'set -C; : > f; : > f',
    'mkdir d; : > d',
    ': > none/f',
    ': > f; : > f/x',
    'echo abc > f; : > f; stat -c %s f',
    'echo a > f; echo b >> f; cat f',
    'n=$(printf "%255s" | tr " " x); : > $n && ls | wc -c',
    'n=$(printf "%256s" | tr " " x); : > $n',
    'ln -s f l; echo x > l; cat f',
    'ln -s l l; cat l',
    'exec 3> f; rm f; echo x >&3; stat -L -c "%s %h" /proc/self/fd/3',
    'exec 3<> f; echo abcdef >&3; rm f; exec 4< /proc/self/fd/3; cat <&4',
  ],
  unlink: [
    ': > f; rm f; ls',
    'unlink none',
    'mkdir d; unlink d',
    ': > f; unlink f/x',
    'mkdir d; : > d/f; chmod 555 d; su nobody -s /bin/sh -c "unlink d/f"',
    ': > f; ln f g; rm f; stat -c %h g',
    'ln -s none l; unlink l; ls',
  ],
  mkdir: [
    'mkdir d; stat -c "%F %a" d',
    'umask 077; mkdir d; stat -c %a d',
    'mkdir d d',
    ': > f; mkdir f',
    'mkdir a/b',
    'mkdir -m 1777 d; stat -c %a d',
    'mkdir a a/b; stat -c %h a',
    'ln -s none l; mkdir l',
  ],
  rmdir: [
    'mkdir d; rmdir d; ls',
    'mkdir d; : > d/f; rmdir d',
    ': > f; rmdir f',
    'rmdir none',
    'mkdir d; ln -s d l; rmdir l',
    'mkdir d; rmdir d/.',
    'mkdir -p a/b; rmdir a/b/..',
    'mkdir d; cd d; rmdir ../d; : > f',
    'mkdir d; cd d; rmdir ../d; ls | wc -l',
  ],
  rename: [
    'echo a > a; mv a b; cat b; ls',
    'echo a > a; echo b > b; mv a b; cat b; ls',
    'mkdir a; mv a b; ls',
    'mkdir a b; : > b/x; mv -T a b',
    'mkdir a b; mv -T a b; ls',
    ': > a; mkdir b; mv -T a b',
    'mkdir a; : > b; mv -T a b',
    'mkdir a; mv a a/b',
    'mkdir a b; : > a/f; mv a/f b/f; ls a b',
    ': > a; ln a b; mv a b; ls',
    'ln -s x a; mv a b; readlink b',
    'mkdir -p a/b; cd a/b; mv ../../a ../../c; : > f; ls ../../c/b',
    'mkdir d; chmod 555 d; : > f; chmod 777 .; su nobody -s /bin/sh -c "mv f d/f"',
    ': > a; mv a none/b',
    'for i in 1 2 3 4 5; do echo $i > .f.tmp; mv .f.tmp f; cat f; done',
  ],
  link: [
    'echo x > a; ln a b; cat b; stat -c %h a',
    'ln none b',
    ': > a; : > b; ln a b',
    'mkdir d; ln d e',
    ': > a; ln a none/b',
    'ln -s x l; ln l m; readlink m',
    'echo 1 > a; ln a b; echo 2 > b; cat a',
    ': > a; ln a b; [ $(stat -c %i a) = $(stat -c %i b) ] && echo same',
  ],
  symlink: [
    'ln -s target l; readlink l; stat -c "%F %s" l',
    ': > f; ln -s x f',
    'ln -s x none/l',
    'ln -s "" l',
    'ln -s /absolute/../path l; readlink l',
    'mkdir d; ln -s d l; : > l/f; ls d',
    'ln -s ../../../../../../../../etc/hostname l; cat l > /dev/null && echo followed',
  ],
  chmod: [
    ': > f; chmod 640 f; stat -c %a f',
    ': > f; chmod 0 f; stat -c %a f',
    'chmod 644 none',
    'mkdir d; chmod 1700 d; stat -c %a d',
    ': > f; chmod 600 f; su nobody -s /bin/sh -c "cat f"',
    ': > f; su nobody -s /bin/sh -c "chmod 777 f"',
    'ln -s f l; : > f; chmod 600 l; stat -c %a f',
  ],
  chown: [
    ': > f; chown 12:34 f; stat -c %u:%g f',
    'ln -s x l; chown -h 12:34 l; stat -c %u:%g l',
    ': > f; su nobody -s /bin/sh -c "chown nobody f"',
    'chmod 777 .; su nobody -s /bin/sh -c ": > f; mkdir d"; stat -c %U f d',
    'mkdir d; chmod 1777 d; : > d/f; su nobody -s /bin/sh -c "rm -f d/f"',
  ],
  truncate: [
    'echo abcdef > f; truncate -s 3 f; cat f',
    'truncate -s 1000 f; stat -c %s f; tr -d "\\0" < f | wc -c',
    'truncate -s 5G f; stat -c "%s %b" f',
    'mkdir d; truncate -s 0 d',
    ': > f; chmod 400 f; chmod 755 .; su nobody -s /bin/sh -c "truncate -s 1 f"',
    'dd if=/dev/zero of=f bs=1 count=1 seek=3000000000 2>/dev/null; stat -c %s f',
  ],
  utimes: [
    ': > f; touch -d "2001-02-03 04:05:06" f; stat -c "%X %Y" f',
    ': > f; touch -d "1969-01-02 03:04:05" f; stat -c %Y f',
    ': > f; touch -d "2038-02-03 04:05:06" f; stat -c %Y f',
    'mkdir d; touch -d "2001-02-03 04:05:06" d; stat -c %Y d',
    ': > f; touch -d "2001-02-03 04:05:06" f; echo x > f; [ $(stat -c %Y f) -gt 1500000000 ] && echo new',
    'mkdir d; touch -d "2001-02-03 04:05:06" d; : > d/f; [ $(stat -c %Y d) -gt 1500000000 ] && echo new',
  ],
  names: [
    "n=$(printf '\\377\\376'); : > $n; ls | od -An -tx1",
    ': > "a b"; : > "$(printf "x\\ny")"; ls | wc -l',
    ': > A; : > a; ls',
    ': > ...; : > -- ; ls -A | wc -l',
    'for i in $(seq 60); do : > f$i; done; ls | wc -l; rm f*; ls | wc -l',
  ],
  tools: [
    'mkdir s; for i in 1 2 3 4 5; do echo $i > s/f$i; done; tar cf t.tar s; rm -r s; tar xf t.tar; cat s/*',
    'echo a > a; cp -a a b; cmp a b && echo same',
    'mkdir -p a/b/c; : > a/b/c/f; cp -r a z; find z | sort',
    'echo "echo ran" > s; chmod 755 s; sh ./s; sed -i s/ran/again/ s; sh ./s; stat -c %a s',
    'exec 9> lock; flock -n 9 && (exec 8> lock; flock -n 8; echo $?)',
    'dd if=/dev/urandom of=f bs=64k count=20 2>/dev/null; cp f g; cmp f g && echo same',
    'yes | head -c 3000000 > f; tail -c 5 f | od -An -c; wc -c < f',
    'echo one > f; exec 3< f; echo two > g; mv g f; cat <&3 f',
    'rm -rf d; mkdir d; (cd d; : > x); find . -name x; rm -r d; find . | wc -l',
  ],
};

/** Where the answers may differ, and docs/VOLUMES.md says why: what has no name any more is reached by descriptors only. */
const differences = new Set<string>([
  'exec 3<> f; echo abcdef >&3; rm f; exec 4< /proc/self/fd/3; cat <&4',
  // ESTALE as soon as the kernel asks anew what the directory is like, and until then what the disk says.
  'mkdir d; cd d; rmdir ../d; : > f',
  'mkdir d; cd d; rmdir ../d; ls | wc -l',
]);

/** One script that asks all of a subject: each answer behind a line of its own. */
function script(place: string, asked: readonly string[]): string {
  const each = asked.map((question, i) => {
    const quoted = `'${question.replaceAll("'", `'\\''`)}'`;
    return `echo "== ${i}"; mkdir ${i}; cd ${i}; sh -c ${quoted} 2>&1; echo "-> $?"; cd ..`;
  });
  return [`mkdir ${place}; cd ${place}`, ...each].join('\n');
}

async function answers(box: LiteBox, place: string, asked: readonly string[]): Promise<string[]> {
  const { stdout } = await shell(box, script(place, asked));
  const texts = stdout
    .replaceAll(place, 'PLACE')
    .split(/^== \d+\n/m)
    .slice(1);
  assert.equal(texts.length, asked.length);
  return texts;
}

forEachEngine((engine) => {
  describe('files as POSIX has them', () => {
    let owner: TestRuntime;
    let box: LiteBox;
    before(async () => {
      owner = new TestRuntime(engine);
      const hostPath = join(owner.homeDir, 'share');
      mkdirSync(hostPath);
      box = await owner.makeBox({ volumes: [{ hostPath, guestPath: '/volume' }] });
      await shell(
        box,
        'mkdir -p /disk; chmod 755 /disk; echo nobody:x:65534:65534::/:/bin/sh >> /etc/passwd',
      );
    });
    after(async () => {
      await box.stop();
      // What is closed to all is closed to an ordinary user as well, who is to remove it.
      execFileSync('chmod', ['-R', 'u+rwX', join(owner.homeDir, 'share')]);
      await owner[Symbol.asyncDispose]();
    });

    for (const [subject, asked] of Object.entries(questions)) {
      it(`are the same on a volume and on the disk: ${subject}`, async () => {
        const onDisk = await answers(box, `/disk/${subject}`, asked);
        const onVolume = await answers(box, `/volume/${subject}`, asked);
        for (const [i, question] of asked.entries()) {
          if (!differences.has(question)) assert.equal(onVolume[i], onDisk[i], question);
        }
      });
    }
  });
});
