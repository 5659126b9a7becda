/*
 * A process with memory to ship, or to ship to, for tests and benchmarks of Ship.
 *
 *   memory_child ADDRESS BYTES MODE [source FILE | target BYTES]
 *
 * Maps BYTES at ADDRESS; MODE: blank, random (no page of zeros), mixed (single pages and long runs of zeros), any of
 * them with a trailing '+' for huge pages. `source` maps FILE privately and writes one page of zeros over its second
 * page; `target` maps a blank memfd to be filled, and once more a private page of ones. Says "ready FILE_ADDRESS
 * PRIVATE_ADDRESS", then answers each line "hash ADDRESS BYTES" with a hash of that memory, until its input ends.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096UL

static void *map(void *at, size_t bytes, int flags, int fd)
{
	void *p = mmap(at, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return p;
}

static void fill(uint64_t *memory, size_t bytes, int mixed)
{
	uint64_t x = 88172645463325252UL;

	for (size_t page = 0; page < bytes / PAGE; page++) {
		if (mixed && (page % 8 == 3 || (page >= 200 && page < 600)))
			continue;
		for (size_t i = 0; i < PAGE / 8; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			memory[page * (PAGE / 8) + i] = x;
		}
	}
}

static uint64_t hash(const uint64_t *memory, size_t bytes)
{
	uint64_t h = 14695981039346656037UL;

	for (size_t i = 0; i < bytes / 8; i++)
		h = (h ^ memory[i]) * 1099511628211UL;
	return h;
}

int main(int argc, char **argv)
{
	char line[128];
	char *file = NULL;
	char *private = NULL;

	if (argc != 4 && argc != 6)
		return 2;
	size_t bytes = strtoul(argv[2], NULL, 0);
	char *memory =
		map((void *)strtoul(argv[1], NULL, 0), bytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1);

	if (strchr(argv[3], '+'))
		madvise(memory, bytes, MADV_HUGEPAGE);
	if (argv[3][0] == 'r' || argv[3][0] == 'm')
		fill((uint64_t *)memory, bytes, argv[3][0] == 'm');
	if (argc == 6 && argv[4][0] == 's') {
		struct stat status;
		int fd = open(argv[5], O_RDONLY | O_CLOEXEC);

		if (fd < 0 || fstat(fd, &status) < 0)
			return 2;
		size_t length = (status.st_size + PAGE - 1) & ~(PAGE - 1);

		file = private = map(memory + bytes, length, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd);
		memset(file + PAGE, 0, PAGE);
		close(fd);
	} else if (argc == 6) {
		size_t length = strtoul(argv[5], NULL, 0);
		int fd = memfd_create("target", MFD_CLOEXEC);

		if (fd < 0 || ftruncate(fd, length) < 0)
			return 2;
		file = map(NULL, length, MAP_SHARED, fd);
		private = map(memory + bytes, length, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1);
		memset(private, 1, length);
		close(fd);
	}
	printf("ready %#lx %#lx\n", (unsigned long)file, (unsigned long)private);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		unsigned long at, length;

		if (sscanf(line, "hash %lx %lx", &at, &length) != 2)
			return 2;
		printf("%#lx\n", (unsigned long)hash((const uint64_t *)at, length));
		fflush(stdout);
	}
	return 0;
}
