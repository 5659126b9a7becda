/* SPDX-License-Identifier: MIT
 *
 * What workloads that share memory among processes share: checks that say what they found, faults that are expected,
 * locks for several processes, and children whose failure is the end of all.
 */
#ifndef SHARERS_H
#define SHARERS_H

#include "children.h"
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define PAGE 4096ul

#define CHECK_IS(found, expected)                                                                                      \
	do {                                                                                                           \
		long long check_found = (long long)(found), check_expected = (long long)(expected);                    \
		if (check_found != check_expected) {                                                                   \
			fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #found, check_found,      \
				check_expected);                                                                       \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

/* All of it is what workload_fill makes of this seed; 0: all of it is zero. */
#define CHECK_CONTENT(at, bytes, seed) check_content(__FILE__, __LINE__, #at, at, bytes, seed)

static inline void check_content(const char *file, int line, const char *what, const void *at, size_t bytes,
				 uint64_t seed)
{
	const unsigned char *found = at;
	uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (size_t i = 0; i < bytes; i++) {
		unsigned char expected = seed == 0 ? 0 : (unsigned char)(workload_random(&state) >> 24);
		if (found[i] != expected) {
			fprintf(stderr, "%s:%d: (%s)[%zu] is 0x%02x, not 0x%02x (seed %llu)\n", file, line, what, i,
				found[i], expected, (unsigned long long)seed);
			exit(1);
		}
	}
}

static _Thread_local sigjmp_buf fault_return;
static _Thread_local volatile sig_atomic_t fault_expected;
static _Thread_local siginfo_t fault_info;

static inline void fault_taken(int signo, siginfo_t *info, void *context)
{
	(void)context;
	if (!fault_expected) {
		signal(signo, SIG_DFL); /* comes again, and is the end */
		return;
	}
	fault_info = *info;
	siglongjmp(fault_return, 1);
}

#define READ_FAULTS(at, signo, code)  check_fault(__FILE__, __LINE__, #at, at, false, signo, code)
#define WRITE_FAULTS(at, signo, code) check_fault(__FILE__, __LINE__, #at, at, true, signo, code)

/* SIGSEGV, SEGV_ACCERR: mapped, not allowed; SEGV_MAPERR: not mapped; SIGBUS, BUS_ADRERR: behind the object's end. */
static inline void check_fault(const char *file, int line, const char *what, void *at, bool writes, int signo, int code)
{
	volatile unsigned char *byte = at;
	fault_info = (siginfo_t){0};
	fault_expected = 1;
	if (sigsetjmp(fault_return, 1) == 0) {
		if (writes)
			*byte = 0xee;
		else
			(void)*byte;
	}
	fault_expected = 0;
	if (fault_info.si_signo != signo || fault_info.si_code != code || fault_info.si_addr != at) {
		fprintf(stderr, "%s:%d: %s of %s (%p) gave signal %d, code %d, address %p, not %d, %d\n", file, line,
			writes ? "write" : "read", what, at, fault_info.si_signo, fault_info.si_code,
			fault_info.si_addr, signo, code);
		exit(1);
	}
}

static inline void *map_shared(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(at != MAP_FAILED);
	return at;
}

static inline void make_mutex(pthread_mutex_t *mutex, int robust, int protocol)
{
	pthread_mutexattr_t attributes;
	CHECK(pthread_mutexattr_init(&attributes) == 0 && pthread_mutexattr_setrobust(&attributes, robust) == 0);
	CHECK(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0);
	CHECK(pthread_mutexattr_setprotocol(&attributes, protocol) == 0);
	CHECK(pthread_mutex_init(mutex, &attributes) == 0 && pthread_mutexattr_destroy(&attributes) == 0);
}

static inline void make_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(condition, &attributes) == 0 && pthread_condattr_destroy(&attributes) == 0);
}

static inline void make_barrier(pthread_barrier_t *barrier, unsigned int count)
{
	pthread_barrierattr_t attributes;
	CHECK(pthread_barrierattr_init(&attributes) == 0);
	CHECK(pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0);
	CHECK(pthread_barrier_init(barrier, &attributes, count) == 0 && pthread_barrierattr_destroy(&attributes) == 0);
}

/* Not private: by the object the word lies in, not by its address. */
static inline long futex(atomic_uint *word, int operation, unsigned int value, unsigned int mask)
{
	return syscall(SYS_futex, word, operation, value, NULL, NULL, mask);
}

static inline void await_word(atomic_uint *word, unsigned int value)
{
	for (unsigned int now; (now = atomic_load(word)) != value;)
		CHECK(futex(word, FUTEX_WAIT, now, 0) == 0 || errno == EAGAIN || errno == EINTR);
}

static inline void say_word(atomic_uint *word, unsigned int value)
{
	atomic_store(word, value);
	CHECK(futex(word, FUTEX_WAKE, INT_MAX, 0) >= 0);
}

struct part {
	const char *name;
	void (*run)(uint64_t seed);
};

/* Those that the command line names behind its first argument, or all, until it is time to end. */
static inline void parts_run(int argc, char **argv, const struct part *parts, size_t count)
{
	bool named[32] = {false};
	CHECK(count <= 32);
	for (int i = 2; i < argc; i++) {
		size_t part = 0;
		while (part < count && strcmp(argv[i], parts[part].name) != 0)
			part++;
		if (part == count) {
			fprintf(stderr, "%s has no part %s\n", argv[0], argv[i]);
			exit(2);
		}
		named[part] = true;
	}
	workload_begin(argc, argv);
	for (uint64_t seed = 1; workload_running(); seed += 100)
		for (size_t i = 0; i < count; i++)
			if (argc <= 2 || named[i])
				parts[i].run(seed);
}

#define FAMILY_MAX 16

/* Children that live, and how each must end (as of end_of). One that ends otherwise is the end of its parent, and that
 * is the end of the others: nobody waits for what a dead process would have done. */
static struct {
	volatile pid_t pid;
	int end;
} family[FAMILY_MAX];

/* Removes the names that would be left over; must be safe in a signal handler. */
static void (*family_cleanup)(void);

static inline void family_ended(int signo)
{
	static const char text[] = ": a child ended otherwise than it should have\n";
	int errno_before = errno;
	for (int i = 0; i < FAMILY_MAX; i++) {
		siginfo_t info = {0};
		if (family[i].pid == 0 || waitid(P_PID, (id_t)family[i].pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
		    info.si_pid == 0)
			continue;
		if (family[i].end == (info.si_code == CLD_EXITED ? info.si_status : -info.si_status))
			continue;
		(void)!write(STDERR_FILENO, program_invocation_short_name, strlen(program_invocation_short_name));
		(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
		if (family_cleanup)
			family_cleanup();
		_exit(1);
	}
	errno = errno_before;
	(void)signo;
}

/* Once, before anything else. */
static inline void family_begin(void)
{
	struct sigaction fault = {.sa_sigaction = fault_taken, .sa_flags = SA_SIGINFO};
	struct sigaction ended = {.sa_handler = family_ended, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
	CHECK(sigaction(SIGSEGV, &fault, NULL) == 0 && sigaction(SIGBUS, &fault, NULL) == 0);
	CHECK(sigaction(SIGCHLD, &ended, NULL) == 0);
}

static inline pid_t family_forked(int end)
{
	sigset_t chld, before;
	int free_place = 0;
	CHECK(sigemptyset(&chld) == 0 && sigaddset(&chld, SIGCHLD) == 0 && sigprocmask(SIG_BLOCK, &chld, &before) == 0);
	while (free_place < FAMILY_MAX && family[free_place].pid != 0)
		free_place++;
	CHECK(free_place < FAMILY_MAX);
	pid_t parent = getpid(), child = forked();
	if (child == 0) {
		memset(family, 0, sizeof(family));
		family_cleanup = NULL;
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent);
	} else {
		family[free_place].end = end;
		family[free_place].pid = child;
	}
	CHECK(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
	return child;
}

static inline void family_reap(pid_t child)
{
	for (int i = 0; i < FAMILY_MAX; i++)
		if (family[i].pid == child) {
			CHECK_IS(end_of(child), family[i].end);
			family[i].pid = 0;
			return;
		}
	CHECK(!"a child of this family");
}

#endif
