/* SPDX-License-Identifier: MIT
 * Files mapped privately: content, copy on write, the end of the file and beyond, MADV_DONTNEED, shared libraries. */
#include "workload.h"
#include <dlfcn.h>
#include <setjmp.h>
#include <sys/mman.h>

static sigjmp_buf recover;

static void on_bus(int signo)
{
	siglongjmp(recover, signo);
}

static void pause_briefly(void)
{
	usleep(2000);
}

static void one_round(uint64_t seed)
{
	static unsigned char content[9000];
	workload_fill(content, sizeof(content), seed);
	int fd = open("mapped", O_CREAT | O_RDWR | O_TRUNC, 0600);
	CHECK(fd >= 0 && write(fd, content, sizeof(content)) == sizeof(content));
	unsigned char *map = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED);
	/* Shared by a descriptor that cannot write: one that could is writable memory to others, and stays at home. */
	int readable = open("mapped", O_RDONLY);
	CHECK(readable >= 0);
	unsigned char *tail = mmap(NULL, 4096, PROT_READ, MAP_SHARED, readable, 4096);
	CHECK(close(readable) == 0);
	CHECK(tail != MAP_FAILED);
	CHECK(memcmp(map, content, sizeof(content)) == 0 && map[9000] == 0 && memcmp(tail, content + 4096, 4096) == 0);
	pause_briefly();
	map[5] = (unsigned char)~content[5];
	map[5000] = (unsigned char)~content[5000];
	CHECK(tail[5000 - 4096] == content[5000]);
	pause_briefly();
	CHECK(map[5] == (unsigned char)~content[5] && map[6] == content[6]);
	unsigned char byte;
	CHECK(pread(fd, &byte, 1, 5) == 1 && byte == content[5]);
	CHECK(madvise(map, 4096, MADV_DONTNEED) == 0 && map[5] == content[5] &&
	      map[5000] == (unsigned char)~content[5000]);
	CHECK(signal(SIGBUS, on_bus) != SIG_ERR);
	volatile int gave = sigsetjmp(recover, 1);
	if (gave == 0) {
		byte = *(volatile unsigned char *)(map + 12288);
		CHECK(!"read behind the end of the file");
	}
	CHECK(gave == SIGBUS);
	CHECK(close(fd) == 0);
	CHECK(mprotect(map, 4096, PROT_READ) == 0 && memcmp(map, content, 4096) == 0);
	CHECK(munmap(map + 4096, 4096) == 0 && munmap(map, 4096) == 0 && munmap(map + 8192, 8192) == 0);
	CHECK(munmap(tail, 4096) == 0 && unlink("mapped") == 0);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 999, 0) == MAP_FAILED && errno == EBADF);
	fd = open(".", O_RDONLY);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == ENODEV && close(fd) == 0);
}

static void library(void)
{
	void *handle = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
	CHECK(handle != NULL);
	double (*square_root)(double) = (double (*)(double))dlsym(handle, "sqrt");
	CHECK(square_root != NULL && square_root(1764.0) == 42.0);
	CHECK(dlclose(handle) == 0);
}

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	workload_enter();
	for (uint64_t seed = 1; workload_running(); seed++) {
		one_round(seed);
		library();
	}
	workload_leave();
	return workload_ok("filemaps");
}
