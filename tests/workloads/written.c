/* SPDX-License-Identifier: MIT
 * Files that one process writes through a shared mapping: of a disk, of /dev/shm, memfd_create(2)'s. The kernel keeps
 * the mapping and the file the same thing at every moment, whoever looks: the process itself by a descriptor, another
 * one by the name, by a descriptor that it inherited or was sent, and whoever comes when all that is gone.
 *
 *   written [MILLISECONDS | eof] [PART...] */
#include "sharers.h"
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PAGES 6
#define END   (PAGES * PAGE - 1000) /* inside the last page */

static const char *name;
static char file_path[PATH_MAX + 16];

static void remove_names(void)
{
	shm_unlink(name);
	unlink(file_path);
	rmdir(workload_directory);
}

/* So that a move comes in between. */
static void spend(void)
{
	uint64_t state = 1;
	for (volatile int i = 0; i < 400000; i++)
		state = state * 6364136223846793005ull + (uint64_t)i;
	CHECK(state != 0);
}

static unsigned char *mapped(int fd, int protection)
{
	unsigned char *at = mmap(NULL, PAGES * PAGE, protection, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED);
	return at;
}

static int made(void)
{
	int fd = open(file_path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && ftruncate(fd, END) == 0);
	return fd;
}

static void check_file(int fd, size_t offset, size_t bytes, uint64_t seed)
{
	static unsigned char found[PAGES * PAGE];
	CHECK_IS(pread(fd, found, bytes, (off_t)offset), bytes);
	CHECK_CONTENT(found, bytes, seed);
}

static void check_named(const char *path, uint64_t seed)
{
	int fd = open(path, O_RDONLY);
	struct stat status;
	CHECK(fd >= 0 && fstat(fd, &status) == 0);
	CHECK_IS(status.st_size, END);
	check_file(fd, 0, END, seed);
	CHECK(close(fd) == 0);
}

/* Every way to read and to write a file by a descriptor, beside its mapping. */
static void descriptor(uint64_t seed)
{
	static unsigned char buffer[2 * PAGE];
	int fd = made(), other = memfd_create("other", MFD_CLOEXEC);
	unsigned char *at = mapped(fd, PROT_READ | PROT_WRITE);
	CHECK(other >= 0);
	workload_fill(at, END, seed);
	spend();
	check_file(fd, 0, END, seed);
	workload_fill(buffer, PAGE, seed + 1);
	CHECK_IS(pwrite(fd, buffer, PAGE, PAGE), PAGE);
	spend();
	CHECK_CONTENT(at + PAGE, PAGE, seed + 1);
	workload_fill(at + 2 * PAGE, PAGE, seed + 2);
	spend();
	off_t from = 2 * PAGE;
	CHECK_IS(sendfile(other, fd, &from, PAGE), PAGE);
	check_file(other, 0, PAGE, seed + 2);
	workload_fill(at + 3 * PAGE, PAGE, seed + 3);
	spend();
	struct iovec parts[] = {{buffer, 100}, {buffer + 100, PAGE - 100}};
	CHECK_IS(preadv(fd, parts, 2, 3 * PAGE), PAGE);
	CHECK_CONTENT(buffer, PAGE, seed + 3);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * PAGE, PAGE) == 0);
	spend();
	CHECK_CONTENT(at + 3 * PAGE, PAGE, 0);
	CHECK(ftruncate(fd, 2 * PAGE) == 0);
	spend();
	READ_FAULTS(at + 2 * PAGE, SIGBUS, BUS_ADRERR);
	CHECK(ftruncate(fd, END) == 0);
	CHECK_CONTENT(at + 2 * PAGE, END - 2 * PAGE, 0);
	CHECK(munmap(at, PAGES * PAGE) == 0 && close(fd) == 0 && close(other) == 0 && unlink(file_path) == 0);
}

/* What is in it when nobody has it mapped any more. */
static void unmapped(uint64_t seed)
{
	int fd = made();
	unsigned char *at = mapped(fd, PROT_READ | PROT_WRITE);
	CHECK(close(fd) == 0);
	workload_fill(at, END, seed);
	spend();
	CHECK(munmap(at, PAGES * PAGE) == 0);
	spend();
	check_named(file_path, seed);
	CHECK(unlink(file_path) == 0);
}

/* Half of it synchronised, and all of it seen by one who knows the name: a child that ends with it mapped, too. */
static void by_name(uint64_t seed)
{
	int fd = made();
	unsigned char *at = mapped(fd, PROT_READ | PROT_WRITE);
	CHECK(close(fd) == 0);
	workload_fill(at, END, seed);
	CHECK(msync(at, 3 * PAGE, MS_SYNC) == 0);
	CHECK_ERRNO(msync(at + 1, PAGE, MS_SYNC), EINVAL);
	CHECK_ERRNO(msync(at, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	spend();
	pid_t child = family_forked(21);
	if (child == 0) {
		check_named(file_path, seed);
		workload_fill(at, END, seed + 1);
		_exit(21);
	}
	family_reap(child);
	spend();
	CHECK_CONTENT(at, END, seed + 1);
	workload_fill(at, END, seed + 2);
	CHECK(munmap(at, PAGES * PAGE) == 0);
	check_named(file_path, seed + 2);
	CHECK(unlink(file_path) == 0);
}

/* A child makes and writes it, and is gone, by an exit or by a signal. */
static void ended(uint64_t seed)
{
	bool killed = seed & 1;
	pid_t child = family_forked(killed ? -SIGABRT : 22);
	if (child == 0) {
		unsigned char *at = mapped(made(), PROT_READ | PROT_WRITE);
		signal(SIGABRT, SIG_DFL);
		workload_fill(at, END, seed);
		spend();
		if (killed)
			abort();
		_exit(22);
	}
	family_reap(child);
	check_named(file_path, seed);
	CHECK(unlink(file_path) == 0);
}

/* Whoever was given a descriptor: by exec, and by a socket. */
static void given(uint64_t seed)
{
	static unsigned char buffer[END];
	int out[2], fd = made(), pair[2];
	char command[32];
	CHECK(pipe(out) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && fcntl(fd, F_SETFD, 0) == 0);
	unsigned char *at = mapped(fd, PROT_READ | PROT_WRITE);
	workload_fill(at, END, seed);
	snprintf(command, sizeof(command), "cat <&%d", fd);
	spend();
	pid_t child = family_forked(0);
	if (child == 0) {
		CHECK(dup2(out[1], 1) == 1 && execl("/bin/sh", "sh", "-c", command, NULL) == 0);
		_exit(1);
	}
	CHECK(close(out[1]) == 0);
	for (size_t done = 0; done < END;) {
		ssize_t got = read(out[0], buffer + done, END - done);
		CHECK(got > 0);
		done += (size_t)got;
	}
	CHECK_CONTENT(buffer, END, seed);
	family_reap(child);

	child = family_forked(23);
	if (child == 0) {
		CHECK(munmap(at, PAGES * PAGE) == 0 && close(fd) == 0);
		union {
			struct cmsghdr head;
			char room[CMSG_SPACE(sizeof(int))];
		} control;
		char byte;
		struct iovec one = {&byte, 1};
		struct msghdr message = {
			.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
		CHECK(recvmsg(pair[1], &message, 0) == 1 && message.msg_controllen == sizeof(control));
		int sent;
		memcpy(&sent, CMSG_DATA(&control.head), sizeof(sent));
		check_file(sent, 0, END, seed + 1);
		_exit(23);
	}
	workload_fill(at, END, seed + 1);
	spend();
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	struct iovec one = {"x", 1};
	struct msghdr message = {
		.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	CHECK(sendmsg(pair[0], &message, 0) == 1);
	family_reap(child);
	CHECK(munmap(at, PAGES * PAGE) == 0 && close(fd) == 0 && unlink(file_path) == 0);
	CHECK(close(out[0]) == 0 && close(pair[0]) == 0 && close(pair[1]) == 0);
}

/* Code is written where it is not executed, and executed where it is not written, as compilers at run time do. */
static void code(uint64_t seed)
{
	int fd = memfd_create("code", MFD_CLOEXEC);
	CHECK(fd >= 0 && ftruncate(fd, PAGES * PAGE) == 0);
	unsigned char *executed = mapped(fd, PROT_READ | PROT_EXEC);
	for (int i = 0; i < PAGES; i++) {
		unsigned char *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, i * (off_t)PAGE);
		CHECK(at != MAP_FAILED);
		uint32_t number = (uint32_t)seed + (uint32_t)i;
		at[0] = 0xb8; /* mov $number, %eax; ret */
		memcpy(at + 1, &number, sizeof(number));
		at[5] = 0xc3;
		spend();
		CHECK(munmap(at, PAGE) == 0);
	}
	for (int i = 0; i < PAGES; i++) {
		uint32_t (*function)(void);
		unsigned char *at = executed + (size_t)i * PAGE;
		memcpy(&function, &at, sizeof(function));
		CHECK_IS(function(), (uint32_t)seed + (uint32_t)i);
		WRITE_FAULTS(at, SIGSEGV, SEGV_ACCERR);
	}
	CHECK(munmap(executed, PAGES * PAGE) == 0 && close(fd) == 0);
}

/* Memory with a name, opened and mapped again while it is mapped; one of the mappings only shows it. */
static void named(uint64_t seed)
{
	int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(fd >= 0 && ftruncate(fd, END) == 0);
	unsigned char *at = mapped(fd, PROT_READ | PROT_WRITE);
	CHECK(close(fd) == 0);
	workload_fill(at, END, seed);
	spend();
	fd = shm_open(name, O_RDWR, 0);
	CHECK(fd >= 0);
	unsigned char *again = mapped(fd, PROT_READ);
	CHECK_CONTENT(again, END, seed);
	workload_fill(at, END, seed + 1);
	spend();
	CHECK_CONTENT(again, END, seed + 1);
	CHECK_CONTENT(again + END, PAGES * PAGE - END, 0);
	CHECK(munmap(at, PAGES * PAGE) == 0);
	spend();
	check_file(fd, 0, END, seed + 1);
	CHECK(shm_unlink(name) == 0 && munmap(again, PAGES * PAGE) == 0);
	check_file(fd, 0, END, seed + 1);
	CHECK(close(fd) == 0);
}

static const struct part parts[] = {
	{"descriptor", descriptor}, {"unmapped", unmapped}, {"by_name", by_name}, {"ended", ended},
	{"given", given},           {"code", code},         {"named", named},
};

int main(int argc, char **argv)
{
	family_begin();
	workload_enter();
	name = strrchr(workload_directory, '/');
	snprintf(file_path, sizeof(file_path), "%s/file", workload_directory);
	family_cleanup = remove_names;
	CHECK(atexit(remove_names) == 0);
	parts_run(argc, argv, parts, sizeof(parts) / sizeof(parts[0]));
	workload_leave();
	return workload_ok("written");
}
