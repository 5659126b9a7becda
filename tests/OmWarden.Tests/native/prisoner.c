/* SPDX-License-Identifier: MIT
 *
 * Let loose in a cell without its seccomp filter, so that only the walls hold: tries to reach anything of the host.
 * Ends with 0 when it reached nothing, or with the number of the attempt that did. At home it says its pid and waits in
 * a sleep until it has been moved: argv[1] is a pid of the host, a process that must not be reached.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int tries(int number, int reached)
{
	if (reached)
		_exit(number);
	return 0;
}

static int connects(int family)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(22), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/openmosix/omwarden.sock"};
	int fd = socket(family, SOCK_STREAM, 0);
	if (fd < 0)
		return 0;
	int result = family == AF_INET ? connect(fd, (struct sockaddr *)&in, sizeof(in))
				       : connect(fd, (struct sockaddr *)&un, sizeof(un));
	int error = errno;
	close(fd);
	/* A refusal would come from something that listens to the host's loopback: there must not even be a route. */
	return result == 0 || error == ECONNREFUSED;
}

int main(int argc, char **argv)
{
	static const char *const files[] = {"/etc/passwd", "/proc/self/status", "/dev/null", "/sys", "/bin/sh", "/run",
					    ".."};
	int host_pid = argc > 1 ? atoi(argv[1]) : 0;
	struct timespec moment = {1, 0};
	int number = 1;

	if (dprintf(1, "%d\n", getpid()) < 0)
		return 100;
	while (access("/proc", F_OK) == 0) /* still at home */
		nanosleep(&moment, NULL);

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) - 1; i++)
		tries(number++, open(files[i], O_RDONLY) >= 0);                  /* 1-6 */
	tries(number++, mkdir("/new", 0700) == 0);                               /* 7 */
	tries(number++, open("/new", O_CREAT | O_RDWR, 0600) >= 0);              /* 8 */
	tries(number++, connects(AF_INET));                                      /* 9 */
	tries(number++, connects(AF_UNIX));                                      /* 10 */
	tries(number++, kill(host_pid, 0) == 0);                                 /* 11 */
	tries(number++, kill(1, SIGKILL) == 0);                                  /* 12 */
	tries(number++, kill(-1, SIGKILL) == 0);                                 /* 13 */
	tries(number++, ptrace(PTRACE_ATTACH, 1, 0, 0) == 0);                    /* 14 */
	tries(number++, syscall(SYS_pidfd_open, host_pid, 0) >= 0);              /* 15 */
	tries(number++, mount("none", "/", "tmpfs", 0, NULL) == 0);              /* 16 */
	tries(number++, umount2("/", MNT_DETACH) == 0);                          /* 17 */
	tries(number++, sethostname("x", 1) == 0);                               /* 18 */
	tries(number++, setuid(0) == 0);                                         /* 19 */
	tries(number++, setgid(0) == 0);                                         /* 20 */
	tries(number++, unshare(CLONE_NEWNET) == 0);                             /* 21 */
	tries(number++, syscall(SYS_bpf, 0, NULL, 0) >= 0);                      /* 22 */
	tries(number++, syscall(SYS_init_module, NULL, 0, "") == 0);             /* 23 */
	tries(number++, syscall(SYS_syslog, 3, moment, 0) >= 0);                 /* 24 */
	tries(number++, prctl(PR_CAPBSET_DROP, 0) == 0);                         /* 25 */
	tries(number++, setpriority(PRIO_PROCESS, 0, -5) == 0);                  /* 26 */
	tries(number++, settimeofday(&(struct timeval){0}, NULL) == 0);          /* 27 */
	tries(number++, chroot("/") == 0);                                       /* 28 */
	tries(number++, syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0) >= 0); /* 29 */
	tries(number++, getppid() != 1);                                         /* 30 */
	for (int fd = 0; fd < 64; fd++)
		tries(31, fcntl(fd, F_GETFD) >= 0);
	tries(32, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1);
	/* Processes: no more than the cell's limit. */
	int children = 0;
	while (children < 100 && fork() > 0)
		children++;
	if (getppid() != 1)
		for (;;)
			pause();
	tries(33, children >= 100);
	_exit(0);
}
