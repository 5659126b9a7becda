/* SPDX-License-Identifier: MIT
 * TCP, UDP and Unix sockets with oneself: names, options, sendmsg and recvmsg with descriptors and credentials, peek,
 * truncation, shutdown. */
#include "workload.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static void tcp_round(uint64_t seed)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(listener >= 0);
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
	CHECK(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(listener, 4) == 0);
	socklen_t length = sizeof(name);
	CHECK(getsockname(listener, (struct sockaddr *)&name, &length) == 0 && length == sizeof(name));
	int client = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(client >= 0 && connect(client, (struct sockaddr *)&name, sizeof(name)) == 0);
	length = sizeof(peer);
	int server = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC);
	CHECK(server >= 0 && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	int one = 1, value = 0;
	CHECK(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
	length = sizeof(value);
	CHECK(getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &value, &length) == 0 && value != 0 &&
	      length == sizeof(value));
	static char wrote[30000], got[30000];
	workload_fill(wrote, sizeof(wrote), seed);
	CHECK(send(client, wrote, sizeof(wrote), MSG_NOSIGNAL) == sizeof(wrote));
	CHECK(recv(server, got, 100, MSG_PEEK) == 100 && memcmp(got, wrote, 100) == 0);
	CHECK(recv(server, got, sizeof(got), MSG_WAITALL) == sizeof(got) && memcmp(got, wrote, sizeof(got)) == 0);
	CHECK_ERRNO(recv(server, got, 1, MSG_DONTWAIT), EAGAIN);
	struct timeval patience = {.tv_usec = 20000};
	CHECK(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	CHECK_ERRNO(recv(server, got, 1, 0), EAGAIN);
	CHECK(shutdown(client, SHUT_WR) == 0 && read(server, got, 1) == 0);
	CHECK(close(client) == 0 && close(server) == 0 && close(listener) == 0);
}

static void udp_round(void)
{
	int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
	CHECK(a >= 0 && b >= 0 && bind(a, (struct sockaddr *)&name, sizeof(name)) == 0);
	socklen_t length = sizeof(name);
	CHECK(getsockname(a, (struct sockaddr *)&name, &length) == 0);
	CHECK(sendto(b, "datagram", 8, 0, (struct sockaddr *)&name, sizeof(name)) == 8);
	CHECK(sendto(b, "", 0, 0, (struct sockaddr *)&name, sizeof(name)) == 0);
	char got[100];
	length = sizeof(from);
	CHECK(recvfrom(a, got, 4, MSG_TRUNC, (struct sockaddr *)&from, &length) == 8 && memcmp(got, "data", 4) == 0);
	CHECK(length == sizeof(from) && from.sin_family == AF_INET);
	CHECK(recv(a, got, sizeof(got), 0) == 0);
	static char big[60000], back[60000];
	workload_fill(big, sizeof(big), 3);
	CHECK(sendto(b, big, sizeof(big), 0, (struct sockaddr *)&name, sizeof(name)) == sizeof(big));
	CHECK(recv(a, back, sizeof(back), 0) == sizeof(back) && memcmp(big, back, sizeof(back)) == 0);

	struct iovec parts[2][2] = {{{"one", 3}, {"two", 3}}, {{"three", 5}, {"", 0}}};
	struct mmsghdr messages[2] = {0};
	for (int i = 0; i < 2; i++)
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = parts[i], .msg_iovlen = 2};
	CHECK(sendmmsg(b, messages, 2, 0) == 2 && messages[0].msg_len == 6 && messages[1].msg_len == 5);
	char buffers[3][20];
	struct iovec into[3];
	struct mmsghdr received[3] = {0};
	for (int i = 0; i < 3; i++) {
		into[i] = (struct iovec){buffers[i], sizeof(buffers[i])};
		received[i].msg_hdr = (struct msghdr){.msg_iov = &into[i], .msg_iovlen = 1};
	}
	CHECK(recvmmsg(a, received, 3, MSG_DONTWAIT, NULL) == 2);
	CHECK(received[0].msg_len == 6 && memcmp(buffers[0], "onetwo", 6) == 0);
	CHECK(received[1].msg_len == 5 && memcmp(buffers[1], "three", 5) == 0);
	CHECK(close(a) == 0 && close(b) == 0);
}

static void unix_round(void)
{
	int pair[2], on = 1;
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	int file = open("passed", O_CREAT | O_RDWR, 0600);
	CHECK(file >= 0 && write(file, "through a socket", 16) == 16);
	union {
		char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control = {0};
	struct iovec parts[3] = {{"alpha", 5}, {"beta", 4}, {"gamma", 5}};
	struct msghdr message = {.msg_iov = parts,
				 .msg_iovlen = 3,
				 .msg_control = control.bytes,
				 .msg_controllen = CMSG_SPACE(sizeof(int))};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	*header =
		(struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(header), &file, sizeof(int));
	CHECK(sendmsg(pair[0], &message, 0) == 14);

	char first[6], rest[100];
	struct iovec into[2] = {{first, sizeof(first)}, {rest, sizeof(rest)}};
	memset(&control, 0, sizeof(control));
	message = (struct msghdr){.msg_iov = into,
				  .msg_iovlen = 2,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes)};
	CHECK(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC) == 14);
	CHECK(memcmp(first, "alphab", 6) == 0 && memcmp(rest, "etagamma", 8) == 0);
	int passed = -1;
	bool credentials = false;
	for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		if (header->cmsg_type == SCM_RIGHTS)
			memcpy(&passed, CMSG_DATA(header), sizeof(int));
		if (header->cmsg_type == SCM_CREDENTIALS) {
			struct ucred who;
			memcpy(&who, CMSG_DATA(header), sizeof(who));
			credentials = who.pid == getpid() && who.uid == getuid();
		}
	}
	CHECK(passed >= 0 && credentials && fcntl(passed, F_GETFD) == FD_CLOEXEC);
	CHECK(pread(passed, rest, sizeof(rest), 0) == 16 && memcmp(rest, "through a socket", 16) == 0);
	CHECK(close(passed) == 0 && close(file) == 0 && unlink("passed") == 0);
	CHECK(close(pair[0]) == 0 && recv(pair[1], rest, sizeof(rest), 0) == 0 && close(pair[1]) == 0);

	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(listener, 1) == 0);
	int client = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(client >= 0 && connect(client, (struct sockaddr *)&name, sizeof(name)) == 0);
	int server = accept(listener, NULL, NULL);
	CHECK(server >= 0);
	struct ucred who;
	socklen_t length = sizeof(who);
	CHECK(getsockopt(server, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 && who.pid == getpid());
	int waiting;
	CHECK(write(client, "1234567", 7) == 7 && ioctl(server, FIONREAD, &waiting) == 0 && waiting == 7);
	CHECK(close(client) == 0 && close(server) == 0 && close(listener) == 0 && unlink("socket") == 0);
	CHECK_ERRNO(connect(-1, (struct sockaddr *)&name, sizeof(name)), EBADF);
}

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	workload_enter();
	for (uint64_t seed = 1; workload_running(); seed++) {
		tcp_round(seed);
		udp_round();
		unix_round();
	}
	workload_leave();
	return workload_ok("sockets");
}
