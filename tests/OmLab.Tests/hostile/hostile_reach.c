/* SPDX-License-Identifier: MIT
 *
 * Things that are there on the hosting node only: a witness (witness.c) owns them. What each attempt says is printed,
 * and must be what it says at home.
 */
#define _GNU_SOURCE
#include "hostile.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

static void say(const char *what, long result)
{
	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: done it\n", what);
}

static void files(const char *path)
{
	char text[256], other[256];
	struct stat status;
	struct statfs space;

	snprintf(other, sizeof(other), "%s.mine", path);
	say("open", open(path, O_RDONLY));
	say("open to write", open(path, O_WRONLY | O_APPEND));
	say("create", open(other, O_CREAT | O_RDWR, 0600));
	say("stat", stat(path, &status));
	say("readlink", readlink(path, text, sizeof(text)));
	say("truncate", truncate(path, 0));
	say("chmod", chmod(path, 0));
	say("unlink", unlink(path));
	say("rename", rename(path, other));
	say("link", link(path, "mine"));
	say("mkdir", mkdir(other, 0700));
	say("mkfifo", mkfifo(other, 0600));
	say("utimes", utimes(path, NULL));
	say("statfs", statfs(path, &space));
	say("chdir", chdir(path));
	say("setxattr", setxattr(path, "user.mine", "1", 1, 0));
	say("execve", execl(path, path, NULL));
	say("inotify", syscall(SYS_inotify_add_watch, 0, path, 1));
	say("openat2", syscall(SYS_openat2, AT_FDCWD, path, (uint64_t[3]){O_RDONLY}, 24));
	say("open_tree", syscall(SYS_open_tree, AT_FDCWD, path, 1));
	say("name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, path, (int[34]){128}, text, 0));
}

static void network(const char *path, const char *name, int port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_un un = {.sun_family = AF_UNIX}, abstract = {.sun_family = AF_UNIX};
	int stream = socket(AF_INET, SOCK_STREAM, 0), datagram = socket(AF_INET, SOCK_DGRAM, 0);
	int one = socket(AF_UNIX, SOCK_STREAM, 0), another = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%.63s.socket", path);
	snprintf(abstract.sun_path + 1, sizeof(abstract.sun_path) - 1, "%.63s", name);
	say("connect to loopback", connect(stream, (struct sockaddr *)&in, sizeof(in)));
	say("connect to a socket", connect(one, (struct sockaddr *)&un, sizeof(un)));
	say("connect to an abstract socket",
	    connect(another, (struct sockaddr *)&abstract,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))));
	say("send to loopback", sendto(datagram, "x", 1, 0, (struct sockaddr *)&in, sizeof(in)));
	close(stream);
	close(datagram);
	close(one);
	close(another);
}

static void processes(int pid)
{
	struct sched_param param = {0};
	cpu_set_t cpus;
	siginfo_t info = {.si_code = SI_QUEUE};
	char path[64];

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	say("kill", kill(pid, 0));
	say("SIGUSR1", kill(pid, SIGUSR1));
	say("tgkill", syscall(SYS_tgkill, pid, pid, SIGUSR1));
	say("sigqueue", syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &info));
	say("pidfd_open", syscall(SYS_pidfd_open, pid, 0));
	say("memory", open(path, O_RDWR));
	say("setpriority", setpriority(PRIO_PROCESS, (id_t)pid, 5));
	say("sched_setaffinity", sched_setaffinity(pid, sizeof(cpus), &cpus));
	say("sched_setscheduler", sched_setscheduler(pid, SCHED_BATCH, &param));
	say("prlimit", prlimit(pid, RLIMIT_NOFILE, NULL, &(struct rlimit){0}));
	say("kcmp", syscall(SYS_kcmp, pid, pid, KCMP_VM, 0, 0));
	say("getpgid", getpgid(pid));
	say("ioprio_set", syscall(SYS_ioprio_set, 1, pid, 0x4000));
}

/* PATH NAME PORT PID PID */
void reach(char *arguments)
{
	char path[64], name[64];
	int port, pid, outer;
	struct utsname system;

	if (sscanf(arguments, "%63s %63s %d %d %d", path, name, &port, &pid, &outer) != 5)
		_exit(96);
	files(path);
	network(path, name, port);
	processes(pid);
	processes(outer);
	uname(&system);
	printf("at %s as %d\n", system.nodename, getuid());
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
}
