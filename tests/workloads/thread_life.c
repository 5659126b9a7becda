/* SPDX-License-Identifier: MIT
 * Threads that come and go all the time: every way to end and what pthread_join(3) is told, detached ones, stacks
 * of a given size with guards, threads that make threads, and clear_child_tid of a bare clone(2). At quiet points
 * /proc/self/task holds those that live and no others. */
#include "workload.h"
#include <dirent.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define BATCH 24

static sem_t said;
static pthread_barrier_t met;
static pthread_key_t key;
static atomic_int destroyed;

static void destroy(void *value)
{
	CHECK(value == &destroyed);
	atomic_fetch_add(&destroyed, 1);
}

/* How many tasks there are, if those given are among them. */
static int tasks(const pid_t *living, int count)
{
	DIR *directory = opendir("/proc/self/task");
	int entries = 0, found = 0;
	CHECK(directory != NULL);
	for (struct dirent *entry; (entry = readdir(directory)) != NULL; entries += entry->d_name[0] != '.')
		for (int i = 0; i < count; i++)
			found += atoi(entry->d_name) == living[i];
	CHECK(closedir(directory) == 0);
	return found == count ? entries : -1;
}

/* Besides main, those given and no others. A join returns on clear_child_tid, which the kernel zeroes a while before it
 * takes the task out of the list; a listing that a task leaves meanwhile may be cut short. Both pass. */
static void quiet(const pid_t *living, int count)
{
	for (int64_t end = now_ns(CLOCK_MONOTONIC) + 20000000000ll; tasks(living, count) != 1 + count; sched_yield())
		CHECK(now_ns(CLOCK_MONOTONIC) < end);
}

static pid_t ids[BATCH];

__attribute__((noinline)) static void exit_in_there(void)
{
	pthread_exit((void *)4711);
}

static void add_to(void *sum)
{
	(*(long *)sum)++;
}

static void *end_somehow(void *number)
{
	long n = (long)number, sum = 0;
	ids[n] = gettid();
	CHECK(pthread_setspecific(key, &destroyed) == 0);
	pthread_barrier_wait(&met);
	pthread_barrier_wait(&met); /* in between we are counted */
	if (n % 3 == 0)
		exit_in_there();
	pthread_cleanup_push(add_to, &sum);
	pthread_cleanup_pop(1);
	CHECK(sum == 1);
	return (void *)(n * 7);
}

static void returns(void)
{
	pthread_t threads[BATCH];
	struct timespec soon = {0};
	void *gave;
	atomic_store(&destroyed, 0);
	for (long i = 0; i < BATCH; i++)
		CHECK(pthread_create(&threads[i], NULL, end_somehow, (void *)i) == 0);
	pthread_barrier_wait(&met);
	for (int i = 0; i < BATCH; i++)
		for (int j = 0; j < i; j++)
			CHECK(ids[i] != ids[j] && ids[i] != getpid());
	quiet(ids, BATCH);
	usleep(4000); /* and are there for a while */
	quiet(ids, BATCH);
	CHECK(pthread_tryjoin_np(threads[3], &gave) == EBUSY &&
	      pthread_timedjoin_np(threads[4], &gave, &soon) == ETIMEDOUT);
	pthread_barrier_wait(&met);
	for (long i = BATCH - 1; i >= 0; i--)
		CHECK(pthread_join(threads[i], &gave) == 0 && gave == (void *)(i % 3 == 0 ? 4711 : i * 7));
	CHECK(atomic_load(&destroyed) == BATCH);
	quiet(NULL, 0);
}

static void *detached(void *by_itself)
{
	CHECK(by_itself == NULL || pthread_detach(pthread_self()) == 0);
	CHECK(sem_post(&said) == 0);
	return by_itself;
}

static void nobody_joins(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	CHECK(pthread_attr_init(&attributes) == 0);
	CHECK(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
	for (int i = 0; i < BATCH; i++)
		CHECK(pthread_create(&thread, i % 2 ? &attributes : NULL, detached, i % 2 ? NULL : &met) == 0);
	for (int i = 0; i < BATCH; i++)
		CHECK(sem_wait(&said) == 0);
	CHECK(pthread_attr_destroy(&attributes) == 0);
	quiet(NULL, 0);
}

static int sink[2];

struct stack {
	size_t size, guard;
	char *given;
};

/* All of the stack is writable, and below it nothing is: not even the kernel reads there. */
static void *on_stack(void *wanted)
{
	const struct stack *stack = wanted;
	size_t size, guard;
	void *low;
	char here;
	pthread_attr_t got;
	CHECK(pthread_getattr_np(pthread_self(), &got) == 0 && pthread_attr_getstack(&got, &low, &size) == 0);
	CHECK(pthread_attr_getguardsize(&got, &guard) == 0 && pthread_attr_destroy(&got) == 0);
	CHECK(size == stack->size && &here > (char *)low && &here < (char *)low + size);
	memset(low, 0x5a, (size_t)(&here - (char *)low) - 16384);
	if (stack->given) {
		CHECK(low == stack->given);
	} else {
		CHECK(guard == stack->guard);
		CHECK_ERRNO(write(sink[1], (char *)low - 1, 1), EFAULT);
		CHECK_ERRNO(write(sink[1], (char *)low - guard, 1), EFAULT);
	}
	return low;
}

static void stacks(void)
{
	struct stack wanted[4] = {
		{131072, 4096, NULL}, {262144, 65536, NULL}, {1 << 20, 16384, NULL}, {262144, 0, NULL}};
	wanted[3].given = mmap(NULL, 262144, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	CHECK(wanted[3].given != MAP_FAILED);
	for (int i = 0; i < 4; i++) {
		pthread_attr_t attributes;
		pthread_t thread;
		void *low;
		CHECK(pthread_attr_init(&attributes) == 0 &&
		      pthread_attr_setguardsize(&attributes, wanted[i].guard) == 0);
		CHECK(pthread_attr_setstacksize(&attributes, wanted[i].size) == 0);
		CHECK(i < 3 || pthread_attr_setstack(&attributes, wanted[3].given, wanted[3].size) == 0);
		CHECK(pthread_create(&thread, &attributes, on_stack, &wanted[i]) == 0);
		CHECK(pthread_join(thread, &low) == 0 && (i < 3 || *(char *)low == 0x5a));
		CHECK(pthread_attr_destroy(&attributes) == 0);
	}
	CHECK(munmap(wanted[3].given, wanted[3].size) == 0);
}

/* Each makes three more, at once with the others, down to the given depth; it tells how many there were. */
static void *tree(void *depth)
{
	pthread_t children[3];
	long count = 1;
	for (int i = 0; i < 3 && depth != NULL; i++)
		CHECK(pthread_create(&children[i], NULL, tree, (char *)depth - 1) == 0);
	for (int i = 0; i < 3 && depth != NULL; i++) {
		void *below;
		CHECK(pthread_join(children[i], &below) == 0);
		count += (long)below;
	}
	return (void *)count;
}

static volatile long bare_sum;

static int bare(void *argument)
{
	for (long i = 0; i < 1000; i++)
		bare_sum += i;
	return 0;
}

/* CLONE_CHILD_CLEARTID: zeroed and woken when it is through with its memory; the wake is not a private one. */
static void bare_clone(void)
{
	static char stack[65536] __attribute__((aligned(64)));
	static atomic_int tid;
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	bare_sum = 0;
	int made = clone(bare, stack + sizeof(stack), flags | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID, NULL, &tid,
			 NULL, &tid);
	CHECK(made > 0);
	for (int now; (now = atomic_load(&tid)) != 0;) {
		CHECK(now == made);
		syscall(SYS_futex, &tid, FUTEX_WAIT, now, NULL, NULL, 0);
	}
	CHECK(bare_sum == 499500);
}

int main(int argc, char **argv)
{
	CHECK(pipe(sink) == 0 && sem_init(&said, 0, 0) == 0 && pthread_key_create(&key, destroy) == 0);
	CHECK(pthread_barrier_init(&met, NULL, BATCH + 1) == 0);
	workload_begin(argc, argv);
	while (workload_running()) {
		void *count;
		returns();
		nobody_joins();
		stacks();
		CHECK((count = tree((void *)3)) == (void *)40);
		bare_clone();
		quiet(NULL, 0);
	}
	return workload_ok("thread_life");
}
