/* SPDX-License-Identifier: MIT
 *
 * More than one request carries.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "harness.h"

#define LARGE (5 * 0x100000 + 12345)

static char *bytes(size_t n)
{
	char *memory = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static void fill(char *memory, size_t n)
{
	for (size_t i = 0; i < n; i++)
		memory[i] = (char)(i * 7 + i / 4096);
}

static void in_files(void)
{
	char *memory = bytes(LARGE), *other = bytes(LARGE);
	struct iovec iov[3] = {{other, 0x180000}, {other + 0x180000, 1}, {other + 0x180001, LARGE - 0x180001}};
	int before;
	long fd = CALL(SYS_openat, AT_FDCWD, "file", O_RDWR | O_CREAT, 0600);

	fill(memory, LARGE);
	before = requests();
	note("write %ld", CALL(SYS_write, fd, memory, LARGE));
	expect(!forwarded() || requests() - before == 7, "six pieces and a question");
	after(CALL(SYS_pread64, fd, other, LARGE, 0), "pread %ld %d", memcmp(memory, other, LARGE));
	note("short %ld", CALL(SYS_pread64, fd, other, LARGE, 4 * 0x100000));
	note("at the end %ld", CALL(SYS_pread64, fd, other, LARGE, LARGE));
	memset(other, 0, LARGE);
	after(CALL(SYS_preadv, fd, iov, 3, 0, 0), "preadv %ld %d", memcmp(memory, other, LARGE));
	note("pwritev %ld", CALL(SYS_pwritev, fd, iov, 3, 100, 0));
	CALL(SYS_lseek, fd, 0, SEEK_SET);
	after(CALL(SYS_readv, fd, iov, 3), "readv %ld %d", memcmp(memory, other + 100, 1000));
	note("offset %ld", CALL(SYS_lseek, fd, 0, SEEK_CUR));
	/* memory that ends behind the third piece */
	munmap(memory + 3 * 0x100000 + 0x5000, LARGE - 3 * 0x100000 - 0x5000);
	note("write %ld", CALL(SYS_pwrite64, fd, memory, LARGE, 0));
	note("read %ld", CALL(SYS_pread64, fd, memory, LARGE, 0));
	note("bad fd %ld", CALL(SYS_write, 99, memory, LARGE));
}

/* A file that may not grow: the first piece is written, the second in part, the third is an error that is not seen. */
static void limits(void)
{
	char *memory = bytes(LARGE);
	uint64_t limit[2] = {0x180000, 0x180000};
	long fd = CALL(SYS_openat, AT_FDCWD, "file", O_RDWR | O_CREAT, 0600);

	note("limit %ld", CALL(SYS_prlimit64, 0, RLIMIT_FSIZE, limit, NULL));
	note("write %ld", CALL(SYS_write, fd, memory, LARGE));
	note("size %ld", CALL(SYS_lseek, fd, 0, SEEK_END));
	note("again %ld", CALL(SYS_write, fd, memory, LARGE));
}

static void devices(void)
{
	char *memory = bytes(LARGE);
	long fd = CALL(SYS_openat, AT_FDCWD, "/dev/zero", O_RDWR);

	fill(memory, LARGE);
	after(CALL(SYS_read, fd, memory, LARGE), "zeros %ld %u", sum(memory, LARGE));
	note("write %ld", CALL(SYS_write, fd, memory, LARGE));
	fd = CALL(SYS_openat, AT_FDCWD, "/dev/urandom", O_RDONLY);
	after(CALL(SYS_read, fd, memory, LARGE), "random %ld %d",
	      memory[LARGE - 1] != memory[LARGE - 2] || memory[LARGE - 3]);
}

static void in_pipes(void)
{
	char *memory = bytes(LARGE), *other = bytes(LARGE);
	int p[2];

	fill(memory, LARGE);
	CALL(SYS_pipe2, p, O_NONBLOCK);
	note("write %ld", CALL(SYS_write, p[1], memory, LARGE));
	note("full %ld", CALL(SYS_write, p[1], memory, LARGE));
	after(CALL(SYS_read, p[0], other, LARGE), "read %ld %d", memcmp(memory, other, 65536));
	note("empty %ld", CALL(SYS_read, p[0], other, LARGE));
	note("wider %ld", CALL(SYS_fcntl, p[1], F_SETPIPE_SZ, 0x100000));
	note("write %ld", CALL(SYS_write, p[1], memory, LARGE));
	after(CALL(SYS_read, p[0], other, LARGE), "read %ld %d", memcmp(memory, other, 0x100000));
	CALL(SYS_write, p[1], memory, 0x100000);
	/* a full piece came back, and there is no more: it does not wait */
	CALL(SYS_fcntl, p[0], F_SETFL, 0);
	note("read %ld", CALL(SYS_read, p[0], other, LARGE));
	CALL(SYS_close, p[0]);
	note("nobody reads %ld", CALL(SYS_write, p[1], memory, LARGE));
}

static void in_sockets(void)
{
	char *memory = bytes(LARGE), *other = bytes(LARGE);
	struct iovec iov = {memory, LARGE};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct mmsghdr many[3];
	struct iovec parts[3];
	int pair[2], size = 16 << 20;
	long got, n = 0;

	fill(memory, LARGE);
	CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
	CALL(SYS_setsockopt, pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	note("send %ld", CALL(SYS_sendto, pair[0], memory, LARGE, 0, NULL, 0));
	note("waitall %ld", CALL(SYS_recvfrom, pair[1], other, LARGE - 5, MSG_WAITALL, NULL, NULL));
	note("same %d", memcmp(memory, other, LARGE - 5));
	note("rest %ld", CALL(SYS_recvfrom, pair[1], other, LARGE, MSG_DONTWAIT, NULL, NULL));
	note("sendmsg %ld", CALL(SYS_sendmsg, pair[0], &message, 0));
	memset(other, 0, LARGE);
	while ((got = CALL(SYS_recvfrom, pair[1], other + n, (size_t)(LARGE - n), MSG_DONTWAIT, NULL, NULL)) > 0)
		n += got;
	note("received %ld same %d then %ld", n, memcmp(memory, other, LARGE), got);
	iov.iov_base = other;
	note("write %ld", CALL(SYS_write, pair[0], memory, LARGE));
	after(CALL(SYS_recvmsg, pair[1], &message, MSG_WAITALL), "recvmsg %ld same %d flags %x",
	      memcmp(memory, other, LARGE), message.msg_flags);

	CALL(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair);
	note("datagram %ld", CALL(SYS_sendto, pair[0], memory, LARGE, 0, NULL, 0));
	note("datagram %ld", CALL(SYS_write, pair[0], memory, LARGE));
	iov.iov_base = memory;
	note("datagram %ld", CALL(SYS_sendmsg, pair[0], &message, 0));
	note("small %ld", CALL(SYS_write, pair[0], memory, 1000));
	note("large buffer %ld", CALL(SYS_recvfrom, pair[1], other, LARGE, MSG_DONTWAIT, NULL, NULL));

	/* messages that do not fit one request together */
	size = 8 << 20;
	CALL(SYS_setsockopt, pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	memset(many, 0, sizeof(many));
	for (int i = 0; i < 3; i++) {
		parts[i] = (struct iovec){memory, 500000};
		many[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
	}
	after(CALL(SYS_sendmmsg, pair[0], many, 3, 0), "sendmmsg %ld %u %u %u", many[0].msg_len, many[1].msg_len,
	      many[2].msg_len);
	for (int i = 0; i < 3; i++)
		parts[i] = (struct iovec){other + i * 1000000, 1000000};
	note("recvmmsg %ld", CALL(SYS_recvmmsg, pair[1], many, 3, 0, NULL));
	note("%u %u %u", many[0].msg_len, many[1].msg_len, many[2].msg_len);
	note("%d", memcmp(memory, other + 2000000, 500000));
}

const struct scenario piece_scenarios[] = {
	{"large_files", in_files}, {"large_writes", limits},      {"large_devices", devices},
	{"large_pipes", in_pipes}, {"large_sockets", in_sockets}, {0},
};
