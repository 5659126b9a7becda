/* SPDX-License-Identifier: MIT
 * mkdir, getdents, rmdir, chdir, getcwd, symlinks, umask, statfs, mkfifo. */
#include "workload.h"
#include <dirent.h>
#include <sys/statfs.h>

static void one_round(void)
{
	char path[PATH_MAX], target[PATH_MAX];
	CHECK(mkdir("dir", 0755) == 0);
	CHECK_ERRNO(mkdir("dir", 0755), EEXIST);
	for (int i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "dir/a rather long name of a file, number %03d", i);
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		CHECK(fd >= 0 && close(fd) == 0);
	}
	CHECK_ERRNO(rmdir("dir"), ENOTEMPTY);
	DIR *directory = opendir("dir");
	CHECK(directory != NULL);
	long sum = 0, entries = 0;
	for (struct dirent *entry; (errno = 0, entry = readdir(directory)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		const char *digits = strrchr(entry->d_name, ' ');
		CHECK(digits != NULL);
		sum += strtol(digits + 1, NULL, 10);
		entries++;
	}
	CHECK(errno == 0 && entries == 200 && sum == 199 * 100);
	CHECK(closedir(directory) == 0);

	CHECK(chdir("dir") == 0 && getcwd(path, sizeof(path)) != NULL);
	CHECK(strcmp(path + strlen(path) - 4, "/dir") == 0);
	char tiny[2];
	CHECK(getcwd(tiny, sizeof(tiny)) == NULL && errno == ERANGE);
	int up = open("..", O_PATH | O_DIRECTORY);
	CHECK(up >= 0 && fchdir(up) == 0 && close(up) == 0);

	CHECK(symlink("dir/../dir", "sym") == 0);
	ssize_t length = readlink("sym", target, sizeof(target));
	CHECK(length == 10 && memcmp(target, "dir/../dir", 10) == 0);
	CHECK(readlink("sym", target, 3) == 3);
	CHECK_ERRNO(readlink("dir", target, sizeof(target)), EINVAL);
	struct stat status;
	CHECK(lstat("sym", &status) == 0 && S_ISLNK(status.st_mode));
	CHECK(stat("sym", &status) == 0 && S_ISDIR(status.st_mode));
	CHECK(symlink("loop", "loop") == 0);
	CHECK_ERRNO(open("loop", O_RDONLY), ELOOP);
	CHECK(unlink("loop") == 0 && unlink("sym") == 0);

	mode_t before = umask(027);
	int fd = open("masked", O_CREAT | O_WRONLY, 0666);
	CHECK(fd >= 0 && fstat(fd, &status) == 0 && (status.st_mode & 0777) == 0640);
	CHECK(umask(before) == 027 && close(fd) == 0 && unlink("masked") == 0);

	CHECK(mkfifo("fifo", 0600) == 0 && stat("fifo", &status) == 0 && S_ISFIFO(status.st_mode));
	fd = open("fifo", O_RDWR | O_NONBLOCK);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1 && read(fd, tiny, 1) == 1 && tiny[0] == 'x');
	CHECK(close(fd) == 0 && unlink("fifo") == 0);
	struct statfs filesystem;
	CHECK(statfs(".", &filesystem) == 0 && filesystem.f_bsize > 0);

	for (int i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "dir/a rather long name of a file, number %03d", i);
		CHECK(unlink(path) == 0);
	}
	CHECK(rmdir("dir") == 0);
}

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	workload_enter();
	while (workload_running())
		one_round();
	workload_leave();
	return workload_ok("directories");
}
