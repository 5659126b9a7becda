/* SPDX-License-Identifier: MIT
 * Single calls with very large buffers: 24 MiB written and read back in one go, a pipe fed more than it holds, large
 * datagrams. */
#include "workload.h"
#include <sys/socket.h>
#include <sys/uio.h>

#define BIG (24u << 20)

/* A write that waits for its reader comes back short when the process is stopped meanwhile and continued (SIGSTOP,
 * SIGCONT, or a tracer: pipe_write in the kernel), so that every program has to write the rest. */
static void write_all(int fd, const unsigned char *from, size_t bytes)
{
	while (bytes > 0) {
		ssize_t part = write(fd, from, bytes);
		CHECK(part > 0 && (size_t)part <= bytes);
		from += part;
		bytes -= (size_t)part;
	}
}

int main(int argc, char **argv)
{
	unsigned char *wrote = malloc(BIG), *got = malloc(BIG);
	CHECK(wrote != NULL && got != NULL);
	workload_fill(wrote, BIG, 5);
	workload_enter();
	int fd = open("big", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0);
	workload_begin(argc, argv);
	while (workload_running()) {
		CHECK(pwrite(fd, wrote, BIG, 0) == BIG);
		memset(got, 0, BIG);
		CHECK(pread(fd, got, BIG, 0) == BIG && memcmp(wrote, got, BIG) == 0);
		CHECK(lseek(fd, 1000, SEEK_SET) == 1000 && read(fd, got, BIG) == BIG - 1000);
		CHECK(memcmp(wrote + 1000, got, BIG - 1000) == 0);
		struct iovec parts[2] = {{got, 3000001}, {got + 3000001, 5000003}};
		CHECK(preadv(fd, parts, 2, 7) == 8000004 && memcmp(wrote + 7, got, 8000004) == 0);

		int ends[2];
		CHECK(pipe(ends) == 0);
		pid_t reader = fork();
		CHECK(reader >= 0);
		if (reader == 0) {
			close(ends[1]);
			uint64_t total = 0;
			for (ssize_t part; (part = read(ends[0], got, 100000)) > 0; total += (uint64_t)part)
				if (memcmp(got, wrote + total, (size_t)part) != 0)
					_exit(1);
			_exit(total == BIG ? 0 : 2);
		}
		CHECK(close(ends[0]) == 0);
		write_all(ends[1], wrote, BIG);
		CHECK(close(ends[1]) == 0);
		int status;
		CHECK(waitpid(reader, &status, 0) == reader && status == 0);

		int pair[2];
		CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
		CHECK(send(pair[0], wrote, 150000, 0) == 150000);
		CHECK(recv(pair[1], got, 200000, 0) == 150000 && memcmp(wrote, got, 150000) == 0);
		CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
	}
	CHECK(close(fd) == 0 && unlink("big") == 0);
	workload_leave();
	return workload_ok("bigio");
}
