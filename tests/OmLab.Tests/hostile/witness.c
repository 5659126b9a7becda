/* SPDX-License-Identifier: MIT
 *
 * Stands on a node and notices whatever reaches it: a file, sockets of each kind, itself. Has the uid that the hostile
 * program has at home, so that no permission is what protects it. witness DIRECTORY PORT: says when it stands, and,
 * when its standard input ends, what came.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NOBODY 65534

static int must(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return result;
}

static int listens(int type, const void *address, socklen_t bytes)
{
	const struct sockaddr *to = address;
	int fd = must(socket(to->sa_family, type, 0), "socket");

	must(bind(fd, to, bytes), "bind");
	if (type == SOCK_STREAM)
		must(listen(fd, 8), "listen");
	return fd;
}

/* Everything that another process could change of a file or a process without being noticed otherwise. */
static void describe(char *text, size_t bytes)
{
	struct stat status;
	cpu_set_t cpus;
	DIR *entries = opendir(".");
	int names = 0;

	while (readdir(entries))
		names++;
	closedir(entries);
	must(stat("secret", &status), "secret");
	sched_getaffinity(0, sizeof(cpus), &cpus);
	snprintf(text, bytes,
		 "%d names, mode %o, links %lu, %ld bytes, changed %ld.%ld, priority %d, policy %d, cpus %d", names,
		 status.st_mode, status.st_nlink, (long)status.st_size, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
		 getpriority(PRIO_PROCESS, 0), sched_getscheduler(0), CPU_COUNT(&cpus));
}

int main(int argc, char **argv)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "secret.socket"};
	struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0witness"};
	char before[256], after[256], end;
	sigset_t all;

	if (argc != 3)
		return 2;
	in.sin_port = htons((uint16_t)atoi(argv[2]));
	umask(0);
	must(mkdir(argv[1], 0777), argv[1]);
	must(chdir(argv[1]), argv[1]);
	must(setgroups(0, NULL), "setgroups");
	must(setresgid(NOBODY, NOBODY, NOBODY), "setresgid");
	must(setresuid(NOBODY, NOBODY, NOBODY), "setresuid");
	int secret = must(open("secret", O_CREAT | O_RDWR, 0777), "secret");
	must((int)write(secret, "only here\n", 10), "secret");
	close(secret);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	struct pollfd fds[] = {
		{signalfd(-1, &all, 0), POLLIN, 0},
		{listens(SOCK_STREAM, &in, sizeof(in)), POLLIN, 0},
		{listens(SOCK_DGRAM, &in, sizeof(in)), POLLIN, 0},
		{listens(SOCK_STREAM, &un, sizeof(un)), POLLIN, 0},
		{listens(SOCK_STREAM, &abstract, offsetof(struct sockaddr_un, sun_path) + 8), POLLIN, 0},
	};
	static const char *const names[] = {"signal", "connection", "datagram", "socket", "abstract socket"};

	describe(before, sizeof(before));
	printf("ready\n");
	fflush(stdout);

	while (read(0, &end, 1) > 0)
		;
	describe(after, sizeof(after));
	must(poll(fds, 5, 0), "poll");
	for (int i = 0; i < 5; i++)
		if (fds[i].revents)
			printf("reached by a %s\n", names[i]);
	if (strcmp(before, after))
		printf("%s\nwas %s\n", after, before);
	printf("end\n");
	return 0;
}
