/* SPDX-License-Identifier: MIT
 * Bytes that move inside the kernel: sendfile, splice, tee, vmsplice, copy_file_range, between files, pipes and
 * sockets. */
#include "workload.h"
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define BYTES 50000

static unsigned char wrote[BYTES], got[BYTES];

static void drain(int fd, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		ssize_t part = read(fd, got + at, bytes - at);
		CHECK(part > 0);
		at += (size_t)part;
	}
}

static void one_round(uint64_t seed)
{
	int ends[2], second[2], pair[2];
	workload_fill(wrote, BYTES, seed);
	int fd = open("from", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && write(fd, wrote, BYTES) == BYTES);
	CHECK(pipe(ends) == 0 && pipe(second) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);

	off_t offset = 100;
	CHECK(sendfile(pair[0], fd, &offset, 20000) == 20000 && offset == 20100);
	drain(pair[1], 20000);
	CHECK(memcmp(got, wrote + 100, 20000) == 0);
	CHECK(lseek(fd, 0, SEEK_SET) == 0 && sendfile(ends[1], fd, NULL, 4000) == 4000 &&
	      lseek(fd, 0, SEEK_CUR) == 4000);
	drain(ends[0], 4000);
	CHECK(memcmp(got, wrote, 4000) == 0);
	CHECK_ERRNO(sendfile(fd, pair[1], NULL, 10), EINVAL);

	loff_t from = 5000;
	CHECK(splice(fd, &from, ends[1], NULL, 30000, 0) == 30000 && from == 35000);
	CHECK(tee(ends[0], second[1], 30000, 0) == 30000);
	drain(second[0], 30000);
	CHECK(memcmp(got, wrote + 5000, 30000) == 0);
	int to = open("to", O_RDWR | O_CREAT | O_TRUNC, 0600);
	loff_t at = 10;
	ssize_t spliced = 0;
	while (spliced < 30000) {
		ssize_t part = splice(ends[0], NULL, to, &at, 30000 - (size_t)spliced, SPLICE_F_MOVE);
		CHECK(part > 0);
		spliced += part;
	}
	CHECK(at == 30010 && pread(to, got, 30000, 10) == 30000 && memcmp(got, wrote + 5000, 30000) == 0);
	CHECK_ERRNO(splice(ends[0], NULL, second[1], NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_ERRNO(splice(fd, &from, to, &at, 10, 0), EINVAL);

	struct iovec parts[2] = {{wrote, 1000}, {wrote + 7000, 2000}};
	CHECK(vmsplice(ends[1], parts, 2, 0) == 3000);
	drain(ends[0], 3000);
	CHECK(memcmp(got, wrote, 1000) == 0 && memcmp(got + 1000, wrote + 7000, 2000) == 0);

	loff_t in = 0, out = 40000;
	CHECK(copy_file_range(fd, &in, to, &out, 10000, 0) == 10000 && in == 10000 && out == 50000);
	CHECK(pread(to, got, 10000, 40000) == 10000 && memcmp(got, wrote, 10000) == 0);
	CHECK_ERRNO(copy_file_range(fd, &in, ends[1], NULL, 10, 0), EINVAL);
	for (int i = 0; i < 2; i++)
		CHECK(close(ends[i]) == 0 && close(second[i]) == 0 && close(pair[i]) == 0);
	CHECK(close(fd) == 0 && close(to) == 0 && unlink("from") == 0 && unlink("to") == 0);
}

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	workload_enter();
	for (uint64_t seed = 1; workload_running(); seed++)
		one_round(seed);
	workload_leave();
	return workload_ok("transfers");
}
