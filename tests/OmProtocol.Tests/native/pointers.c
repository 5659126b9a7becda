/* SPDX-License-Identifier: MIT
 *
 * Memory that is not there, wholly or in part: the same errors, the same short counts, nothing consumed.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#include "harness.h"

#define BAD ((void *)0x1234)

static void outright(void)
{
	char text[32] = "";
	int p[2];
	long fd = CALL(SYS_openat, AT_FDCWD, "file", O_RDWR | O_CREAT, 0600);

	CALL(SYS_write, fd, "0123456789", 10);
	CALL(SYS_lseek, fd, 0, SEEK_SET);
	note("read %ld %ld", CALL(SYS_read, fd, BAD, 4), CALL(SYS_read, fd, NULL, 4));
	note("nothing consumed %ld", CALL(SYS_lseek, fd, 0, SEEK_CUR));
	note("write %ld %ld", CALL(SYS_write, fd, BAD, 4), CALL(SYS_write, fd, NULL, 4));
	note("kernel's half %ld %ld", CALL(SYS_read, fd, 0xffff880000000000, 4), CALL(SYS_write, fd, -4096, 4));
	note("not canonical %ld", CALL(SYS_read, fd, 0x8000000000000000, 4));
	note("at the very end %ld", CALL(SYS_write, fd, 0x7ffffffff000 - 4, 64));
	note("whole space %ld %ld", CALL(SYS_read, fd, text, -1), CALL(SYS_write, fd, text, -1));
	note("more than half %d", CALL(SYS_write, fd, text, 1l << 62) < 0);
	note("stat %ld, order %ld", CALL(SYS_fstat, fd, BAD), CALL(SYS_fstat, 88, BAD));
	note("stat %ld, order %ld", CALL(SYS_stat, "file", NULL), CALL(SYS_stat, "nope", BAD));
	note("names %ld %ld %ld", CALL(SYS_openat, AT_FDCWD, BAD, 0), CALL(SYS_rename, "file", BAD),
	     CALL(SYS_readlink, BAD, text, 5));
	note("pipe %ld %ld", CALL(SYS_pipe, BAD), CALL(SYS_pipe2, NULL, 0));
	note("no descriptor lost %ld", CALL(SYS_dup, fd));
	note("socketpair %ld", CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, BAD));
	note("no descriptor lost %ld", CALL(SYS_dup, fd));
	note("uname %ld getcwd %ld getgroups %ld", CALL(SYS_uname, BAD), CALL(SYS_getcwd, BAD, 4000),
	     CALL(SYS_getgroups, 100, BAD));
	note("xattr %ld %ld", CALL(SYS_setxattr, "file", "user.x", BAD, 5, 0),
	     CALL(SYS_setxattr, "file", BAD, "v", 1, 0));
	note("getdents %ld", CALL(SYS_getdents64, CALL(SYS_openat, AT_FDCWD, ".", O_RDONLY), BAD, 4096));
	note("lock %ld %ld", CALL(SYS_fcntl, fd, F_SETLK, BAD), CALL(SYS_fcntl, 88, F_SETLK, BAD));
	note("sendfile %ld", CALL(SYS_sendfile, fd, fd, BAD, 5));
	CALL(SYS_pipe, p);
	CALL(SYS_write, p[1], "kept", 4);
	note("pipe %ld", CALL(SYS_read, p[0], BAD, 4));
	after(CALL(SYS_read, p[0], text, 10), "kept %ld %.4s", text);
	note("accept %ld", CALL(SYS_accept, fd, BAD, BAD));
	note("agent area %ld", forwarded() ? CALL(SYS_write, fd, 0x7800, 4) : -14l);
}

static void in_part(void)
{
	char *memory = guarded(2), *end = memory + 2 * 4096, text[64] = "";
	struct iovec iov[3];
	int pair[2];
	long fd = CALL(SYS_openat, AT_FDCWD, "file", O_RDWR | O_CREAT, 0600);

	memset(memory, 'm', 2 * 4096);
	note("write %ld", CALL(SYS_write, fd, end - 10, 20));
	note("size %ld", CALL(SYS_lseek, fd, 0, SEEK_END));
	note("write, pages %ld", CALL(SYS_pwrite64, fd, memory, 3 * 4096, 0));
	iov[0] = (struct iovec){memory, 5};
	iov[1] = (struct iovec){end - 3, 50};
	iov[2] = (struct iovec){memory, 5};
	note("writev %ld", CALL(SYS_writev, fd, iov, 3));
	iov[0] = (struct iovec){end, 5};
	note("writev, first %ld", CALL(SYS_writev, fd, iov, 3));
	note("read %ld", CALL(SYS_pread64, fd, end - 10, 4000, 0));
	iov[0] = (struct iovec){memory, 5};
	iov[1] = (struct iovec){end - 3, 50};
	note("readv %ld", CALL(SYS_preadv, fd, iov, 3, 0, 0));
	iov[1] = (struct iovec){BAD, 50};
	note("readv, hole %ld", CALL(SYS_preadv, fd, iov, 3, 0, 0));
	note("iovec array ends %ld", ({
		     struct iovec *at = (struct iovec *)(end - sizeof(struct iovec));

		     *at = (struct iovec){memory, 5};
		     CALL(SYS_writev, fd, at, 2);
	     }));
	CALL(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair);
	note("datagram %ld", CALL(SYS_write, pair[0], end - 10, 20));
	note("datagram %ld", CALL(SYS_sendto, pair[0], end - 10, 20, 0, NULL, 0));
	note("nothing sent %ld", CALL(SYS_recvfrom, pair[1], text, 20, MSG_DONTWAIT, NULL, NULL));
	note("stat %ld", CALL(SYS_fstat, fd, end - 100));
	memset(end - 100, 'x', 100);
	note("getcwd at the end %d", CALL(SYS_getcwd, end - 60, 4096) > 0);
	note("readlink at the end %d", CALL(SYS_readlink, "/proc/self/cwd", end - 60, 4096) > 0);
	after(CALL(SYS_uname, memory), "uname %ld %s", ((struct utsname *)memory)->sysname);
}

static void read_only(void)
{
	char *memory = guarded(2);
	long fd = CALL(SYS_openat, AT_FDCWD, "file", O_RDWR | O_CREAT, 0600);
	int zero = 0;

	memset(memory, 'm', 2 * 4096);
	CALL(SYS_write, fd, memory, 5000);
	mprotect(memory + 4096, 4096, PROT_READ);
	note("write from it %ld", CALL(SYS_pwrite64, fd, memory + 4096, 10, 0));
	note("read into it %ld", CALL(SYS_pread64, fd, memory + 4096, 10, 0));
	note("read, half %ld", CALL(SYS_pread64, fd, memory + 4096 - 6, 12, 0));
	note("stat into it %ld", CALL(SYS_fstat, fd, memory + 4096));
	/* what is not changed is not written */
	memcpy(memory, &zero, 4);
	mprotect(memory, 4096, PROT_READ);
	note("ioctl out of it %ld", CALL(SYS_ioctl, fd, 0x5421 /* FIONBIO */, memory));
	mprotect(memory, 4096, PROT_NONE);
	note("none %ld", CALL(SYS_pread64, fd, memory, 10, 0));
}

const struct scenario pointer_scenarios[] = {
	{"bad_pointers", outright}, {"partly_bad", in_part}, {"read_only", read_only}, {0}};
