/* SPDX-License-Identifier: MIT
 *
 * Maps memory and looks at it as it is told: one command a line on standard input, one answer a line on standard
 * output. Mappings have numbers, and the place that goes with the number: at AT(number).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define AT(number) ((char *)0x100000000000ull + ((uint64_t)(number) << 32))
#define PAGE       4096u

static void say(long result)
{
	char line[64];
	int bytes = snprintf(line, sizeof(line), "%ld\n", result < 0 ? -errno : result);

	if (write(1, line, bytes) != bytes)
		_exit(1);
}

static long map(unsigned number, uint64_t bytes, int protection, int flags, int fd)
{
	return mmap(AT(number), bytes, protection, flags | MAP_FIXED_NOREPLACE, fd, 0) == AT(number) ? 0 : -1;
}

static long map_file(const char *path, unsigned number, uint64_t bytes, int access, int protection, int flags)
{
	int fd = open(path, access);
	long result = fd < 0 ? -1 : map(number, bytes, protection, flags, fd);

	if (fd >= 0)
		close(fd);
	return result;
}

static long make_memfd(unsigned number, uint64_t bytes)
{
	int fd = memfd_create("shared", MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, bytes) || map(number, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd))
		return -1;
	return fd;
}

/* A word in each page, told by its place and the seed. */
static long fill(unsigned number, uint64_t from, uint64_t bytes, uint64_t seed)
{
	for (uint64_t at = from; at < from + bytes; at += PAGE)
		*(uint64_t *)(AT(number) + at) = seed ? (at + seed) * 0x9e3779b97f4a7c15ull : 0;
	return 0;
}

/* How many of these pages are not as fill left them. */
static long differ(unsigned number, uint64_t from, uint64_t bytes, uint64_t seed)
{
	long wrong = 0;

	for (uint64_t at = from; at < from + bytes; at += PAGE)
		wrong += *(uint64_t *)(AT(number) + at) != (seed ? (at + seed) * 0x9e3779b97f4a7c15ull : 0);
	return wrong;
}

/* Leaves room for so many descriptors. */
static long exhaust(unsigned room)
{
	int fd = dup(1);
	struct rlimit limit = {fd + room, fd + room};

	close(fd);
	return setrlimit(RLIMIT_NOFILE, &limit);
}

static long obey(char *line)
{
	static const int both = PROT_READ | PROT_WRITE;
	char verb[32] = "", path[256] = "";
	uint64_t number = 0, a = 0, b = 0, c = 0;

	if (sscanf(line, "%31s %lu %lu %lu %lu %255s", verb, &number, &a, &b, &c, path) < 1)
		return -1;
	if (!strcmp(verb, "anonymous"))
		return map(number, a, both, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	if (!strcmp(verb, "memfd"))
		return make_memfd(number, a);
	if (!strcmp(verb, "seal"))
		return fcntl(number, F_ADD_SEALS, (int)a);
	if (!strcmp(verb, "close"))
		return close(number);
	if (!strcmp(verb, "share"))
		return map_file(path, number, a, O_RDWR, both, MAP_SHARED);
	if (!strcmp(verb, "watch"))
		return map_file(path, number, a, O_RDONLY, PROT_READ, MAP_SHARED);
	if (!strcmp(verb, "copy"))
		return map_file(path, number, a, O_RDONLY, PROT_READ, MAP_PRIVATE);
	if (!strcmp(verb, "again"))
		return mremap(AT(number), 0, b, MREMAP_MAYMOVE | MREMAP_FIXED, AT(a)) == AT(a) ? 0 : -1;
	if (!strcmp(verb, "unmap"))
		return munmap(AT(number) + a, b);
	if (!strcmp(verb, "fill"))
		return fill(number, a, b, c);
	if (!strcmp(verb, "differ"))
		return differ(number, a, b, c);
	if (!strcmp(verb, "exhaust"))
		return exhaust(number);
	errno = EINVAL;
	return -1;
}

int main(void)
{
	static char line[512];
	size_t bytes = 0;

	if (write(1, "ready\n", 6) != 6)
		return 1;
	/* One byte at a time: nothing that was sent is left in here when another process goes on in our place. */
	while (read(0, line + bytes, 1) == 1) {
		if (line[bytes] != '\n') {
			bytes = (bytes + 1) % (sizeof(line) - 1);
			continue;
		}
		line[bytes] = 0;
		bytes = 0;
		say(obey(line));
	}
	return write(1, "ok\n", 3) != 3;
}
