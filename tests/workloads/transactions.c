/* SPDX-License-Identifier: MIT
 * A small database in the manner of sqlite: record locks, a journal, fsync, rename; every transaction is found again.
 */
#include "workload.h"

struct record {
	uint64_t number, check;
};

static void transaction(int fd, uint64_t number)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1 << 30, .l_len = 1};
	CHECK(fcntl(fd, F_SETLKW, &lock) == 0);
	int journal = open("journal", O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(journal >= 0);
	struct record record = {number, number * 0x9e3779b97f4a7c15ull};
	CHECK(write(journal, &record, sizeof(record)) == sizeof(record) && fsync(journal) == 0 && close(journal) == 0);
	CHECK(pwrite(fd, &record, sizeof(record), (off_t)(number * sizeof(record))) == sizeof(record));
	CHECK(fdatasync(fd) == 0 && unlink("journal") == 0);
	lock.l_type = F_UNLCK;
	CHECK(fcntl(fd, F_SETLK, &lock) == 0);
}

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	workload_enter();
	int fd = open("database", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0);
	uint64_t number = 0;
	while (workload_running())
		transaction(fd, number++);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	struct record record;
	for (uint64_t i = 0; i < number; i++)
		CHECK(read(fd, &record, sizeof(record)) == sizeof(record) && record.number == i &&
		      record.check == i * 0x9e3779b97f4a7c15ull);
	CHECK(read(fd, &record, sizeof(record)) == 0);
	CHECK(rename("database", "old") == 0 && unlink("old") == 0 && close(fd) == 0);
	workload_leave();
	return workload_ok("transactions");
}
