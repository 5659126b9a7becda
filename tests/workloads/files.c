/* SPDX-License-Identifier: MIT
 * open, read, write, lseek, pread, ftruncate, fallocate, rename, link, unlink, stat and fsync on one file. */
#include "workload.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

static void one_round(uint64_t seed)
{
	static unsigned char wrote[70000], got[70000];
	workload_fill(wrote, sizeof(wrote), seed);
	int fd = open("data", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	CHECK(fd >= 0);
	CHECK_ERRNO(open("data", O_RDWR | O_CREAT | O_EXCL, 0640), EEXIST);
	CHECK(write(fd, wrote, sizeof(wrote)) == sizeof(wrote));
	CHECK(lseek(fd, 0, SEEK_CUR) == sizeof(wrote));
	CHECK(lseek(fd, 100, SEEK_SET) == 100);
	CHECK(read(fd, got, 1000) == 1000);
	CHECK(memcmp(got, wrote + 100, 1000) == 0);
	CHECK(pread(fd, got, sizeof(got), 0) == sizeof(got));
	CHECK(memcmp(got, wrote, sizeof(got)) == 0);
	CHECK(lseek(fd, 0, SEEK_CUR) == 1100);
	CHECK(pread(fd, got, sizeof(got), 69990) == 10);
	CHECK(pread(fd, got, 1, 70000) == 0);
	CHECK(pwrite(fd, "hole", 4, 100000) == 4);

	struct stat status;
	CHECK(fstat(fd, &status) == 0 && status.st_size == 100004 && (status.st_mode & 07777) == 0640);
	CHECK(fstatat(AT_FDCWD, "data", &status, 0) == 0 && status.st_nlink == 1);
	struct statx extended;
	CHECK(statx(AT_FDCWD, "data", 0, STATX_BASIC_STATS, &extended) == 0 && extended.stx_size == 100004);
	CHECK(pread(fd, got, 8, 90000) == 8 && memcmp(got, "\0\0\0\0\0\0\0\0", 8) == 0);
	CHECK(ftruncate(fd, 5000) == 0 && lseek(fd, 0, SEEK_END) == 5000);
	CHECK(truncate("data", 6000) == 0 && lseek(fd, 0, SEEK_END) == 6000);
	int answer = fallocate(fd, 0, 0, 20000);
	CHECK(answer == 0 || errno == EOPNOTSUPP);
	CHECK(fsync(fd) == 0 && fdatasync(fd) == 0);
	CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL) == 0);

	CHECK(link("data", "second") == 0 && fstat(fd, &status) == 0 && status.st_nlink == 2);
	CHECK(rename("second", "third") == 0 && access("second", F_OK) == -1 && errno == ENOENT);
	CHECK(renameat2(AT_FDCWD, "third", AT_FDCWD, "data", RENAME_NOREPLACE) == -1 && errno == EEXIST);
	CHECK(chmod("third", 0600) == 0 && fstat(fd, &status) == 0 && (status.st_mode & 07777) == 0600);
	CHECK(access("third", R_OK) == 0 && faccessat(AT_FDCWD, "third", R_OK, 0) == 0);

	int copy = open("copy", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	CHECK(copy >= 0);
	CHECK(write(copy, "one", 3) == 3 && lseek(copy, 0, SEEK_SET) == 0 && write(copy, "two", 3) == 3);
	CHECK(pread(copy, got, 6, 0) == 6 && memcmp(got, "onetwo", 6) == 0);
	CHECK(close(copy) == 0);
	copy = open("copy", O_RDWR | O_TRUNC);
	CHECK(copy >= 0);
	off_t from = 0;
	CHECK(sendfile(copy, fd, &from, 3000) == 3000 && from == 3000);
	loff_t in = 0, out = 3000;
	CHECK(copy_file_range(fd, &in, copy, &out, 1000, 0) == 1000 && in == 1000 && out == 4000);
	CHECK(pread(copy, got, 4000, 0) == 4000);
	CHECK(memcmp(got, wrote, 3000) == 0 && memcmp(got + 3000, wrote, 1000) == 0);

	CHECK(unlink("data") == 0 && unlink("third") == 0 && unlink("copy") == 0);
	CHECK(fstat(fd, &status) == 0 && status.st_nlink == 0);
	CHECK(pread(fd, got, 100, 0) == 100 && memcmp(got, wrote, 100) == 0);
	int twin = dup(fd);
	CHECK(twin >= 0 && lseek(twin, 17, SEEK_SET) == 17 && lseek(fd, 0, SEEK_CUR) == 17);
	CHECK(dup3(fd, twin, O_CLOEXEC) == twin && fcntl(twin, F_GETFD) == FD_CLOEXEC);
	CHECK(close(twin) == 0 && close(copy) == 0 && close(fd) == 0);
	CHECK_ERRNO(close(fd), EBADF);
	CHECK_ERRNO(read(fd, got, 1), EBADF);
}

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	workload_enter();
	for (uint64_t seed = 1; workload_running(); seed++)
		one_round(seed);
	workload_leave();
	return workload_ok("files");
}
