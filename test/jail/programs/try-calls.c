/*
 * Makes system calls and says what came of each, one a line: the name and 0 or an errno. The last one, asked for by
 * an argument, comes from another architecture and is to end the program.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static char report[4096];
static size_t length;

static void say(const char *name, long result)
{
	int error = result == -1 ? errno : 0;
	length += (size_t)snprintf(report + length, sizeof(report) - length, "%s %d\n", name,
				   error);
}

int main(int argc, char **argv)
{
	char space[64];
	(void)argv;
	say("getpid", syscall(SYS_getpid));
	say("mmap", (long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == -1 ? -1 : 0);
	say("ioctl TCGETS", syscall(SYS_ioctl, 0, 0x5401, space));
	say("ioctl TIOCSTI", syscall(SYS_ioctl, 0, 0x5412, "x"));
	say("clone of a process", syscall(SYS_clone, 0, 0, 0, 0, 0));
	say("unshare", syscall(SYS_unshare, CLONE_NEWUSER));
	say("socket", syscall(SYS_socket, 2, 1, 0));
	say("mount", syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL));
	say("bpf", syscall(SYS_bpf, 0, NULL, 0));
	say("io_uring_setup", syscall(SYS_io_uring_setup, 1, NULL));
	say("unknown", syscall(12345));
#ifdef __x86_64__
	say("x32 getpid", syscall(0x40000000 | SYS_getpid));
#endif
	if (write(1, report, length) != (ssize_t)length)
		return 1;
#ifdef __x86_64__
	if (argc > 1) {
		long result;
		/* getpid of i386. */
		__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
		if (write(1, "alive\n", 6) != 6)
			return 1;
	}
#endif
	return 0;
}
