/*
 * What a VMM that has been taken over would try, one attempt a line of its report on descriptor 3: `name errno`, where 0
 * means that it got what it wanted.
 *
 *     breakout FILE DISK SOCKET PORT ABSTRACT PID VARIABLE DIRECTORY IMAGE
 *
 * Nothing it gets is used: it closes and undoes what succeeds.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT 3
#define DESCRIPTORS 2000
#define PROCESSES 40
#define BIG_BYTES (1L << 30)
#define FILL_BYTES (96L << 20)
#define LARGE_BYTES (512L << 20)
#define OWN_DISK 4
#define CHUNK_BYTES (1L << 20)

static void tell(const char *name, int error)
{
	char line[128];
	int length = snprintf(line, sizeof(line), "%s %d\n", name, error);
	if (write(REPORT, line, (size_t)length) != length)
		_exit(1);
}

/* A call that fails with an errno, or with -1. */
static void attempt(const char *name, long result)
{
	tell(name, result < 0 ? errno : 0);
}

static void try_open(const char *name, const char *path, int flags)
{
	int file = open(path, flags);
	attempt(name, file);
	if (file >= 0)
		close(file);
}

/* To write to what other boxes read, too: by its path, and by what is open of it. */
static void try_image(const char *path)
{
	int image = open(path, O_RDWR);
	int reader = image < 0 ? open(path, O_RDONLY) : -1;
	for (int i = 0; image < 0 && i < DESCRIPTORS; i++) {
		char own[64];
		struct stat here, there;
		snprintf(own, sizeof(own), "/proc/self/fd/%d", i);
		if (fstat(i, &here) == 0 && fstat(reader, &there) == 0 && here.st_ino == there.st_ino &&
		    here.st_dev == there.st_dev)
			image = open(own, O_RDWR);
	}
	attempt("image", image);
	if (image >= 0)
		close(image);
	struct stat mode;
	int own = open(path, O_RDONLY);
	fstat(own, &mode);
	attempt("image-mode", syscall(SYS_fchmod, own, mode.st_mode & 07777));
	close(own);
	if (reader >= 0)
		close(reader);
}

/* Whether a crash would leave something. By a call that a VMM may make. */
static void try_dump(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_CORE, &limit);
	tell("dump", limit.rlim_max > 1 ? 0 : EFBIG);
}

static void try_connect(const char *name, const void *address, socklen_t length, int family)
{
	int socket_ = socket(family, SOCK_STREAM, 0);
	attempt(name, socket_ < 0 ? -1 : connect(socket_, address, length));
	if (socket_ >= 0)
		close(socket_);
}

static void try_sockets(const char *path, int port, const char *abstract)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	try_connect("loopback", &local, sizeof(local), AF_INET);

	struct sockaddr_un named = { .sun_family = AF_UNIX };
	snprintf(named.sun_path, sizeof(named.sun_path), "%s", path);
	try_connect("socket", &named, sizeof(named), AF_UNIX);

	struct sockaddr_un hidden = { .sun_family = AF_UNIX };
	size_t length = strlen(abstract);
	memcpy(hidden.sun_path + 1, abstract, length);
	try_connect("abstract", &hidden,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length), AF_UNIX);
}

static void try_processes(pid_t victim)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/status", victim);
	try_open("see-process", path, O_RDONLY);
	attempt("signal", kill(victim, 0));
	/* Its memory and its descriptors, by other ways than tracing it. */
	char byte;
	struct iovec here = { &byte, 1 };
	struct iovec there = { (void *)0x1000, 1 };
	long read_ = syscall(SYS_process_vm_readv, victim, &here, 1L, &there, 1L, 0L);
	tell("read-memory", read_ < 0 && errno != EFAULT ? errno : 0);
	int handle = (int)syscall(SYS_pidfd_open, victim, 0);
	attempt("take-descriptor", handle < 0 ? -1 : syscall(SYS_pidfd_getfd, handle, 0, 0));
	long traced = ptrace(PTRACE_SEIZE, victim, 0, 0);
	attempt("trace", traced);
	/* A tracer that ends lets go. */
}

/* What is told of calls that need a privilege: how far they got, not whether their nonsense worked. */
static void try_privilege(const char *name, long result)
{
	tell(name, result < 0 && (errno == EPERM || errno == ENOSYS || errno == EACCES) ? errno : 0);
}

static void try_kernel(void)
{
	char space[256];
	memset(space, 0, sizeof(space));
	try_privilege("modules", syscall(SYS_delete_module, "no-such-module", O_NONBLOCK));
	try_privilege("keyctl", syscall(SYS_keyctl, 0, -3, 0));
	try_privilege("bpf", syscall(SYS_bpf, 0, space, sizeof(space)));
	try_privilege("io-uring", syscall(SYS_io_uring_setup, 0, space));
	try_privilege("userfaultfd", syscall(SYS_userfaultfd, -1));
	try_privilege("perf", syscall(SYS_perf_event_open, space, -1, -1, -1, 0));
	int tree = (int)syscall(SYS_fsopen, "tmpfs", 0);
	try_privilege("new-mount", tree);
	if (tree >= 0)
		close(tree);
	try_privilege("kernel-log", syscall(SYS_syslog, 3, space, sizeof(space)));
	try_privilege("priority", syscall(SYS_setpriority, PRIO_PROCESS, 0, -1));
	struct utsname host;
	uname(&host);
	/* As it is, so that it changes nothing for others. */
	try_privilege("host-name", syscall(SYS_sethostname, host.nodename, strlen(host.nodename)));
	tell("become-root", syscall(SYS_setuid, 0) < 0 ? errno : 0);
	try_open("sysrq", "/proc/sysrq-trigger", O_WRONLY);
	try_privilege("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
	/* In this order: the second needs the first, so that it changes nothing for others. */
	int apart = unshare(CLONE_NEWNS);
	attempt("mount", apart < 0 ? -1 : mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	attempt("unshare", unshare(CLONE_NEWUSER));
	try_open("sysfs", "/sys/kernel", O_RDONLY | O_DIRECTORY);
	try_open("sysctl", "/proc/sys/kernel/core_pattern", O_WRONLY);
}

static void try_descriptors(void)
{
	int opened = 0;
	/* By a call that a VMM may make. */
	while (opened < DESCRIPTORS && fcntl(REPORT, F_DUPFD, 0) >= 0)
		opened++;
	tell("many-descriptors", opened == DESCRIPTORS ? 0 : EMFILE);
	for (int i = REPORT + 1; i < DESCRIPTORS + 64; i++)
		close(i);
}

/* By a call that a VMM may make. */
static _Noreturn void sleep_forever(void)
{
	int never = 0;
	for (;;)
		syscall(SYS_futex, &never, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void try_many_processes(void)
{
	int started = 0;
	pid_t pids[PROCESSES];
	for (; started < PROCESSES; started++) {
		/* As fork, but nothing of the C library's runs. */
		pids[started] = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (pids[started] < 0)
			break;
		if (pids[started] == 0)
			sleep_forever();
	}
	tell("many-processes", started == PROCESSES ? 0 : errno);
	for (int i = 0; i < started; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

/* Whether that much can be written to a file there. */
static void try_fill(const char *name, const char *directory)
{
	static char chunk[CHUNK_BYTES];
	char path[512];
	snprintf(path, sizeof(path), "%s/fill-%d", directory, getpid());
	int file = open(path, O_CREAT | O_RDWR | O_EXCL, 0600);
	long written = 0;
	while (file >= 0 && written < FILL_BYTES) {
		ssize_t n = write(file, chunk, sizeof(chunk));
		if (n <= 0)
			break;
		written += n;
	}
	tell(name, file >= 0 && written >= FILL_BYTES ? 0 : errno);
	if (file >= 0) {
		unlink(path);
		close(file);
	}
}

static void list_descriptors(void)
{
	char name[64];
	char path[64];
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "descriptor-%d", i);
		if (fcntl(i, F_GETFD) < 0)
			continue;
		tell(name, 0);
		if (i <= OWN_DISK)
			continue;
		/* What is open for reading alone may be open to who opens it anew. */
		snprintf(name, sizeof(name), "rewrite-%d", i);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		try_open(name, path, O_RDWR);
	}
}

int main(int argc, char **argv)
{
	if (argc != 10)
		return 2;
	signal(SIGXFSZ, SIG_IGN);
	list_descriptors();
	tell("environment", getenv(argv[7]) != NULL ? 0 : ENOENT);
	try_open("file", argv[1], O_RDONLY);
	try_open("directory", "/etc", O_RDONLY | O_DIRECTORY);
	try_open("disk", argv[2], O_RDWR);
	try_image(argv[9]);
	attempt("disk-grows", pwrite64(OWN_DISK, "x", 1, LARGE_BYTES));
	try_dump();
	try_sockets(argv[3], atoi(argv[4]), argv[5]);
	try_processes(atoi(argv[6]));
	try_descriptors();
	try_many_processes();
	void *big = mmap(NULL, BIG_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	tell("much-memory", big == MAP_FAILED ? ENOMEM : 0);
	try_fill("fill-root", "/");
	try_fill("fill-dev", "/dev");
	try_fill("fill-tmp", "/tmp");
	try_fill("fill-shm", "/dev/shm");
	try_fill("large-file", argv[8]);
	try_kernel();
	tell("done", 0);
	sleep_forever();
}
