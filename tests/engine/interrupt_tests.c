/* SPDX-License-Identifier: MIT
 *
 * Calls that are cut short while nobody's handler runs: to the body it is as if nothing had happened,
 * and each byte goes over once.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "engine/om_remote.h"
#include "handler.h"
#include "tests.h"
#include "tracer.h"

/* The body's is [0]. */
static int fds[2];

static bool close_with_fds(struct world *w)
{
	bool good = world_close(w);
	close(fds[0]);
	close(fds[1]);
	return good;
}

/* ---- each byte once -------------------------------------------------------------------------------------- */

#define BYTES          (2500u * 1000) /* three pieces */
#define CHUNK          37000u
#define MORE_THAN_FITS (1u << 19) /* in a pipe, or a socket's buffer */

static uint8_t bytes[BYTES];

static uint8_t byte_at(size_t at)
{
	return (uint8_t)(at * 7 + at / 4093);
}

static void fill(void)
{
	for (size_t i = 0; i < BYTES; i++)
		bytes[i] = byte_at(i);
}

static bool as_filled(void)
{
	for (size_t i = 0; i < BYTES; i++)
		if (bytes[i] != byte_at(i))
			return false;
	return true;
}

/* In parts that end elsewhere than the pieces do. */
static struct iovec *parts(void)
{
	static struct iovec iov[3];
	iov[0] = (struct iovec){bytes, 700001};
	iov[1] = (struct iovec){bytes + 700001, 1300000};
	iov[2] = (struct iovec){bytes + 2000001, BYTES - 2000001};
	return iov;
}

static void write_body(struct shared *s)
{
	EXPECT(write(fds[0], bytes, BYTES) == BYTES);
}

static void writev_body(struct shared *s)
{
	EXPECT(writev(fds[0], parts(), 3) == BYTES);
}

static void send_body(struct shared *s)
{
	EXPECT(send(fds[0], bytes, BYTES, 0) == BYTES);
}

static void receive_body(struct shared *s)
{
	EXPECT(recv(fds[0], bytes, BYTES, MSG_WAITALL) == BYTES);
	EXPECT(as_filled());
}

static void receive_message_body(struct shared *s)
{
	struct msghdr message = {.msg_iov = parts(), .msg_iovlen = 3};
	EXPECT(recvmsg(fds[0], &message, MSG_WAITALL) == BYTES);
	EXPECT(as_filled());
}

/* What happens to the call while it waits for the n-th time. */
typedef bool disturbance(struct world *w, unsigned int n);

static bool stop_twice(struct world *w, unsigned int n)
{
	return tracer_stop(w, OM_QUIESCE_HERE, 30000) >= 0 && tracer_stop(w, OM_QUIESCE_MOVE, 30000) >= 0;
}

/* That the body blocks. */
static bool signal_once(struct world *w, unsigned int n)
{
	queue(w->deputy, SIGUSR1, 0);
	return world_await(w, &w->delivered, n);
}

/* What moves between two disturbances may be any number of bytes. */
static bool sent_once(const char *dir, void (*body)(struct shared *), long number, disturbance *disturb)
{
	bool good = true;
	size_t got = 0;
	fill();
	struct world *w = world_open(dir, body);
	for (unsigned int n = 1; good && got + MORE_THAN_FITS < BYTES; n++) {
		wait_blocked(w, number);
		CHECK(disturb(w, n));
		ssize_t count = read(fds[1], bytes + got, CHUNK);
		CHECK(count > 0);
		got += count > 0 ? (size_t)count : 0;
	}
	while (good && got < BYTES) {
		ssize_t count = read(fds[1], bytes + got, BYTES - got);
		CHECK(count > 0);
		got += count > 0 ? (size_t)count : 0;
	}
	CHECK(as_filled());
	if (!good)
		kill(w->body, SIGKILL);
	world_wait_body(w);
	struct pollfd more = {.fd = fds[1], .events = POLLIN};
	CHECK(poll(&more, 1, 0) == 0);
	return close_with_fds(w) && good;
}

static bool received_once(const char *dir, void (*body)(struct shared *), long number, disturbance *disturb)
{
	bool good = true;
	memset(bytes, 0, BYTES);
	struct world *w = world_open(dir, body);
	fill(); /* ours: the body has its own */
	for (size_t sent = 0, n = 1; good && sent < BYTES; sent += CHUNK, n++) {
		wait_blocked(w, number);
		CHECK(disturb(w, (unsigned int)n));
		size_t count = BYTES - sent < CHUNK ? BYTES - sent : CHUNK;
		CHECK(send(fds[1], bytes + sent, count, MSG_NOSIGNAL) == (ssize_t)count);
	}
	shutdown(fds[1], SHUT_WR); /* a body that has missed some waits no longer */
	return close_with_fds(w) && good;
}

static bool open_pipe(void)
{
	int ends[2];
	if (pipe(ends))
		return false;
	fds[0] = ends[1];
	fds[1] = ends[0];
	return true;
}

static bool open_socket(void)
{
	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0;
}

static bool cut_write_writes_once(const char *dir)
{
	return open_pipe() && sent_once(dir, write_body, SYS_write, stop_twice);
}

static bool cut_writev_writes_once(const char *dir)
{
	return open_pipe() && sent_once(dir, writev_body, SYS_writev, stop_twice);
}

static bool cut_send_sends_once(const char *dir)
{
	return open_socket() && sent_once(dir, send_body, SYS_sendto, stop_twice);
}

static bool cut_recv_receives_once(const char *dir)
{
	return open_socket() && received_once(dir, receive_body, SYS_recvfrom, stop_twice);
}

static bool cut_recvmsg_receives_once(const char *dir)
{
	return open_socket() && received_once(dir, receive_message_body, SYS_recvmsg, stop_twice);
}

/* ---- and signals that are blocked ------------------------------------------------------------------------ */

static void block(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void blocking_write_body(struct shared *s)
{
	block();
	write_body(s);
}

static void blocking_receive_body(struct shared *s)
{
	block();
	receive_body(s);
}

static bool blocked_signal_cuts_no_write(const char *dir)
{
	return open_pipe() && sent_once(dir, blocking_write_body, SYS_write, signal_once);
}

static bool blocked_signal_cuts_no_recv(const char *dir)
{
	return open_socket() && received_once(dir, blocking_receive_body, SYS_recvfrom, signal_once);
}

/* ---- and one that is handled ----------------------------------------------------------------------------- */

static void handling_write_body(struct shared *s)
{
	handle(s, SIGUSR1, SA_RESTART);
	ssize_t n = write(fds[0], bytes, BYTES);
	EXPECT(n > 0 && n < BYTES && s->numbers[0] == 1);
	EXPECT(write(fds[0], bytes + n, BYTES - (size_t)n) == (ssize_t)BYTES - n);
	EXPECT(s->numbers[0] == 1);
}

static bool signal_first_only(struct world *w, unsigned int n)
{
	return n > 1 || signal_once(w, n);
}

static bool handler_ends_write_with_what_it_did(const char *dir)
{
	return open_pipe() && sent_once(dir, handling_write_body, SYS_write, signal_first_only);
}

/* ---- and home, where nothing is known of a call that is half done ------------------------------------------ */

static void returning_write_body(struct shared *s)
{
	ssize_t n = write(fds[0], bytes, BYTES);
	EXPECT(n > 0 && n < BYTES);
	EXPECT(write(fds[0], bytes + n, BYTES - (size_t)n) == (ssize_t)BYTES - n);
}

static bool return_first(struct world *w, unsigned int n)
{
	int32_t number;
	uint64_t left_ns, done;
	if (n > 1)
		return true;
	if (!tracer_seize(w) || tracer_quiesce(w, OM_QUIESCE_RETURN, 30000) != 1 || !tracer_await(w))
		return false;
	bool left = om_remote_left(w->remote, 0, &number, &left_ns, &done);
	tracer_let_go(w);
	return !left;
}

static bool return_ends_write_with_what_it_did(const char *dir)
{
	return open_pipe() && sent_once(dir, returning_write_body, SYS_write, return_first);
}

/* ---- and another warden ---------------------------------------------------------------------------------- */

static void blocking_writes_body(struct shared *s)
{
	block();
	for (size_t done = 0; done < BYTES;) {
		ssize_t n = write(fds[0], bytes + done, BYTES - done);
		EXPECT(n > 0);
		done += (size_t)n;
	}
}

/* The first signal cuts the write, the second its rest, which waits for the tracer then. No event tells of either. */
static void cancel_rest(struct world *w)
{
	void *pages = mmap(NULL, OM_STATE_BYTES(SLOTS), PROT_READ, MAP_SHARED, w->remote_state, 0);
	const volatile struct om_remote_thread_state *state = om_state_of(pages, 0);
	w->holds_tracer = true;
	wait_blocked(w, SYS_write);
	queue(w->deputy, SIGUSR1, 0);
	while (!state->done && !w->shared->failed)
		sched_yield();
	wait_blocked(w, SYS_write);
	queue(w->deputy, SIGUSR1, 0);
	while (state->phase != OM_PHASE_CANCELLED && !w->shared->failed)
		sched_yield();
	munmap(pages, OM_STATE_BYTES(SLOTS));
}

/* What is done of a call in pieces is all that the next warden knows of it: that is its result. */
static bool reopen_first(struct world *w, unsigned int n)
{
	if (n > 1)
		return true;
	cancel_rest(w);
	world_take_over(w);
	w->holds_tracer = false;
	return om_remote_start(w->remote, 30000) == 0;
}

static bool cut_write_is_taken_over(const char *dir)
{
	return open_pipe() && sent_once(dir, blocking_writes_body, SYS_write, reopen_first);
}

const struct test interrupt_tests[] = {
	{"cut_write_writes_once", cut_write_writes_once},
	{"cut_writev_writes_once", cut_writev_writes_once},
	{"cut_send_sends_once", cut_send_sends_once},
	{"cut_recv_receives_once", cut_recv_receives_once},
	{"cut_recvmsg_receives_once", cut_recvmsg_receives_once},
	{"blocked_signal_cuts_no_write", blocked_signal_cuts_no_write},
	{"blocked_signal_cuts_no_recv", blocked_signal_cuts_no_recv},
	{"handler_ends_write_with_what_it_did", handler_ends_write_with_what_it_did},
	{"return_ends_write_with_what_it_did", return_ends_write_with_what_it_did},
	{"cut_write_is_taken_over", cut_write_is_taken_over},
	{0},
};
