/* SPDX-License-Identifier: MIT
 *
 * omlab-enter's pseudo terminal, and the loop that relays bytes and signals. The command's terminal is a pty whose
 * master stays here; the caller's own terminal, if there is one, is raw meanwhile and restored on every way out (fail()
 * is not called after terminal_start). Without a pty there are only signals to relay.
 */
#define _GNU_SOURCE
#include "enter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static struct termios outer;
static bool outer_is_terminal;

int terminal_open(struct terminal *terminal)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};

	outer_is_terminal = tcgetattr(STDIN_FILENO, &outer) == 0;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || grantpt(master) || unlockpt(master) ||
	    ptsname_r(master, terminal->slave, sizeof(terminal->slave)))
		return -1;
	if (outer_is_terminal) {
		tcsetattr(master, TCSANOW, &outer);
		ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
	}
	ioctl(master, TIOCSWINSZ, &size);
	terminal->master = master;
	return 0;
}

void terminal_start(void)
{
	struct termios raw = outer;

	if (!outer_is_terminal)
		return;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

void terminal_stop(void)
{
	if (outer_is_terminal)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &outer);
}

void terminal_resize(const struct terminal *terminal)
{
	struct winsize size;

	if (outer_is_terminal && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(terminal->master, TIOCSWINSZ, &size);
}

static void write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t written = write(fd, bytes, length);
		if (written < 0 && errno == EAGAIN) {
			struct pollfd writable = {fd, POLLOUT, 0};
			poll(&writable, 1, -1);
			continue;
		}
		if (written < 0)
			return; /* the reader has gone: the command learns it from its own files */
		bytes += written;
		length -= (size_t)written;
	}
}

/* false: the command's side is closed. */
static bool output_arrived(int master)
{
	char bytes[16384];
	ssize_t length = read(master, bytes, sizeof(bytes));

	if (length > 0)
		write_all(STDOUT_FILENO, bytes, (size_t)length);
	return length > 0 || (length < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Keys that the command has not read yet. More are taken only when these are gone, so a pty that is full holds nothing
 * else up. */
struct pending_input {
	char bytes[4096];
	size_t length, done;
	bool ended;
};

static void input_arrived(const struct terminal *terminal, struct pending_input *input)
{
	ssize_t length = read(STDIN_FILENO, input->bytes, sizeof(input->bytes));

	input->done = 0;
	input->length = length > 0 ? (size_t)length : 0;
	if (length <= 0 && !(length < 0 && errno == EINTR)) {
		struct termios inner;
		input->ended = true;
		/* The end of a file that feeds a terminal is the end-of-file key. */
		if (tcgetattr(terminal->master, &inner) == 0 && (inner.c_lflag & ICANON)) {
			input->bytes[0] = (char)inner.c_cc[VEOF];
			input->length = 1;
		}
	}
}

static void input_wanted(const struct terminal *terminal, struct pending_input *input)
{
	ssize_t written = write(terminal->master, input->bytes + input->done, input->length - input->done);

	if (written > 0)
		input->done += (size_t)written;
	else if (errno != EAGAIN && errno != EINTR)
		input->done = input->length;
}

/* true: the command has ended and *status is its own. Without a pty, a stop of the command is also ours where a shell
 * is there to continue us. */
static bool child_changed(const struct terminal *terminal, pid_t child, int *status)
{
	while (waitpid(child, status, WNOHANG | WUNTRACED) == child) {
		if (!WIFSTOPPED(*status))
			return true;
		if (terminal->master < 0 && isatty(STDIN_FILENO)) {
			raise(SIGSTOP);
			kill(child, SIGCONT);
		}
	}
	return false;
}

static bool signal_arrived(const struct terminal *terminal, pid_t child, int signals, int *status)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return false;
	int signal = (int)info.ssi_signo;
	if (signal == SIGCHLD)
		return child_changed(terminal, child, status);
	if (signal == SIGWINCH && terminal->master >= 0) {
		terminal_resize(terminal); /* the kernel then tells the command */
		return false;
	}
	if (signal == SIGPIPE)
		return false; /* our own write to a reader that has gone */
	/* Typed at the caller's terminal, it was meant for the whole group; sent by somebody, for one process. */
	kill(info.ssi_code == SI_KERNEL ? -child : child, signal);
	if (signal == SIGTSTP && info.ssi_code == SI_KERNEL && terminal->master < 0) {
		/* The command's group is orphaned (its parent is in another session), so SIGTSTP does not stop it. */
		kill(-child, SIGSTOP);
	}
	return false;
}

int relay(const struct terminal *terminal, pid_t child, int signals)
{
	struct pending_input input = {.ended = terminal->master < 0};
	bool output = terminal->master >= 0;
	int status = 0;

	if (output)
		fcntl(terminal->master, F_SETFL, fcntl(terminal->master, F_GETFL) | O_NONBLOCK);
	terminal_start();
	for (bool ended = false; !ended;) {
		bool pending = input.done < input.length;
		struct pollfd files[] = {
			{signals, POLLIN, 0},
			{output ? terminal->master : -1, (short)(POLLIN | (pending ? POLLOUT : 0)), 0},
			{!pending && !input.ended ? STDIN_FILENO : -1, POLLIN, 0},
		};
		if (poll(files, 3, -1) < 0 && errno != EINTR)
			break;
		if (files[1].revents & (POLLIN | POLLHUP))
			output = output_arrived(terminal->master);
		if (files[1].revents & POLLOUT)
			input_wanted(terminal, &input);
		if (files[2].revents)
			input_arrived(terminal, &input);
		if (files[0].revents)
			ended = signal_arrived(terminal, child, signals, &status);
	}
	/* What the command wrote last is still in the pty. */
	for (ssize_t length = 1; output && length > 0;) {
		char bytes[16384];
		length = read(terminal->master, bytes, sizeof(bytes));
		if (length > 0)
			write_all(STDOUT_FILENO, bytes, (size_t)length);
	}
	terminal_stop();
	return status;
}
