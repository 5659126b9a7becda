/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "harness.h"

static void streams(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
	socklen_t length = sizeof(address);
	char text[32] = "";
	int value = 0;
	long listener = CALL(SYS_socket, AF_INET, SOCK_STREAM, 0), client, server;

	note("bind %ld %ld", CALL(SYS_bind, listener, &address, sizeof(address)), CALL(SYS_listen, listener, 5));
	note("bind, short %ld", CALL(SYS_bind, listener, &address, 1));
	note("bind, long %ld", CALL(SYS_bind, listener, &address, 4000));
	note("bind, negative %ld", CALL(SYS_bind, listener, &address, -1));
	after(CALL(SYS_getsockname, listener, &address, &length), "getsockname %ld %u %d", length, address.sin_family);
	client = CALL(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	note("connect %ld", CALL(SYS_connect, client, &address, sizeof(address)));
	memset(&peer, '#', sizeof(peer));
	length = 4; /* less than there is: only that much is written */
	server = CALL(SYS_accept4, listener, &peer, &length, 0);
	note("accept %ld length %u %x", server, length, ((int *)&peer)[1]);
	length = 200; /* more */
	after(CALL(SYS_getpeername, server, &peer, &length), "getpeername %ld %u", length);
	length = (socklen_t)-3;
	note("negative length %ld", CALL(SYS_getpeername, server, &peer, &length));
	note("send %ld", CALL(SYS_sendto, client, "hello", 5, 0, NULL, 0));
	after(CALL(SYS_recvfrom, server, text, 3, MSG_PEEK, NULL, NULL), "peek %ld %s", text);
	after(CALL(SYS_read, server, text, sizeof(text)), "read %ld %s", text);
	note("again %ld", CALL(SYS_recvfrom, server, text, 3, MSG_DONTWAIT, NULL, NULL));
	value = 1;
	note("setsockopt %ld", CALL(SYS_setsockopt, server, IPPROTO_TCP, 1, &value, sizeof(value)));
	value = 77;
	length = sizeof(value);
	after(CALL(SYS_getsockopt, server, SOL_SOCKET, SO_TYPE, &value, &length), "getsockopt %ld %d %u", value,
	      length);
	length = 2;
	value = 0x11223344;
	after(CALL(SYS_getsockopt, server, SOL_SOCKET, SO_TYPE, &value, &length), "two bytes %ld %x %u", value, length);
	length = (socklen_t)-1;
	note("negative %ld", CALL(SYS_getsockopt, server, SOL_SOCKET, SO_TYPE, &value, &length));
	note("shutdown %ld", CALL(SYS_shutdown, client, SHUT_WR));
	note("end %ld", CALL(SYS_read, server, text, sizeof(text)));
	note("accept, nothing there %ld", ({
		     CALL(SYS_fcntl, listener, F_SETFL, O_NONBLOCK);
		     CALL(SYS_accept, listener, NULL, NULL);
	     }));
}

static void datagrams(void)
{
	struct sockaddr_un a = {AF_UNIX, "sock-a"}, b = {AF_UNIX, "sock-b"}, from;
	socklen_t length = sizeof(from);
	char text[16] = "###############";
	long x = CALL(SYS_socket, AF_UNIX, SOCK_DGRAM, 0), y = CALL(SYS_socket, AF_UNIX, SOCK_DGRAM, 0);

	note("bind %ld %ld", CALL(SYS_bind, x, &a, sizeof(a)), CALL(SYS_bind, y, &b, sizeof(b)));
	note("sendto %ld", CALL(SYS_sendto, x, "datagram", 8, 0, &b, sizeof(b)));
	memset(&from, 0, sizeof(from));
	after(CALL(SYS_recvfrom, y, text, 4, MSG_TRUNC, &from, &length), "truncated %ld %s %s %u", text, from.sun_path,
	      length);
	note("empty one %ld", CALL(SYS_sendto, x, NULL, 0, 0, &b, sizeof(b)));
	note("received %ld", CALL(SYS_recvfrom, y, text, 4, 0, NULL, NULL));
	note("nobody %ld", CALL(SYS_sendto, x, "z", 1, 0, "\1\0nobody", 8));
	note("no address %ld", CALL(SYS_sendto, x, "z", 1, 0, NULL, 0));
}

static void messages(void)
{
	int pair[2], one = 1;
	char first[8] = "", second[8] = "", control[128];
	struct iovec out[2] = {{"abc", 3}, {"defgh", 5}}, in[2] = {{first, 4}, {second, 8}};
	struct msghdr send = {
		.msg_iov = out, .msg_iovlen = 2, .msg_control = control, .msg_controllen = CMSG_SPACE(2 * sizeof(int))};
	struct msghdr receive = {
		.msg_iov = in, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	long file = CALL(SYS_memfd_create, "passed", 0);

	note("pair %ld", CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair));
	CALL(SYS_write, file, "inside", 6);
	memset(control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&send);
	*c = (struct cmsghdr){CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(c), (int[]){(int)file, pair[0]}, 2 * sizeof(int));
	note("sendmsg %ld", CALL(SYS_sendmsg, pair[0], &send, 0));
	memset(control, 0, sizeof(control));
	after(CALL(SYS_recvmsg, pair[1], &receive, 0), "recvmsg %ld %.4s %.8s control %zu flags %x", first, second,
	      receive.msg_controllen, receive.msg_flags);
	note("pointers stay %d", receive.msg_iov == in && receive.msg_control == control && in[0].iov_base == first);
	c = CMSG_FIRSTHDR(&receive);
	if (c) {
		int fds[2];

		memcpy(fds, CMSG_DATA(c), sizeof(fds));
		note("rights %zu %d %d %d", (size_t)c->cmsg_len, c->cmsg_type, fds[0], fds[1]);
		after(CALL(SYS_pread64, fds[0], first, 6, 0), "%ld %.6s", first);
	}
	/* credentials, and less room than they need */
	CALL(SYS_setsockopt, pair[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	send.msg_controllen = 0;
	note("sendmsg %ld", CALL(SYS_sendmsg, pair[0], &send, 0));
	receive.msg_controllen = 20;
	memset(control, '#', sizeof(control));
	after(CALL(SYS_recvmsg, pair[1], &receive, 0), "recvmsg %ld control %zu flags %x %u", receive.msg_controllen,
	      receive.msg_flags, sum(control + 24, 100));
	send.msg_iovlen = 1025;
	note("too many %ld", CALL(SYS_sendmsg, pair[0], &send, 0));
	send.msg_iovlen = 2;
	send.msg_iov = (void *)8;
	note("no array %ld", CALL(SYS_sendmsg, pair[0], &send, 0));
	send.msg_iov = out;
	send.msg_name = (void *)8;
	send.msg_namelen = 4;
	note("no name %ld", CALL(SYS_sendmsg, pair[0], &send, 0));
	send.msg_namelen = (socklen_t)-4;
	note("negative name %ld", CALL(SYS_sendmsg, pair[0], &send, 0));
	send.msg_name = NULL;
	send.msg_namelen = 0;
	send.msg_control = (void *)8;
	send.msg_controllen = 32;
	note("no control %ld", CALL(SYS_sendmsg, pair[0], &send, 0));
	send.msg_controllen = 0;
	out[1].iov_base = (void *)8;
	note("half of it %d", CALL(SYS_sendmsg, pair[0], &send, 0) > 0);
	note("no header %ld %ld", CALL(SYS_sendmsg, pair[0], 8, 0), CALL(SYS_recvmsg, pair[0], NULL, 0));
}

static void many_messages(void)
{
	enum { N = 40 };
	static char data[N][600];
	struct iovec iov[N];
	struct mmsghdr m[N];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from[N];
	socklen_t length = sizeof(address);
	struct timespec timeout = {5, 0};
	long x = CALL(SYS_socket, AF_INET, SOCK_DGRAM, 0), y = CALL(SYS_socket, AF_INET, SOCK_DGRAM, 0);
	unsigned int total = 0;

	CALL(SYS_bind, y, &address, sizeof(address));
	CALL(SYS_getsockname, y, &address, &length);
	note("connect %ld", CALL(SYS_connect, x, &address, sizeof(address)));
	memset(m, 0, sizeof(m));
	for (int i = 0; i < N; i++) {
		memset(data[i], 'a' + i, sizeof(data[i]));
		iov[i] = (struct iovec){data[i], (size_t)(i * 10)};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	note("sendmmsg %ld", CALL(SYS_sendmmsg, x, m, N, 0));
	for (int i = 0; i < N; i++)
		total += m[i].msg_len;
	note("lengths %u", total);
	memset(data, 0, sizeof(data));
	for (int i = 0; i < N; i++) {
		iov[i].iov_len = sizeof(data[i]);
		m[i].msg_hdr.msg_name = &from[i];
		m[i].msg_hdr.msg_namelen = sizeof(from[i]);
		m[i].msg_len = 0xffff;
	}
	note("recvmmsg %ld", CALL(SYS_recvmmsg, y, m, 25, 0, &timeout));
	note("recvmmsg, the rest %ld", CALL(SYS_recvmmsg, y, m + 25, N, MSG_DONTWAIT, NULL));
	total = 0;
	for (int i = 0; i < N; i++)
		total += m[i].msg_len + m[i].msg_hdr.msg_namelen + (unsigned int)m[i].msg_hdr.msg_flags;
	note("lengths %u data %u family %d", total, sum(data, sizeof(data)), from[3].sin_family);
	note("nothing %ld", CALL(SYS_recvmmsg, y, m, N, MSG_DONTWAIT, NULL));
	note("none %ld", CALL(SYS_sendmmsg, x, m, 0, 0));
	m[2].msg_hdr.msg_iov = (void *)8;
	note("the third is bad %ld", CALL(SYS_sendmmsg, x, m, 5, 0));
	m[0].msg_hdr.msg_iov = (void *)8;
	note("the first is bad %ld", CALL(SYS_sendmmsg, x, m, 5, 0));
}

static void filters_and_interfaces(void)
{
	struct sock_filter code[2] = {{BPF_LD | BPF_LEN, 0, 0, 0}, {BPF_RET | BPF_K, 0, 0, 3}};
	struct sock_fprog program = {2, code};
	struct ifreq requests_[8], one;
	struct ifconf conf = {.ifc_len = sizeof(requests_), .ifc_req = requests_};
	int pair[2];
	char text[16] = "";
	long fd = CALL(SYS_socket, AF_INET, SOCK_DGRAM, 0);

	CALL(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair);
	note("attach %ld", CALL(SYS_setsockopt, pair[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
	note("send %ld", CALL(SYS_write, pair[0], "abcdef", 6));
	after(CALL(SYS_read, pair[1], text, sizeof(text)), "cut by the filter %ld %s", text);
	program.filter = (void *)8;
	note("no filter %ld", CALL(SYS_setsockopt, pair[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
	program.len = 5000;
	note("too long %ld", CALL(SYS_setsockopt, pair[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
	memset(requests_, 0, sizeof(requests_));
	after(CALL(SYS_ioctl, fd, 0x8912, &conf), "SIOCGIFCONF %ld %d %s", conf.ifc_len > 0, requests_[0].ifr_name);
	note("pointer stays %d", conf.ifc_req == requests_);
	conf.ifc_req = NULL;
	conf.ifc_len = 0;
	after(CALL(SYS_ioctl, fd, 0x8912, &conf), "asks %ld %d", conf.ifc_len > 0);
	memset(&one, 0, sizeof(one));
	strcpy(one.ifr_name, "lo");
	after(CALL(SYS_ioctl, fd, 0x8933, &one), "SIOCGIFINDEX %ld %d", one.ifr_ifindex);
	after(CALL(SYS_ioctl, fd, 0x8913, &one), "SIOCGIFFLAGS %ld %d", one.ifr_flags != 0);
	strcpy(one.ifr_name, "nosuch");
	note("no such %ld", CALL(SYS_ioctl, fd, 0x8913, &one));
}

const struct scenario socket_scenarios[] = {
	{"streams", streams},
	{"datagrams", datagrams},
	{"messages", messages},
	{"many_messages", many_messages},
	{"filters_and_interfaces", filters_and_interfaces},
	{0},
};
