/* Finding and tracking pages. */
#include "om_probe.h"
#include "probe_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 6.7, younger than the headers this may be built with. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif
#ifndef PAGEMAP_SCAN
struct page_region {
	uint64_t start, end, categories;
};
struct pm_scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted, category_mask,
		category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN    _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_WRITTEN (1 << 1)
#define PAGE_IS_PRESENT (1 << 3)
#endif

#define PAGE  4096ul
#define PAGES 4ul

static char *region(void)
{
	char *at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return at == MAP_FAILED ? NULL : at;
}

/* How many regions of the category there are, and where the first starts. */
static int scan(const char *at, uint64_t category, uint64_t *start)
{
	struct page_region found[PAGES];
	struct pm_scan_arg ask = {
		.size = sizeof(ask),
		.start = (uintptr_t)at,
		.end = (uintptr_t)at + PAGES * PAGE,
		.vec = (uintptr_t)found,
		.vec_len = PAGES,
		.category_mask = category,
		.return_mask = category,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int ret = ioctl(fd, PAGEMAP_SCAN, &ask);
	if (ret < 0)
		ret = -errno;
	if (ret > 0)
		*start = found[0].start;
	close(fd);
	return ret;
}

int om_probe_pagemap_scan(uint64_t *unused)
{
	uint64_t start = 0;
	char *at = region();
	if (!at)
		return -errno;
	at[PAGE] = 1;
	int ret = scan(at, PAGE_IS_PRESENT, &start);
	if (ret >= 0)
		ret = ret == 1 && start == (uintptr_t)at + PAGE ? 0 : -EIO;
	munmap(at, PAGES * PAGE);
	return ret;
}

static int uffd_open(uint64_t features, uint64_t *offered)
{
	struct uffdio_api api = {.api = UFFD_API, .features = features};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api)) {
		int error = errno;
		close(fd);
		return -error;
	}
	*offered = api.features;
	return fd;
}

int om_probe_uffd(uint64_t *features)
{
	*features = 0;
	int fd = uffd_open(0, features);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int om_probe_uffd_wp_async(uint64_t *unused)
{
	uint64_t features, start = 0;
	int fd = uffd_open(UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED, &features);
	if (fd < 0)
		return fd;
	char *at = region();
	if (!at) {
		close(fd);
		return -ENOMEM;
	}
	memset(at, 1, PAGES * PAGE);
	struct uffdio_range range = {(uintptr_t)at, PAGES * PAGE};
	struct uffdio_register reg = {.range = range, .mode = UFFDIO_REGISTER_MODE_WP};
	struct uffdio_writeprotect protect = {.range = range, .mode = UFFDIO_WRITEPROTECT_MODE_WP};
	int ret = 0;
	if (ioctl(fd, UFFDIO_REGISTER, &reg) || ioctl(fd, UFFDIO_WRITEPROTECT, &protect)) {
		ret = -errno;
	} else {
		at[2 * PAGE] = 2; /* resolved by the kernel: nobody reads this fd */
		ret = scan(at, PAGE_IS_WRITTEN, &start);
		if (ret >= 0)
			ret = ret == 1 && start == (uintptr_t)at + 2 * PAGE ? 0 : -EIO;
	}
	munmap(at, PAGES * PAGE);
	close(fd);
	return ret;
}

static int is_soft_dirty(const char *at)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t got = pread(fd, &entry, sizeof(entry), (uintptr_t)at / PAGE * sizeof(entry));
	close(fd);
	return got != sizeof(entry) ? -EIO : (int)(entry >> 55 & 1);
}

/* clear_refs is of the whole process: in a child. */
static int soft_dirty(void)
{
	char *at = region();
	if (!at)
		return -ENOMEM;
	at[0] = 1;
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "4", 1) != 1)
		return -errno;
	close(fd);
	if (is_soft_dirty(at) != 0)
		return -ENOSYS;
	at[0] = 2;
	return is_soft_dirty(at) == 1 ? 0 : -ENOSYS;
}

int om_probe_soft_dirty(uint64_t *unused)
{
	return probe_in_child(soft_dirty);
}
