/* SPDX-License-Identifier: MIT
 * A pseudo terminal: termios, window size, line discipline, echo, foreground group, and what is typed. */
#include "workload.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static void drain(int fd)
{
	char buffer[1000];
	struct pollfd polled = {.fd = fd, .events = POLLIN};
	while (poll(&polled, 1, 0) == 1)
		CHECK(read(fd, buffer, sizeof(buffer)) > 0);
}

static void one_round(int master, int slave)
{
	struct winsize size = {.ws_row = 33, .ws_col = 101}, got_size;
	CHECK(ioctl(master, TIOCSWINSZ, &size) == 0);
	CHECK(ioctl(slave, TIOCGWINSZ, &got_size) == 0 && got_size.ws_row == 33 && got_size.ws_col == 101);
	struct termios mode, raw;
	CHECK(tcgetattr(slave, &mode) == 0 && (mode.c_lflag & ICANON) && isatty(slave));
	char line[100];
	CHECK(write(master, "typed wrong\025right\n", 18) == 18);
	CHECK(read(slave, line, sizeof(line)) == 6 && memcmp(line, "right\n", 6) == 0);
	drain(master);
	CHECK(write(master, "\004", 1) == 1 && read(slave, line, sizeof(line)) == 0);
	raw = mode;
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	CHECK(tcsetattr(slave, TCSAFLUSH, &raw) == 0);
	CHECK(write(master, "\003\004k", 3) == 3);
	for (ssize_t at = 0; at < 3;) {
		ssize_t part = read(slave, line + at, sizeof(line) - (size_t)at);
		CHECK(part > 0);
		at += part;
	}
	CHECK(memcmp(line, "\003\004k", 3) == 0);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 1;
	CHECK(tcsetattr(slave, TCSANOW, &raw) == 0 && read(slave, line, sizeof(line)) == 0);
	CHECK(write(slave, "to the screen", 13) == 13);
	CHECK(read(master, line, sizeof(line)) == 13 && memcmp(line, "to the screen", 13) == 0);
	int waiting;
	CHECK(ioctl(slave, FIONREAD, &waiting) == 0 && waiting == 0);
	CHECK(tcsetattr(slave, TCSADRAIN, &mode) == 0);
	CHECK(tcgetattr(slave, &raw) == 0 && raw.c_lflag == mode.c_lflag);
	CHECK(cfgetospeed(&raw) == cfgetospeed(&mode));
	CHECK(ttyname_r(slave, line, sizeof(line)) == 0);
	CHECK_ERRNO(tcgetattr(-1, &mode), EBADF);
	int null = open("/dev/null", O_RDWR);
	CHECK(null >= 0);
	CHECK_ERRNO(ioctl(null, TIOCGWINSZ, &size), ENOTTY);
	CHECK(close(null) == 0);
}

int main(int argc, char **argv)
{
	int master, slave;
	CHECK(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	workload_begin(argc, argv);
	while (workload_running())
		one_round(master, slave);
	CHECK(close(slave) == 0);
	char byte;
	CHECK_ERRNO(read(master, &byte, 1), EIO);
	return workload_ok("terminal");
}
