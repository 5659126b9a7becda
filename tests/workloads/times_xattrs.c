/* SPDX-License-Identifier: MIT
 * utimensat with and without times, futimens, extended attributes. */
#include "workload.h"
#include <sys/xattr.h>

static void one_round(void)
{
	int fd = open("file", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0);
	struct timespec times[2] = {{.tv_sec = 1000000000, .tv_nsec = 5000}, {.tv_sec = 1100000000, .tv_nsec = 7000}};
	CHECK(futimens(fd, times) == 0);
	struct stat status;
	CHECK(fstat(fd, &status) == 0 && status.st_atim.tv_sec == 1000000000 && status.st_mtim.tv_sec == 1100000000);
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_sec = 1200000000;
	CHECK(utimensat(AT_FDCWD, "file", times, 0) == 0);
	CHECK(stat("file", &status) == 0 && status.st_atim.tv_sec == 1000000000 && status.st_mtim.tv_sec == 1200000000);
	CHECK(utimensat(AT_FDCWD, "file", NULL, 0) == 0);
	CHECK(stat("file", &status) == 0 && status.st_mtim.tv_sec > 1600000000);
	times[0].tv_nsec = 2000000000;
	CHECK_ERRNO(futimens(fd, times), EINVAL);

	char value[64], list[256];
	if (fsetxattr(fd, "user.om", "value", 5, XATTR_CREATE) == 0) {
		CHECK_ERRNO(fsetxattr(fd, "user.om", "value", 5, XATTR_CREATE), EEXIST);
		CHECK(getxattr("file", "user.om", NULL, 0) == 5);
		CHECK(getxattr("file", "user.om", value, sizeof(value)) == 5 && memcmp(value, "value", 5) == 0);
		CHECK_ERRNO(getxattr("file", "user.om", value, 2), ERANGE);
		CHECK(flistxattr(fd, list, sizeof(list)) == 8 && strcmp(list, "user.om") == 0);
		CHECK(removexattr("file", "user.om") == 0);
		CHECK_ERRNO(fgetxattr(fd, "user.om", value, sizeof(value)), ENODATA);
	} else {
		CHECK(errno == EOPNOTSUPP);
	}
	CHECK(close(fd) == 0 && unlink("file") == 0);
}

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	workload_enter();
	while (workload_running())
		one_round();
	workload_leave();
	return workload_ok("times_xattrs");
}
