/* SPDX-License-Identifier: MIT */
#include <asm/termbits.h>
#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/random.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "harness.h"

struct window {
	unsigned short rows, columns, x, y;
};

static void terminals(void)
{
	struct termios t;
	struct window w = {33, 77, 0, 0};
	struct pollfd arrives = {-1, POLLIN, 0};
	char text[64] = "";
	int number = -1, zero = 0, group = -1;
	long master = CALL(SYS_openat, AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY), slave;

	note("unlock %ld", CALL(SYS_ioctl, master, TIOCSPTLCK, &zero));
	after(CALL(SYS_ioctl, master, TIOCGPTN, &number), "number %ld %d", number >= 0);
	slave = CALL(SYS_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	note("slave %ld", slave);
	arrives.fd = (int)slave;
	memset(&t, '#', sizeof(t));
	after(CALL(SYS_ioctl, slave, TCGETS, &t), "TCGETS %ld %x %x %u", t.c_lflag, t.c_iflag, sum(&t, sizeof(t)));
	t.c_lflag &= ~(tcflag_t)ECHO;
	note("TCSETS %ld", CALL(SYS_ioctl, slave, TCSETS, &t));
	note("TCSETSW %ld", CALL(SYS_ioctl, slave, TCSETSW, &t));
	after(CALL(SYS_ioctl, slave, TCGETS2, text), "TCGETS2 %ld %u", sum(text, sizeof(text)));
	note("size %ld", CALL(SYS_ioctl, slave, TIOCSWINSZ, &w));
	memset(&w, 0, sizeof(w));
	after(CALL(SYS_ioctl, master, TIOCGWINSZ, &w), "size %ld %d %d", w.rows, w.columns);
	note("write %ld", CALL(SYS_write, master, "line\n", 5));
	note("arrived %ld", CALL(SYS_poll, &arrives, 1, -1)); /* a work queue carries it over */
	number = -1;
	after(CALL(SYS_ioctl, slave, FIONREAD, &number), "FIONREAD %ld %d", number);
	after(CALL(SYS_read, slave, text, sizeof(text)), "read %ld %s", text);
	note("controlling %ld", CALL(SYS_ioctl, slave, TIOCSCTTY, 0));
	after(CALL(SYS_ioctl, slave, TIOCGPGRP, &group), "group %ld %d", group > 0);
	note("set group %ld", CALL(SYS_ioctl, slave, TIOCSPGRP, &group));
	after(CALL(SYS_ioctl, slave, TIOCGSID, &group), "session %ld %d", group > 0);
	note("flush %ld drain %ld", CALL(SYS_ioctl, slave, TCFLSH, 2), CALL(SYS_ioctl, slave, TCSBRK, 1));
	note("bad %ld %ld", CALL(SYS_ioctl, slave, TCGETS, 8), CALL(SYS_ioctl, slave, TCSETS, NULL));
	note("not a terminal %ld", CALL(SYS_ioctl, CALL(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR), TCGETS, &t));
}

static void files(void)
{
	struct {
		struct fiemap head;
		struct fiemap_extent extents[4];
	} map;
	struct fsxattr attr;
	uint64_t flags = ~0ull;
	int number = -1;
	long fd = CALL(SYS_openat, AT_FDCWD, "file", O_RDWR | O_CREAT, 0600);

	CALL(SYS_write, fd, "content", 7);
	note("FIOCLEX %ld %ld", CALL(SYS_ioctl, fd, FIOCLEX), CALL(SYS_fcntl, fd, F_GETFD));
	note("FIONCLEX %ld %ld", CALL(SYS_ioctl, fd, FIONCLEX), CALL(SYS_fcntl, fd, F_GETFD));
	number = 1;
	note("FIONBIO %ld %ld", CALL(SYS_ioctl, fd, FIONBIO, &number), CALL(SYS_fcntl, fd, F_GETFL));
	after(CALL(SYS_ioctl, fd, FIONREAD, &number), "FIONREAD %ld %d", number);
	after(CALL(SYS_ioctl, fd, FIGETBSZ, &number), "FIGETBSZ %ld %d", number);
	after(CALL(SYS_ioctl, fd, FS_IOC_GETFLAGS, &flags), "FS_IOC_GETFLAGS %ld %lx", flags);
	memset(&attr, '#', sizeof(attr));
	after(CALL(SYS_ioctl, fd, FS_IOC_FSGETXATTR, &attr), "FS_IOC_FSGETXATTR %ld %u", sum(&attr, sizeof(attr)));
	memset(&map, 0, sizeof(map));
	map.head.fm_length = 1 << 20;
	map.head.fm_extent_count = 4;
	map.head.fm_flags = FIEMAP_FLAG_SYNC;
	after(CALL(SYS_ioctl, fd, FS_IOC_FIEMAP, &map), "FS_IOC_FIEMAP %ld %u", map.head.fm_mapped_extents);
	fd = CALL(SYS_openat, AT_FDCWD, "/dev/urandom", O_RDONLY);
	after(CALL(SYS_ioctl, fd, RNDGETENTCNT, &number), "RNDGETENTCNT %ld %d", number > 0);
	note("unknown %ld", CALL(SYS_ioctl, fd, _IOWR('~', 250, uint64_t), &flags));
	note("unknown, bad %ld", CALL(SYS_ioctl, fd, _IOWR('~', 250, uint64_t), 8));
}

const struct scenario device_scenarios[] = {{"terminals", terminals}, {"file_ioctls", files}, {0}};
