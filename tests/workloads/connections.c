/* SPDX-License-Identifier: MIT
 * More of sockets: connecting without waiting, refused connections, IPv6, abstract names, truncated control data, large
 * ancillary data, an accept that waits for an unmoved client, SIGIO's owner, urgent data. */
#include "workload.h"
#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static int listening(struct sockaddr_in *name)
{
	socklen_t length = sizeof(*name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*name = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)name, sizeof(*name)) == 0 && listen(fd, 5) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)name, &length) == 0);
	return fd;
}

static void without_waiting(void)
{
	struct sockaddr_in name;
	int listener = listening(&name), error = -1;
	int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int answer = connect(client, (struct sockaddr *)&name, sizeof(name));
	CHECK(answer == 0 || errno == EINPROGRESS);
	struct pollfd polled = {.fd = client, .events = POLLOUT};
	CHECK(poll(&polled, 1, 5000) == 1);
	socklen_t length = sizeof(error);
	CHECK(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0);
	int server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	CHECK(server >= 0 && (fcntl(server, F_GETFL) & O_NONBLOCK));
	CHECK_ERRNO(accept4(listener, NULL, NULL, 99), EINVAL);
	CHECK(send(client, "ab!", 3, MSG_OOB) == 3);
	polled = (struct pollfd){.fd = server, .events = POLLPRI};
	CHECK(poll(&polled, 1, 5000) == 1 && (polled.revents & POLLPRI));
	char got[10];
	CHECK(recv(server, got, 1, MSG_OOB) == 1 && got[0] == '!');
	int mark = -1;
	CHECK(recv(server, got, sizeof(got), 0) == 2 && ioctl(server, SIOCATMARK, &mark) == 0);
	CHECK(fcntl(server, F_SETOWN, getpid()) == 0 && fcntl(server, F_GETOWN) == getpid());
	CHECK(close(listener) == 0 && close(server) == 0 && close(client) == 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO(connect(client, (struct sockaddr *)&name, sizeof(name)), ECONNREFUSED);
	CHECK(close(client) == 0);
}

static void other_families(void)
{
	struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int a = socket(AF_INET6, SOCK_DGRAM, 0);
	socklen_t length = sizeof(name);
	if (a >= 0 && bind(a, (struct sockaddr *)&name, sizeof(name)) == 0) {
		CHECK(getsockname(a, (struct sockaddr *)&name, &length) == 0 && length == sizeof(name));
		CHECK(sendto(a, "six", 3, 0, (struct sockaddr *)&name, sizeof(name)) == 3);
		char got[8];
		struct sockaddr_in6 from;
		length = 8; /* too short on purpose: cut, and the true length told */
		CHECK(recvfrom(a, got, sizeof(got), 0, (struct sockaddr *)&from, &length) == 3 &&
		      length == sizeof(from));
	}
	if (a >= 0)
		CHECK(close(a) == 0);
	struct sockaddr_un abstract = {.sun_family = AF_UNIX};
	int bytes = snprintf(abstract.sun_path + 1, sizeof(abstract.sun_path) - 1, "workload-%d", getpid());
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)bytes);
	int b = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK(b >= 0 && bind(b, (struct sockaddr *)&abstract, length) == 0);
	CHECK(sendto(b, "self", 4, 0, (struct sockaddr *)&abstract, length) == 4);
	char got[8];
	CHECK(recv(b, got, sizeof(got), 0) == 4 && close(b) == 0);
}

static void many_descriptors(void)
{
	int pair[2], sent[20], back[20];
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	for (int i = 0; i < 20; i++)
		CHECK((sent[i] = dup(pair[0])) >= 0);
	union {
		char bytes[CMSG_SPACE(sizeof(sent))];
		struct cmsghdr align;
	} control = {0};
	struct iovec part = {"x", 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	*header =
		(struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(sent))};
	memcpy(CMSG_DATA(header), sent, sizeof(sent));
	for (int round = 0; round < 2; round++)
		CHECK(sendmsg(pair[0], &message, 0) == 1);
	char byte;
	struct iovec into = {&byte, 1};
	memset(&control, 0, sizeof(control));
	message = (struct msghdr){.msg_iov = &into,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes)};
	CHECK(recvmsg(pair[1], &message, 0) == 1 && !(message.msg_flags & MSG_CTRUNC));
	memcpy(back, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(back));
	for (int i = 0; i < 20; i++)
		CHECK(close(back[i]) == 0 && close(sent[i]) == 0);
	/* Room for two of twenty: two arrive, the rest is closed, and MSG_CTRUNC says so. */
	message.msg_controllen = CMSG_LEN(2 * sizeof(int));
	CHECK(recvmsg(pair[1], &message, 0) == 1 && (message.msg_flags & MSG_CTRUNC));
	header = CMSG_FIRSTHDR(&message);
	CHECK(header->cmsg_len == CMSG_LEN(2 * sizeof(int)));
	memcpy(back, CMSG_DATA(header), 2 * sizeof(int));
	CHECK(close(back[0]) == 0 && close(back[1]) == 0 && close(pair[0]) == 0 && close(pair[1]) == 0);
}

/* Comes a little later each time, says a word, and waits for ours. */
static void client(const struct sockaddr_in *name)
{
	char byte;
	for (int i = 0;; i++) {
		usleep(2000);
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0 || connect(fd, (const struct sockaddr *)name, sizeof(*name)) != 0)
			_exit(0);
		if (write(fd, "hello", 5) != 5 || read(fd, &byte, 1) != 1)
			_exit(byte == 'q');
		close(fd);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in name;
	int listener = listening(&name);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		close(listener);
		client(&name);
	}
	workload_begin(argc, argv);
	while (workload_running()) {
		struct sockaddr_in peer;
		socklen_t length = sizeof(peer);
		int fd = accept(listener, (struct sockaddr *)&peer, &length);
		char got[5];
		CHECK(fd >= 0 && length == sizeof(peer));
		CHECK(recv(fd, got, 5, MSG_WAITALL) == 5 && memcmp(got, "hello", 5) == 0);
		CHECK(write(fd, "!", 1) == 1 && close(fd) == 0);
		without_waiting();
		other_families();
		many_descriptors();
	}
	int status;
	CHECK(close(listener) == 0 && kill(child, SIGTERM) == 0 && waitpid(child, &status, 0) == child);
	return workload_ok("connections");
}
