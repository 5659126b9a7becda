/* SPDX-License-Identifier: MIT
 *
 * Three processes for a forwarded run: the body (the scenario), the deputy (executes in a loop, sees only the arena),
 * and this one between them. Nothing outlives a run: both die with this process.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/om_marshal.h"
#include "engine/om_place.h"
#include "harness.h"

#define NOTES_BYTES 0x40000

struct shared {
	_Atomic uint32_t request, answer;
	_Atomic int requests, failed;
	int64_t number, result;
	uint64_t args[6];
	size_t noted;
	char notes[NOTES_BYTES];
	uint8_t data[OM_SLOT_DATA_BYTES] __attribute__((aligned(4096)));
};

struct message {
	int64_t number;
	uint64_t args[6];
};

static struct shared *shared;
static int to_engine = -1;

static long raw(long number, const uint64_t a[6])
{
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

bool forwarded(void)
{
	return to_engine >= 0;
}

int requests(void)
{
	return shared->requests;
}

long call6(long number, long a, long b, long c, long d, long e, long f)
{
	struct message message = {number,
				  {(uint64_t)a, (uint64_t)b, (uint64_t)c, (uint64_t)d, (uint64_t)e, (uint64_t)f}};
	int64_t result;

	if (!forwarded())
		return raw(number, message.args);
	if (write(to_engine, &message, sizeof(message)) != sizeof(message) ||
	    read(to_engine, &result, sizeof(result)) != sizeof(result))
		_exit(3);
	return result;
}

void note(const char *format, ...)
{
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(shared->notes + shared->noted, NOTES_BYTES - shared->noted - 1, format, list);
	va_end(list);
	shared->noted += (size_t)n;
	if (shared->noted >= NOTES_BYTES - 2)
		abort();
	shared->notes[shared->noted++] = '\n';
}

void expect(bool holds, const char *what)
{
	if (holds)
		return;
	shared->failed = 1;
	fprintf(stderr, "  not so (%s): %s\n", forwarded() ? "forwarded" : "natively", what);
}

unsigned int sum(const void *data, size_t bytes)
{
	const uint8_t *at = data;
	unsigned int s = 17;

	for (size_t i = 0; i < bytes; i++)
		s = s * 31 + at[i];
	return s;
}

char *guarded(size_t pages)
{
	char *memory = mmap(NULL, (pages + 1) * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || munmap(memory + pages * 4096, 4096))
		abort();
	return memory;
}

static void futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static void become_child(pid_t parent, const char *directory)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGXFSZ, SIG_IGN);
	if (getppid() != parent || chdir(directory))
		_exit(3);
}

static void deputy(void)
{
	uint32_t seen = 0;

	close_range(3, ~0u, 0);
	for (;;) {
		futex(&shared->request, FUTEX_WAIT, seen);
		if (shared->request == seen)
			continue;
		seen = shared->request;
		shared->result = raw(shared->number, shared->args);
		shared->answer = seen;
		futex(&shared->answer, FUTEX_WAKE, 1);
	}
}

static int64_t execute(const struct om_placed *placed)
{
	uint32_t ask = shared->request + 1;

	shared->number = placed->number;
	memcpy(shared->args, placed->args, sizeof(shared->args));
	shared->requests++;
	shared->request = ask;
	futex(&shared->request, FUTEX_WAKE, 1);
	while (shared->answer != ask)
		futex(&shared->answer, FUTEX_WAIT, ask - 1);
	return shared->result;
}

static int64_t forward(struct om_marshal *m, const struct message *message)
{
	static struct om_placed placed;
	int step = om_marshal_begin(m, message->number, message->args);

	if (m->syscall->side != OM_SIDE_HOME && !(m->syscall->flags & (OM_SYSCALL_ASKED | OM_SYSCALL_MIRROR))) {
		fprintf(stderr, "  %s is not forwarded\n", m->syscall->name);
		shared->failed = 1;
		return -EDOM;
	}
	while (step == OM_MARSHAL_SEND) {
		/* What is not written shows: the arena is full of another call's leavings. */
		int error;
		void *request = malloc(m->request_bytes);

		memset(shared->data, 0xa5, sizeof(shared->data));
		memcpy(request, m->request, m->request_bytes);
		error = om_place(&placed, shared->data, sizeof(shared->data), (uint64_t)(uintptr_t)shared->data,
				 request, m->request_bytes);
		free(request);
		if (error != 0) {
			fprintf(stderr, "  %s: home refuses: %s\n", m->syscall->name, placed.why);
			shared->failed = 1;
			return error;
		}
		{
			int64_t result = execute(&placed);
			size_t bound = om_place_reply_bound(&placed);
			uint8_t *reply = malloc(bound);
			int64_t bytes = om_place_reply(&placed, shared->data, result, 0, reply, bound);

			step = om_marshal_reply(m, reply, (size_t)bytes);
			free(reply);
		}
	}
	if (step != OM_MARSHAL_DONE) {
		fprintf(stderr, "  %s: step %d\n", m->syscall->name, step);
		shared->failed = 1;
		return step;
	}
	return m->result;
}

static void serve(int fd, pid_t body)
{
	struct om_marshal m;
	struct message message;

	if (om_marshal_open(&m, body, 0x7000, 0x1000))
		abort();
	while (read(fd, &message, sizeof(message)) == sizeof(message)) {
		int64_t result = forward(&m, &message);

		if (write(fd, &result, sizeof(result)) != sizeof(result))
			break;
	}
	om_marshal_close(&m);
}

static pid_t start_deputy(pid_t self, const char *directory)
{
	pid_t pid = fork();

	if (pid == 0) {
		become_child(self, directory);
		setsid();
		deputy();
	}
	return pid;
}

static void run(const struct scenario *scenario, bool forward_it)
{
	char directory[] = "/tmp/om-marshal.XXXXXX";
	pid_t self = getpid(), body, helper = -1;
	int pair[2], status = -1;

	shared->noted = 0;
	shared->requests = 0;
	if (!mkdtemp(directory) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	if (forward_it)
		helper = start_deputy(self, directory);
	body = fork();
	if (body == 0) {
		become_child(self, directory);
		if (forward_it)
			to_engine = pair[1];
		else
			setsid();
		if (!forward_it)
			close_range(3, ~0u, 0);
		umask(022);
		scenario->run();
		_exit(0);
	}
	close(pair[1]);
	if (forward_it)
		serve(pair[0], body);
	close(pair[0]);
	waitpid(body, &status, 0);
	if (helper > 0) {
		kill(helper, SIGKILL);
		waitpid(helper, NULL, 0);
	}
	if (status != 0) {
		note("body ended with status 0x%x", status);
		shared->failed = 1;
	}
	shared->notes[shared->noted] = 0;
	{
		char command[64];

		snprintf(command, sizeof(command), "rm -rf %s", directory);
		if (system(command))
			abort();
	}
}

static bool compare(const char *native, const char *away)
{
	int line = 1;

	while (*native || *away) {
		const char *n = strchrnul(native, '\n'), *a = strchrnul(away, '\n');

		if (n - native != a - away || memcmp(native, away, (size_t)(n - native)) != 0) {
			fprintf(stderr, "  note %d natively:  %.*s\n  note %d forwarded: %.*s\n", line,
				(int)(n - native), native, line, (int)(a - away), away);
			return false;
		}
		native = n + (*n != 0);
		away = a + (*a != 0);
		line++;
	}
	return true;
}

int main(int argc, char **argv)
{
	const struct scenario *const groups[] = {file_scenarios,    socket_scenarios, wait_scenarios, device_scenarios,
						 pointer_scenarios, piece_scenarios,  other_scenarios};
	static char native[NOTES_BYTES];
	int failed = 0, passed = 0;

	signal(SIGPIPE, SIG_IGN);
	alarm(100); /* a scenario that waits for ever ends with this process, and its helpers with it */
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
		for (const struct scenario *s = groups[g]; s->name; s++) {
			if (argc > 1 && strcmp(argv[1], s->name) != 0)
				continue;
			shared->failed = 0;
			run(s, false);
			memcpy(native, shared->notes, shared->noted + 1);
			run(s, true);
			if (shared->failed == 0 && compare(native, shared->notes)) {
				passed++;
				printf("ok %s\n", s->name);
			} else {
				failed++;
				printf("FAILED %s\n", s->name);
			}
			fflush(stdout);
		}
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : 1;
}
