/* SPDX-License-Identifier: MIT
 *
 * A stand-in for omwarden, openmosixd and omctl, told apart by name, so that the tests of the lab do not need the
 * product. As a daemon it counts its starts in a memfd that lives in the fd store of its init, prints the count, and
 * says READY. /etc/openmosix/NAME.mode changes what it does: `unready` never says READY, `failing` exits at once. As
 * omctl it finds all nodes alive, and else prints its arguments.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void notify(const char *message, int fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec text = {(void *)message, strlen(message)};
	struct msghdr packet = {
		.msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = &text, .msg_iovlen = 1};
	int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, getenv("NOTIFY_SOCKET"), sizeof(address.sun_path) - 1);
	if (fd >= 0) {
		packet.msg_control = &control;
		packet.msg_controllen = sizeof(control);
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	if (sendmsg(socket_fd, &packet, 0) < 0) {
		perror("sendmsg");
		exit(1);
	}
	close(socket_fd);
}

static bool mode_is(const char *name, const char *mode)
{
	char path[256], text[32] = "";
	snprintf(path, sizeof(path), "/etc/openmosix/%s.mode", name);
	int fd = open(path, O_RDONLY);
	ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	return length > 0 && !strncmp(text, mode, strlen(mode));
}

static int count_start(void)
{
	const char *passed = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	int count = 0, fd = 3;

	if (passed && atoi(passed) == 1 && pid && atoi(pid) == getpid()) {
		if (pread(fd, &count, sizeof(count), 0) != sizeof(count))
			exit(1);
		printf("passed %s\n", getenv("LISTEN_FDNAMES"));
	} else {
		fd = memfd_create("counter", MFD_CLOEXEC);
		notify("FDSTORE=1\nFDNAME=counter", fd);
	}
	count++;
	if (pwrite(fd, &count, sizeof(count), 0) != sizeof(count))
		exit(1);
	return count;
}

/* As `omctl nodes --json`, with all that /etc/hosts knows. */
static int print_nodes(void)
{
	char line[256], address[64], host[64];
	FILE *hosts = fopen("/etc/hosts", "r");
	const char *comma = "";

	printf("{ \"nodes\": [");
	while (hosts && fgets(line, sizeof(line), hosts))
		if (sscanf(line, "%63s %63s", address, host) == 2 && !strncmp(address, "10.77.", 6)) {
			printf("%s { \"node\": \"%s\", \"alive\": true }", comma, host);
			comma = ",";
		}
	printf(" ] }\n");
	return 0;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	sigset_t stop;
	int which;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(name, "omctl") && argc > 1 && !strcmp(argv[1], "nodes"))
		return print_nodes();
	if (!strcmp(name, "omctl") && argc > 1 && !strcmp(argv[1], "watch")) {
		puts("{}");
		return pause();
	}
	if (!strcmp(name, "omctl")) {
		for (int i = 1; i < argc; i++)
			printf("%s%s", i > 1 ? " " : "", argv[i]);
		putchar('\n');
		return 0;
	}
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	if (mode_is(name, "failing")) {
		printf("this one fails\n");
		return 3;
	}
	printf("start %d\n", count_start());
	if (!mode_is(name, "unready"))
		notify("READY=1\nSTATUS=serving", -1);
	sigwait(&stop, &which);
	printf("told to stop\n");
	return 0;
}
