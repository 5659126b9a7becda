/* SPDX-License-Identifier: MIT
 * Pointers that are wrong in calls of every class give EFAULT (or what the kernel finds first), and partly good buffers
 * are used as far as they go. */
#include "workload.h"
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#define BAD    ((void *)0x10)
#define KERNEL ((void *)0xffffffff81000000ul)

static void one_round(int fd, int pipe_ends[2])
{
	char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(edge != MAP_FAILED && munmap(edge + 4096, 4096) == 0);
	memset(edge, 'e', 4096);
	CHECK_ERRNO(write(pipe_ends[1], BAD, 10), EFAULT);
	CHECK_ERRNO(write(pipe_ends[1], KERNEL, 10), EFAULT);
	CHECK_ERRNO(write(-1, BAD, 10), EBADF);
	CHECK(write(pipe_ends[1], BAD, 0) == 0);
	CHECK_ERRNO(read(fd, BAD, 10), EFAULT);
	CHECK_ERRNO(open(BAD, O_RDONLY), EFAULT);
	CHECK_ERRNO(open(edge + 4090, O_RDONLY), EFAULT);
	struct stat status;
	CHECK_ERRNO(syscall(SYS_newfstatat, AT_FDCWD, "/", BAD, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_newfstatat, AT_FDCWD, BAD, &status, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_getcwd, BAD, 100), EFAULT);
	CHECK_ERRNO(syscall(SYS_pipe2, BAD, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_uname, BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_statfs, "/", BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_poll, BAD, 1, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_select, 1, BAD, NULL, NULL, NULL), EFAULT);
	CHECK_ERRNO(syscall(SYS_readv, fd, BAD, 1), EFAULT);
	CHECK_ERRNO(syscall(SYS_sendmsg, pipe_ends[0], BAD, 0), ENOTSOCK);
	CHECK_ERRNO(syscall(SYS_getrlimit, 7, BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_times, BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_getrusage, 0, BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, BAD, NULL, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, BAD, NULL, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_nanosleep, BAD, NULL), EFAULT);
	CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_ioctl, pipe_ends[0], 0x541b /* FIONREAD */, BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_utimensat, AT_FDCWD, "/", BAD, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_execve, BAD, NULL, NULL), EFAULT);
	int pair[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	CHECK_ERRNO(syscall(SYS_sendmsg, pair[0], BAD, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_getsockopt, pair[0], SOL_SOCKET, SO_TYPE, BAD, BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_bind, pair[0], BAD, 16), EFAULT);
	CHECK_ERRNO(syscall(SYS_sendto, pair[0], BAD, 5, 0, NULL, 0), EFAULT);
	CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
	int epoll = epoll_create1(0);
	CHECK_ERRNO(syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, pipe_ends[0], BAD), EFAULT);
	CHECK(close(epoll) == 0);
	/* A buffer that ends in nothing is used as far as it goes. */
	ssize_t put = write(pipe_ends[1], edge + 4000, 500);
	CHECK(put == 96 || (put == -1 && errno == EFAULT));
	char back[200];
	if (put == 96)
		CHECK(read(pipe_ends[0], back, sizeof(back)) == 96 && back[95] == 'e');
	struct iovec parts[2] = {{edge, 10}, {BAD, 10}};
	put = writev(pipe_ends[1], parts, 2);
	CHECK(put == 10 || (put == -1 && errno == EFAULT));
	if (put == 10)
		CHECK(read(pipe_ends[0], back, sizeof(back)) == 10);
	CHECK(munmap(edge, 4096) == 0);
}

int main(int argc, char **argv)
{
	int pipe_ends[2];
	CHECK(pipe(pipe_ends) == 0);
	int fd = open("/etc/passwd", O_RDONLY);
	CHECK(fd >= 0);
	workload_begin(argc, argv);
	while (workload_running())
		one_round(fd, pipe_ends);
	return workload_ok("badpointers");
}
