/* SPDX-License-Identifier: MIT
 *
 * The link and who may use it: cuts, epochs, strangers, and engines that are opened again over the same state.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "certificates.h"
#include "tests.h"
#include "tracer.h"

static char path[128];
static int pipe_fds[2];

/* ---- exactly once -------------------------------------------------------------------------------------------------
 */

#define RECORDS 1500

static void append_body(struct shared *s)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
	EXPECT(fd >= 0);
	for (uint32_t i = 0; i < RECORDS; i++) {
		EXPECT(write(fd, &i, sizeof(i)) == sizeof(i));
		*(volatile int64_t *)&s->numbers[0] = i;
	}
	EXPECT(close(fd) == 0);
}

static bool records_in_order(void)
{
	static uint32_t records[RECORDS + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, records, sizeof(records));
	close(fd);
	if (n != RECORDS * 4) {
		fprintf(stderr, "  %zd bytes instead of %d\n", n, RECORDS * 4);
		return false;
	}
	for (uint32_t i = 0; i < RECORDS; i++)
		if (records[i] != i) {
			fprintf(stderr, "  record %u is %u\n", i, records[i]);
			return false;
		}
	return true;
}

static void wait_record(struct world *w, int64_t record)
{
	while (*(volatile int64_t *)&w->shared->numbers[0] < record && !w->shared->failed)
		sched_yield();
}

static bool cut_link_executes_once(const char *dir)
{
	snprintf(path, sizeof(path), "%s/records", dir);
	struct world *w = world_open(dir, append_body);
	for (int i = 1; i <= 20; i++) {
		wait_record(w, i * (RECORDS / 22));
		relay_cut(w->relay);
	}
	bool good = world_close(w);
	return good && records_in_order();
}

/* ---- engines opened again over the same state ------------------------------------------------------------ */

static bool home_opened_again(const char *dir)
{
	snprintf(path, sizeof(path), "%s/records", dir);
	struct world *w = world_open(dir, append_body);
	for (int i = 1; i <= 3; i++) {
		wait_record(w, i * (RECORDS / 5));
		om_home_close(w->home);
		om_engine_close(w->pc1);
		world_engine(w, "pc1");
		world_home(w);
		om_home_expect(w->home, "pc2", 1, false, 0);
	}
	bool good = world_close(w);
	return good && records_in_order();
}

static bool remote_opened_again(const char *dir)
{
	snprintf(path, sizeof(path), "%s/records", dir);
	struct world *w = world_open(dir, append_body);
	bool good = true;
	for (int i = 1; i <= 3; i++) {
		wait_record(w, i * (RECORDS / 5));
		world_close_remote(w);
		om_engine_close(w->pc2);
		world_engine(w, "pc2");
		world_remote(w);
		CHECK(om_remote_start(w->remote, 10000) == 0);
	}
	good &= world_close(w);
	return good && records_in_order();
}

static void read_body(struct shared *s)
{
	char byte;
	EXPECT(read(pipe_fds[0], &byte, 1) == 1 && byte == 'w');
}

/* The call is waiting in the deputy when both engines go and come. */
static bool waiting_call_survives(const char *dir)
{
	bool good = true;
	if (pipe(pipe_fds))
		return false;
	struct world *w = world_open(dir, read_body);
	wait_blocked(w, SYS_read);
	world_close_remote(w);
	om_engine_close(w->pc2);
	om_home_close(w->home);
	om_engine_close(w->pc1);
	w->pc2 = NULL;
	CHECK(write(pipe_fds[1], "w", 1) == 1);
	world_engine(w, "pc1");
	world_engine(w, "pc2");
	world_remote(w);
	world_home(w);
	om_home_expect(w->home, "pc2", 1, false, 0);
	CHECK(om_remote_start(w->remote, 10000) == 0);
	good &= world_close(w);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return good;
}

/* ---- epochs ---------------------------------------------------------------------------------------------------------
 */

static void epoch_body(struct shared *s)
{
	EXPECT(syscall(SYS_getpid) > 0);
}

static bool old_epoch_is_fenced(const char *dir)
{
	bool good = true;
	struct world *w = world_prepare(dir, epoch_body);
	CHECK(om_home_expect(w->home, "pc2", 2, false, 0) == 0);
	CHECK(om_remote_start(w->remote, 10000) == -ESTALE);
	while (!w->control[OM_CONTROL_FENCED])
		sched_yield();
	CHECK(w->claimed == 0 && w->control[OM_CONTROL_FENCED] == 1);
	CHECK(om_home_expect(w->home, "pc2", 1, false, 0) == -ESTALE);
	CHECK(om_home_expect(w->home, "elsewhere", 3, true, 0) == 0); /* not claimed: may be taken back */
	CHECK(om_remote_epoch(w->remote, 3) == 0);
	CHECK(om_remote_start(w->remote, 10000) == -ESTALE); /* the right epoch from the wrong node */
	CHECK(w->claimed == 0);
	CHECK(om_home_expect(w->home, "pc2", 4, true, 0) == 0);
	CHECK(om_remote_epoch(w->remote, 4) == 0);
	CHECK(om_remote_start(w->remote, 10000) == 0);
	while (w->claimed != 4) /* told right after the body has been */
		sched_yield();
	CHECK(om_home_expect(w->home, "pc1", 5, true, 0) == 1); /* claimed: too late */
	set_stage(w->shared, 2);
	return world_close(w) && good;
}

/* Frozen for a move, and let go on by a warden that lost its daemon: the move is not committed any more. One that was
 * expected already may still be taken back, so the body hears nothing until it is decided. */
static bool body_let_go_is_noticed(const char *dir)
{
	bool good = true;
	struct world *w = world_prepare(dir, epoch_body);
	CHECK(om_home_expect(w->home, "pc2", 1, false, 0) == 0);
	CHECK(om_remote_start(w->remote, 10000) == 0);
	uint32_t presented = om_home_presented(w->home);
	CHECK(tracer_quiesce(w, OM_QUIESCE_MOVE, 10000) == 0);
	CHECK(om_remote_epoch(w->remote, 1) == 0);
	CHECK(om_remote_start(w->remote, 10000) == 0);
	CHECK(om_home_expect(w->home, "elsewhere", 2, false, presented) == -EBUSY);
	CHECK(om_home_expect(w->home, "elsewhere", 2, false, om_home_presented(w->home)) == 0);
	CHECK(om_remote_epoch(w->remote, 1) == 0);
	CHECK(om_remote_start(w->remote, 200) == -ETIMEDOUT);
	CHECK(!w->control[OM_CONTROL_FENCED]);
	CHECK(om_home_expect(w->home, "pc2", 3, true, 0) == 0);
	CHECK(om_remote_epoch(w->remote, 3) == 0);
	CHECK(om_remote_start(w->remote, 10000) == 0);
	CHECK(om_remote_resume(w->remote, 0) == 0);
	set_stage(w->shared, 2);
	return world_close(w) && good;
}

/* The body presents itself before home is open, as after a restart of home's warden. */
static bool early_hello_waits(const char *dir)
{
	bool good = true;
	struct world *w = world_prepare(dir, epoch_body);
	om_home_close(w->home);
	CHECK(om_remote_start(w->remote, 50) == -ETIMEDOUT);
	world_home(w);
	CHECK(om_remote_start(w->remote, 50) == -ETIMEDOUT);
	CHECK(om_home_expect(w->home, "pc2", 1, false, 0) == 0);
	world_start(w);
	CHECK(w->claimed == 1);
	return world_close(w) && good;
}

static void *start_patiently(void *argument)
{
	return (void *)(intptr_t)om_remote_start(argument, 30000);
}

/* Home's warden has opened all it was left, and this one is not among them. */
static bool waiting_hello_hears_of_no_home(const char *dir)
{
	bool good = true;
	pthread_t thread;
	void *result;
	struct world *w = world_prepare(dir, epoch_body);
	om_home_close(w->home);
	CHECK(om_remote_start(w->remote, 50) == -ETIMEDOUT);
	CHECK(pthread_create(&thread, NULL, start_patiently, w->remote) == 0);
	om_engine_homes_known(w->pc1);
	pthread_join(thread, &result);
	CHECK((intptr_t)result == -ESRCH);
	CHECK(om_remote_start(w->remote, 30000) == -ESRCH);
	kill(w->body, SIGKILL);
	world_home(w);
	return world_close(w) && good;
}

static bool later_hello_hears_of_no_home(const char *dir)
{
	bool good = true;
	struct world *w = world_prepare(dir, epoch_body);
	om_home_close(w->home);
	om_engine_homes_known(w->pc1);
	CHECK(om_remote_start(w->remote, 30000) == -ESRCH);
	kill(w->body, SIGKILL);
	world_home(w);
	return world_close(w) && good;
}

/* That all are known is said of those that are open, expected or not; and not of what is closed for another warden. */
static bool known_home_is_waited_for(const char *dir)
{
	bool good = true;
	struct world *w = world_prepare(dir, epoch_body);
	om_engine_homes_known(w->pc1);
	CHECK(om_remote_start(w->remote, 50) == -ETIMEDOUT);
	om_home_close(w->home);
	CHECK(om_remote_start(w->remote, 50) == -ETIMEDOUT);
	world_home(w);
	CHECK(om_home_expect(w->home, "pc2", 1, false, 0) == 0);
	world_start(w);
	CHECK(!w->control[OM_CONTROL_GONE]);
	return world_close(w) && good;
}

static void wait_body(struct shared *s)
{
	set_stage(s, 3);
	for (;;)
		syscall(SYS_pause); /* until the test kills us */
}

static bool deputy_death_is_told(const char *dir)
{
	bool good = true;
	struct world *w = world_open(dir, wait_body);
	wait_stage(w->shared, 3);
	kill(w->deputy, SIGKILL);
	while (!w->control[OM_CONTROL_GONE] || !w->deputy_gone)
		sched_yield();
	int64_t result;
	uint64_t none[6] = {0};
	CHECK(om_home_call(w->home, 0, SYS_getpgrp, none, NULL, 0, &result) == -ESRCH);
	CHECK(om_remote_call(w->remote, 0, SYS_getpgrp, none, false, &result) == -ESRCH);
	kill(w->body, SIGKILL);
	return world_close(w) && good;
}

/* ---- strangers ------------------------------------------------------------------------------------------- */

static int dial(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -1 : fd;
}

/* What a TLS client with this certificate (or none) gets to read. */
static int stranger(int port, const char *dir, const char *node)
{
	char file[128], byte;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	if (node) {
		snprintf(file, sizeof(file), "%s/%s.pem", dir, node);
		SSL_CTX_use_certificate_file(ctx, file, SSL_FILETYPE_PEM);
		snprintf(file, sizeof(file), "%s/%s.key", dir, node);
		SSL_CTX_use_PrivateKey_file(ctx, file, SSL_FILETYPE_PEM);
	}
	int fd = dial(port);
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	int got = -1;
	if (SSL_connect(ssl) == 1)
		got = SSL_read(ssl, &byte, 1);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	ERR_clear_error();
	return got;
}

static bool strangers_get_nothing(const char *dir)
{
	static const char *const others[] = {"intruder", NULL};
	bool good = true;
	char byte;
	struct world *w = world_prepare(dir, epoch_body);
	int port = om_engine_port(w->pc1);
	make_cluster(dir, "othercluster", others);
	CHECK(stranger(port, dir, NULL) <= 0);
	world_wait_log(w, "127.0.0.1 down: refused: TLS: peer did not return a certificate");
	CHECK(stranger(port, dir, "intruder") <= 0);
	world_wait_log(w, "127.0.0.1 down: refused: TLS: unable to get local issuer certificate");
	CHECK(stranger(port, dir, "pc1") <= 0); /* our own name, with our own key */
	world_wait_log(w, "calls itself by our own name");
	int fd = dial(port);
	CHECK(write(fd, "GET / HTTP/1.0\r\n\r\n", 18) == 18);
	ssize_t n;
	char reply[256];
	while ((n = read(fd, reply, sizeof(reply))) > 0)
		CHECK(n < 16); /* TLS's alert and no more */
	close(fd);
	/* Somebody who greets and then lies about a length. */
	fd = dial(port);
	world_wait_log(w, "refused: TLS: ");
	CHECK(recv(fd, &byte, 1, MSG_DONTWAIT) < 0);
	close(fd);
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	return world_close(w) && good;
}

/* Both dial at once, again and again: one link is left, and it works. */
static bool both_dial(const char *dir)
{
	bool good = true;
	struct world *w = world_prepare(dir, epoch_body);
	om_home_expect(w->home, "pc2", 1, false, 0);
	om_engine_peer(w->pc1, "pc2", "127.0.0.1", (uint16_t)om_engine_port(w->pc2));
	/* A process the other way round makes pc1 dial, too: it is fenced, for pc2 is nobody's home. */
	struct om_remote_options options = {.key = KEY + 1,
					    .epoch = 1,
					    .pid = w->body,
					    .pidfd = w->body_pidfd,
					    .gate = w->gate,
					    .home = "pc2",
					    .area = AREA,
					    .slots = SLOTS,
					    .state_fd = -1};
	om_remote *other;
	CHECK(om_remote_open(w->pc1, &options, &other) == 0);
	CHECK(om_remote_start(other, 0) == -ETIMEDOUT);
	world_start(w);
	for (int i = 0; i < 10; i++)
		relay_cut(w->relay);
	int64_t result;
	uint64_t none[6] = {0};
	for (int i = 0; i < 100; i++)
		CHECK(om_remote_call(w->remote, 0, SYS_getpgrp, none, false, &result) == 0 && result == w->deputy);
	om_remote_close(other);
	return world_close(w) && good;
}

const struct test link_tests[] = {
	{"cut_link_executes_once", cut_link_executes_once},
	{"home_opened_again", home_opened_again},
	{"remote_opened_again", remote_opened_again},
	{"waiting_call_survives", waiting_call_survives},
	{"old_epoch_is_fenced", old_epoch_is_fenced},
	{"body_let_go_is_noticed", body_let_go_is_noticed},
	{"early_hello_waits", early_hello_waits},
	{"waiting_hello_hears_of_no_home", waiting_hello_hears_of_no_home},
	{"later_hello_hears_of_no_home", later_hello_hears_of_no_home},
	{"known_home_is_waited_for", known_home_is_waited_for},
	{"deputy_death_is_told", deputy_death_is_told},
	{"strangers_get_nothing", strangers_get_nothing},
	{"both_dial", both_dial},
	{0},
};
