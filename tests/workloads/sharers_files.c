/* SPDX-License-Identifier: MIT
 * Files that are memory of several processes: memfd_create(2) with its descriptor closed and kept, files of /dev/shm
 * without a name and with one, a named semaphore, and an ordinary file written through its mapping. The kernel keeps a
 * mapping and read(2), write(2), ftruncate(2) of its file the same thing at every moment.
 *
 *   sharers_files [MILLISECONDS | eof] [PART...] */
#include "sharers.h"

#define PAGES 4

/* Of the working directory, which nobody else has: a name for memory, and one for a semaphore. */
static const char *name;
static char ordinary_path[PATH_MAX + 16];

static void remove_names(void)
{
	shm_unlink(name);
	sem_unlink(name);
	unlink(ordinary_path);
	rmdir(workload_directory);
}

static unsigned char *map_file(int fd, size_t bytes, int protection, off_t offset)
{
	void *at = mmap(NULL, bytes, protection, MAP_SHARED, fd, offset);
	CHECK(at != MAP_FAILED);
	return at;
}

static off_t size_of(int fd)
{
	struct stat status;
	CHECK(fstat(fd, &status) == 0);
	return status.st_size;
}

/* Two pages of talk between a parent and a child, in which each writes one and checks the other, thrice. */
struct talk {
	sem_t ready, go;
	unsigned char down[PAGE - 2 * sizeof(sem_t)], up[PAGE];
};

static void talk_begin(struct talk *talk)
{
	CHECK(sem_init(&talk->ready, 1, 0) == 0 && sem_init(&talk->go, 1, 0) == 0);
}

static void talk_down(struct talk *talk, uint64_t seed)
{
	for (uint64_t i = 0; i < 3; i++) {
		workload_fill(talk->down, sizeof(talk->down), seed + i);
		CHECK(sem_post(&talk->go) == 0 && sem_wait(&talk->ready) == 0);
		CHECK_CONTENT(talk->up, PAGE, seed + i + 10);
	}
}

static void talk_up(struct talk *talk, uint64_t seed)
{
	for (uint64_t i = 0; i < 3; i++) {
		CHECK(sem_wait(&talk->go) == 0);
		CHECK_CONTENT(talk->down, sizeof(talk->down), seed + i);
		workload_fill(talk->up, PAGE, seed + i + 10);
		CHECK(sem_post(&talk->ready) == 0);
	}
}

/* What only mappings know of: two of one process, of different parts, and the child's; its end is inside a page. */
static void memfd_closed(uint64_t seed)
{
	int fd = memfd_create("sharers", MFD_CLOEXEC);
	CHECK(fd >= 0 && ftruncate(fd, 3 * PAGE + 100) == 0);
	struct talk *talk = (void *)map_file(fd, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, 0);
	unsigned char *all = (void *)talk, *part = map_file(fd, 2 * PAGE, PROT_READ, PAGE);
	CHECK(close(fd) == 0);
	talk_begin(talk);
	workload_fill(all + 2 * PAGE, PAGE + 100, seed + 20);
	pid_t child = family_forked(10);
	if (child == 0) {
		talk_up(talk, seed);
		CHECK_CONTENT(all + 2 * PAGE, PAGE + 100, seed + 20);
		WRITE_FAULTS(part, SIGSEGV, SEGV_ACCERR);
		_exit(10);
	}
	talk_down(talk, seed);
	CHECK_CONTENT(part, PAGE, seed + 12);
	CHECK_CONTENT(all + 3 * PAGE + 100, PAGE - 100, 0);
	READ_FAULTS(all + 4 * PAGE, SIGBUS, BUS_ADRERR);
	family_reap(child);
	CHECK(madvise(all + PAGE, PAGE, MADV_REMOVE) == 0);
	CHECK_CONTENT(part, PAGE, 0);
	CHECK(munmap(all, 2 * PAGE) == 0 && munmap(part, 2 * PAGE) == 0);
	CHECK_CONTENT(all + 2 * PAGE, PAGE + 100, seed + 20);
	CHECK(munmap(all + 2 * PAGE, 3 * PAGE) == 0);
}

/* Mapping and descriptor, in both processes. */
static void memfd_open(uint64_t seed)
{
	static unsigned char buffer[2 * PAGE];
	char path[64];
	int fd = memfd_create("sharers", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(fd >= 0 && ftruncate(fd, PAGES * PAGE) == 0);
	struct talk *talk = (void *)map_file(fd, PAGES * PAGE, PROT_READ | PROT_WRITE, 0);
	unsigned char *data = (unsigned char *)talk + 2 * PAGE;
	talk_begin(talk);
	workload_fill(buffer, sizeof(buffer), seed + 20);
	CHECK(pwrite(fd, buffer, 2 * PAGE, 2 * PAGE) == 2 * PAGE);
	CHECK_CONTENT(data, 2 * PAGE, seed + 20);
	workload_fill(data + 50, PAGE, seed + 21);
	CHECK(pread(fd, buffer, PAGE, 2 * PAGE + 50) == PAGE);
	CHECK_CONTENT(buffer, PAGE, seed + 21);
	pid_t child = family_forked(11);
	if (child == 0) {
		talk_up(talk, seed);
		workload_fill(buffer, PAGE, seed + 22);
		CHECK(lseek(fd, 2 * PAGE, SEEK_SET) == 2 * PAGE && write(fd, buffer, PAGE) == PAGE);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		int again = open(path, O_RDONLY);
		CHECK(again >= 0 && pread(again, buffer, PAGE, PAGE) == PAGE);
		CHECK_CONTENT(buffer, PAGE, seed + 12);
		CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * PAGE, PAGE) == 0);
		_exit(11);
	}
	talk_down(talk, seed);
	family_reap(child);
	CHECK_CONTENT(data, PAGE, seed + 22);
	CHECK_CONTENT(data + PAGE, PAGE, 0);
	CHECK_IS(lseek(fd, 0, SEEK_CUR), 3 * PAGE);
	memset(data + PAGE, 5, PAGE);
	CHECK(ftruncate(fd, 3 * PAGE - 10) == 0);
	READ_FAULTS(data + PAGE, SIGBUS, BUS_ADRERR);
	CHECK(ftruncate(fd, PAGES * PAGE) == 0);
	CHECK_CONTENT(data + PAGE - 10, PAGE + 10, 0);
	CHECK_CONTENT(talk->up, PAGE, seed + 12);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	CHECK_ERRNO(ftruncate(fd, PAGE), EPERM);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK(munmap(talk, PAGES * PAGE) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	CHECK_IS(size_of(fd), PAGES * PAGE);
	CHECK(close(fd) == 0);
}

static void unlinked(uint64_t seed)
{
	int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(fd >= 0 && shm_unlink(name) == 0 && ftruncate(fd, PAGES * PAGE) == 0);
	struct talk *talk = (void *)map_file(fd, PAGES * PAGE, PROT_READ | PROT_WRITE, 0);
	talk_begin(talk);
	pid_t child = family_forked(12);
	if (child == 0) {
		CHECK(close(fd) == 0);
		talk_up(talk, seed);
		_exit(12);
	}
	CHECK(close(fd) == 0);
	talk_down(talk, seed);
	family_reap(child);
	CHECK_CONTENT(talk->up + PAGE, 2 * PAGE, 0);
	CHECK(munmap(talk, PAGES * PAGE) == 0);
}

/* A file that the child knows by its name alone, and maps at a place of its own. */
static void named(uint64_t seed)
{
	int said[2], go[2];
	CHECK(pipe(said) == 0 && pipe(go) == 0);
	pid_t child = family_forked(13);
	if (child == 0) {
		CHECK_IS(get(go[0]), seed);
		CHECK_ERRNO(shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
		int fd = shm_open(name, O_RDWR, 0);
		CHECK(fd >= 0);
		CHECK_IS(size_of(fd), PAGES * PAGE);
		unsigned char *before = map_file(fd, PAGE, PROT_READ, 2 * PAGE);
		struct talk *talk = (void *)map_file(fd, 2 * PAGE, PROT_READ | PROT_WRITE, 0);
		CHECK(close(fd) == 0);
		CHECK_CONTENT(before, PAGE, seed + 20);
		put(said[1], seed);
		talk_up(talk, seed);
		CHECK_IS(get(go[0]), seed + 1);
		CHECK_ERRNO(shm_open(name, O_RDWR, 0), ENOENT);
		CHECK_CONTENT(before, PAGE, seed + 21);
		_exit(13);
	}
	int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(fd >= 0 && ftruncate(fd, PAGES * PAGE) == 0);
	struct talk *talk = (void *)map_file(fd, PAGES * PAGE, PROT_READ | PROT_WRITE, 0);
	CHECK(close(fd) == 0);
	talk_begin(talk);
	workload_fill(talk->up + PAGE, PAGE, seed + 20);
	put(go[1], seed);
	CHECK_IS(get(said[0]), seed);
	talk_down(talk, seed);
	CHECK(shm_unlink(name) == 0);
	workload_fill(talk->up + PAGE, PAGE, seed + 21);
	put(go[1], seed + 1);
	family_reap(child);
	for (int i = 0; i < 2; i++)
		CHECK(close(said[i]) == 0 && close(go[i]) == 0);
	CHECK(munmap(talk, PAGES * PAGE) == 0);
}

/* sem_open(3): one counts up and waits in turn, the other the same; the count is checked whenever it is known. */
static void semaphore(uint64_t seed)
{
	uint64_t *turns = map_shared(PAGE);
	int left = -1;
	sem_t *mine = sem_open(name, O_CREAT | O_EXCL, 0600, 0), *done = (sem_t *)(turns + 8);
	CHECK(mine != SEM_FAILED && sem_init(done, 1, 0) == 0);
	pid_t child = family_forked(14);
	if (child == 0) {
		CHECK(sem_close(mine) == 0);
		sem_t *own = sem_open(name, 0);
		CHECK(own != SEM_FAILED);
		for (uint64_t i = 0; i < 20; i++) {
			CHECK(sem_wait(own) == 0);
			CHECK_IS(*turns, seed + 2 * i);
			++*turns;
			CHECK(sem_post(done) == 0);
		}
		CHECK(sem_post(own) == 0 && sem_post(own) == 0);
		_exit(14);
	}
	for (uint64_t i = 0; i < 20; i++) {
		*turns = seed + 2 * i;
		CHECK(sem_post(mine) == 0 && sem_wait(done) == 0);
		CHECK_IS(*turns, seed + 2 * i + 1);
	}
	family_reap(child);
	CHECK(sem_getvalue(mine, &left) == 0);
	CHECK_IS(left, 2);
	CHECK(sem_unlink(name) == 0);
	CHECK(sem_open(name, 0) == SEM_FAILED && errno == ENOENT);
	CHECK(sem_wait(mine) == 0 && sem_trywait(mine) == 0);
	CHECK_ERRNO(sem_trywait(mine), EAGAIN);
	CHECK(sem_close(mine) == 0 && munmap(turns, PAGE) == 0);
}

/* In the working directory; what was written is there when the mappings are gone. */
static void ordinary(uint64_t seed)
{
	static unsigned char buffer[PAGE];
	int fd = open("ordinary", O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(fd >= 0 && ftruncate(fd, 3 * PAGE + 100) == 0);
	struct talk *talk = (void *)map_file(fd, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, 0);
	unsigned char *data = (unsigned char *)talk + 2 * PAGE;
	talk_begin(talk);
	workload_fill(data, PAGE + 100, seed + 20);
	CHECK(msync(talk, 4 * PAGE, MS_SYNC) == 0 && lseek(fd, 2 * PAGE, SEEK_SET) == 2 * PAGE);
	CHECK(read(fd, buffer, PAGE) == PAGE);
	CHECK_CONTENT(buffer, PAGE, seed + 20);
	pid_t child = family_forked(15);
	if (child == 0) {
		talk_up(talk, seed);
		int own = open("ordinary", O_RDWR);
		CHECK(own >= 0 && pread(own, buffer, PAGE, PAGE) == PAGE);
		CHECK_CONTENT(buffer, PAGE, seed + 12);
		workload_fill(buffer, PAGE, seed + 21);
		CHECK(pwrite(own, buffer, PAGE, 2 * PAGE) == PAGE);
		CHECK_CONTENT(data, PAGE, seed + 21);
		_exit(15);
	}
	talk_down(talk, seed);
	family_reap(child);
	CHECK_CONTENT(data, PAGE, seed + 21);
	CHECK_CONTENT(data + PAGE + 100, PAGE - 100, 0);
	READ_FAULTS(data + 2 * PAGE, SIGBUS, BUS_ADRERR);
	workload_fill(data, PAGE, seed + 22);
	CHECK(msync(data, PAGE, MS_ASYNC) == 0 && munmap(talk, (PAGES + 1) * PAGE) == 0 && close(fd) == 0);
	fd = open("ordinary", O_RDONLY);
	CHECK(fd >= 0 && pread(fd, buffer, PAGE, 2 * PAGE) == PAGE && unlink("ordinary") == 0);
	CHECK_CONTENT(buffer, PAGE, seed + 22);
	CHECK_IS(size_of(fd), 3 * PAGE + 100);
	CHECK(close(fd) == 0);
}

static const struct part parts[] = {
	{"closed", memfd_closed}, {"open", memfd_open},     {"unlinked", unlinked},
	{"named", named},         {"semaphore", semaphore}, {"ordinary", ordinary},
};

int main(int argc, char **argv)
{
	family_begin();
	workload_enter();
	name = strrchr(workload_directory, '/');
	snprintf(ordinary_path, sizeof(ordinary_path), "%s/ordinary", workload_directory);
	family_cleanup = remove_names;
	CHECK(atexit(remove_names) == 0);
	parts_run(argc, argv, parts, sizeof(parts) / sizeof(parts[0]));
	workload_leave();
	return workload_ok("sharers_files");
}
