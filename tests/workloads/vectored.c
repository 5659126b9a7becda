/* SPDX-License-Identifier: MIT
 * readv, writev, preadv2, pwritev2 and their limits, with vectors that are long, empty and partly bad. */
#include "workload.h"
#include <sys/mman.h>
#include <sys/uio.h>

static void one_round(int fd, uint64_t seed)
{
	static unsigned char wrote[IOV_MAX][40], got[IOV_MAX][40];
	struct iovec out[IOV_MAX], in[IOV_MAX];
	size_t total = 0;
	for (int i = 0; i < IOV_MAX; i++) {
		size_t bytes = (size_t)((i * 7 + (int)(seed % 13)) % 40);
		workload_fill(wrote[i], bytes, seed + (uint64_t)i);
		out[i] = (struct iovec){wrote[i], bytes};
		in[i] = (struct iovec){got[i], bytes};
		total += bytes;
	}
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	CHECK(writev(fd, out, IOV_MAX) == (ssize_t)total);
	CHECK(lseek(fd, 0, SEEK_SET) == 0 && readv(fd, in, IOV_MAX) == (ssize_t)total);
	for (int i = 0; i < IOV_MAX; i++)
		CHECK(memcmp(wrote[i], got[i], in[i].iov_len) == 0);
	memset(got, 0, sizeof(got));
	CHECK(preadv(fd, in + 500, 20, 0) > 0);
	CHECK(pwritev2(fd, out, 3, 0, RWF_DSYNC) == (ssize_t)(out[0].iov_len + out[1].iov_len + out[2].iov_len));
	CHECK(preadv2(fd, in, 3, 0, 0) == (ssize_t)(out[0].iov_len + out[1].iov_len + out[2].iov_len));
	off_t here = lseek(fd, 10, SEEK_SET);
	CHECK(preadv2(fd, in, 2, -1, 0) >= 0 && lseek(fd, 0, SEEK_CUR) >= here);
	CHECK(writev(fd, out, 0) == 0);
	CHECK_ERRNO(writev(fd, out, IOV_MAX + 1), EINVAL);
	CHECK_ERRNO(preadv2(fd, in + 1, 3, 0, 0x40000000), EOPNOTSUPP);
	struct iovec negative = {wrote, (size_t)-1};
	CHECK_ERRNO(writev(fd, &negative, 1), EINVAL);
	CHECK_ERRNO(readv(fd, (struct iovec *)8, 1), EFAULT);
	struct iovec bad = {(void *)16, 10};
	CHECK_ERRNO(writev(fd, &bad, 1), EFAULT);
}

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	workload_enter();
	int fd = open("data", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0);
	for (uint64_t seed = 1; workload_running(); seed++)
		one_round(fd, seed);
	CHECK(close(fd) == 0 && unlink("data") == 0);
	workload_leave();
	return workload_ok("vectored");
}
