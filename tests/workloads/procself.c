/* SPDX-License-Identifier: MIT
 * What /proc says of oneself: descriptors, command line, status, limits, memory map, working directory. */
#include "workload.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static size_t slurp(const char *path, char *buffer, size_t capacity)
{
	int fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	size_t total = 0;
	for (ssize_t part; (part = read(fd, buffer + total, capacity - 1 - total)) > 0; total += (size_t)part)
		;
	buffer[total] = '\0';
	CHECK(close(fd) == 0);
	return total;
}

static int descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	CHECK(directory != NULL);
	int count = 0;
	while (readdir(directory))
		count++;
	CHECK(closedir(directory) == 0);
	return count;
}

int main(int argc, char **argv)
{
	static char text[1 << 20];
	char expected[200], link[PATH_MAX];
	int open_at_first = descriptors();
	workload_begin(argc, argv);
	while (workload_running()) {
		CHECK(descriptors() == open_at_first);
		CHECK(slurp("/proc/self/cmdline", text, sizeof(text)) > 0 && strcmp(text, argv[0]) == 0);
		snprintf(expected, sizeof(expected), "\nPid:\t%d\n", getpid());
		slurp("/proc/self/status", text, sizeof(text));
		CHECK(strstr(text, expected) != NULL);
		snprintf(expected, sizeof(expected), "/proc/%d/limits", getpid());
		CHECK(slurp(expected, text, sizeof(text)) > 0 && strstr(text, "Max open files") != NULL);
		ssize_t length = readlink("/proc/self/exe", link, sizeof(link) - 1);
		CHECK(length > 0);
		link[length] = '\0';
		CHECK(strstr(link, "procself") != NULL);
		void *map = mmap(NULL, 12288, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(map != MAP_FAILED);
		snprintf(expected, sizeof(expected), "%lx-", (unsigned long)map);
		slurp("/proc/self/maps", text, sizeof(text));
		CHECK(strstr(text, "[stack]") != NULL && strstr(text, "procself") != NULL);
		CHECK(munmap(map, 12288) == 0);
		CHECK(prctl(PR_SET_NAME, "other name") == 0 && prctl(PR_GET_NAME, text) == 0);
		CHECK(strcmp(text, "other name") == 0);
		slurp("/proc/self/comm", text, sizeof(text));
		CHECK(strcmp(text, "other name\n") == 0);
		CHECK(prctl(PR_SET_NAME, "procself") == 0);
		CHECK_ERRNO(open("/proc/self/nothing", O_RDONLY), ENOENT);
	}
	return workload_ok("procself");
}
