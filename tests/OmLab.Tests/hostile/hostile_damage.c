/* SPDX-License-Identifier: MIT
 *
 * Damage that a body does to itself, and so to what its warden finds when it looks at it. Each says what still works
 * afterwards: calls do not depend on the agent, a move does.
 */
#define _GNU_SOURCE
#include "hostile.h"
#include "om_abi.h"
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rseq.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define VDSO_BYTES   8192
#define GROWTH_BYTES (700ul << 20)
#define MOST_TIMERS  2000
#define ROUNDS       100

/* The list of mappings is the skeleton's; not all of it is here. */
static struct om_agent_header *area(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	volatile uintptr_t found = 0;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps)) {
		uintptr_t start = strtoul(line, NULL, 16);

		if (sigsetjmp(fault, 1) == 0) {
			guard();
			if (*(volatile uint64_t *)start == OM_AGENT_MAGIC)
				found = start;
		}
		unguard();
	}
	if (maps)
		fclose(maps);
	if (!found) {
		printf("no agent\n");
		exit(95);
	}
	return (struct om_agent_header *)found;
}

static char *block(void)
{
	return (char *)area() + OM_AREA_BLOCK_OFFSET;
}

static void calls_work(void)
{
	struct timespec now;
	int ends[2];
	char byte = 'x';

	if (pipe(ends) || write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1 || close(ends[0]) ||
	    close(ends[1]) || raw(SYS_clock_gettime, CLOCK_REALTIME, (long)&now, 0, 0, 0, 0) ||
	    raw(SYS_getppid, 0, 0, 0, 0, 0, 0) < 0)
		printf("calls do not work any more\n");
	else
		printf("calls work\n");
}

static void scribble_code(void)
{
	char *code = (char *)area();

	mprotect(code, OM_AREA_CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
	/* The header stays: it still looks like an agent. */
	memset(code + sizeof(struct om_agent_header), 0xcc, OM_AREA_CODE_BYTES - sizeof(struct om_agent_header));
	calls_work();
}

static void scribble_block(void)
{
	char *bytes = block();

	memset(bytes, 0xff, OM_AREA_BLOCK_BYTES);
	calls_work();
}

static void close_block(void)
{
	mprotect(block(), OM_AREA_BLOCK_BYTES, PROT_NONE);
	calls_work();
}

static void unmap_agent(void)
{
	munmap(area(), OM_AREA_BYTES(1024)); /* what a process with few threads gets */
	calls_work();
}

static void scribble_vdso(void)
{
	char *vdso = (char *)getauxval(AT_SYSINFO_EHDR);

	mprotect(vdso, VDSO_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
	memset(vdso, 0xcc, VDSO_BYTES);
	calls_work();
}

static void unmap_vdso(void)
{
	munmap((char *)getauxval(AT_SYSINFO_EHDR), VDSO_BYTES);
	calls_work();
}

static long own_tls;

static void leave(int number)
{
	if (own_tls) /* a deputy's is elsewhere */
		raw(SYS_arch_prctl, ARCH_SET_FS, own_tls, 0, 0, 0, 0);
	siglongjmp(fault, 1);
}

/* The agent executes what it is told: by us, for once. Its calls are ours, and go where ours go. */
static void jump(void)
{
	const struct om_agent_header *header = area();
	struct om_batch *batch = (struct om_batch *)SCRATCH;
	void (*entry)(struct om_batch *) = (void (*)(struct om_batch *))((uintptr_t)header + header->batch_entry);

	scratch_make("");
	batch->count = 2;
	batch->calls[0] = (struct om_call){SYS_open, {(uintptr_t) "/run/witness/secret", O_RDWR}, 0};
	batch->calls[1] = (struct om_call){SYS_getuid, {0}, 0};
	if (sigsetjmp(fault, 1) == 0) {
		guard();
		entry(batch);
	}
	unguard();
	printf("open %ld, uid %ld\n", (long)batch->calls[0].result, (long)batch->calls[1].result);
	raw(SYS_arch_prctl, ARCH_GET_FS, (long)&own_tls, 0, 0, 0, 0);
	/* As a deputy it would serve us for ever. */
	if (sigsetjmp(fault, 1) == 0) {
		guard();
		setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 50000}}, NULL);
		signal(SIGALRM, leave);
		((void (*)(void *))((uintptr_t)header + header->deputy_entry))(SCRATCH);
	}
	unguard();
	calls_work();
}

/* What the kernel reads when a thread ends, is moved between CPUs, or gets a signal. */
static void odd(void)
{
	static uintptr_t ring[3];
	const struct rseq *rseq = (const struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	stack_t stack = {.ss_sp = (void *)0x1000, .ss_size = 1ul << 40};
	struct sigaction action = {.sa_flags = SA_ONSTACK};

	ring[0] = (uintptr_t)ring;
	raw(SYS_set_robust_list, (long)ring, 24, 0, 0, 0, 0);
	ring[1] = (uintptr_t)-1;
	ring[2] = 0xffffffff80000000ul;
	raw(SYS_set_tid_address, (long)0xffffffff80000000ul, 0, 0, 0, 0, 0);
	sigaltstack(&stack, NULL);
	action.sa_handler = SIG_DFL;
	sigaction(SIGSEGV, &action, NULL);
	calls_work();
	raw(SYS_rseq, (long)rseq, 32, RSEQ_FLAG_UNREGISTER, (long)RSEQ_SIG, 0, 0);
	scratch_make("");
	long registered = raw(SYS_rseq, (long)SCRATCH, 32, 0, 0x12345678, 0, 0);
	/* Any preemption from here on finds a critical section that never was. */
	*(volatile uint64_t *)(SCRATCH + 8) = 0xdead0000;
	printf("rseq %ld\n", registered);
	if (sigsetjmp(fault, 1) == 0) {
		guard();
		for (volatile int i = 0; i < 100000000; i++)
			;
	}
	unguard();
	printf("still here\n");
}

static char *volatile scribbled;

static void on_alarm(int number)
{
	memset(scribbled, 0x5a, OM_AREA_BLOCK_BYTES);
}

/* While a call is on its way home, the only moment in which a body can do anything is a handler's. */
static void in_flight(void)
{
	struct itimerval often = {{0, 2000}, {0, 2000}}, never = {0};
	struct sigaction action = {.sa_handler = on_alarm};
	int ends[2], interrupted = 0;
	char bytes[64];

	scribbled = block();
	sigaction(SIGALRM, &action, NULL);
	if (pipe(ends))
		exit(94);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < ROUNDS; i++)
		interrupted += read(ends[0], bytes, sizeof(bytes)) == -1 && errno == EINTR;
	setitimer(ITIMER_REAL, &never, NULL);
	printf("interrupted %d\n", interrupted);
	calls_work();
}

/* Code of 32 bits makes no call that the filter lets through, and its registers are not what anybody expects. */
static void compute_32_bit(void)
{
	static const unsigned char forever[] = {0xeb, 0xfe};
	unsigned char *low =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct itimerval later = {{0, 0}, {2, 0}};
	struct sigaction action = {.sa_handler = leave, .sa_flags = SA_ONSTACK};

	memcpy(low, forever, sizeof(forever));
	sigaction(SIGVTALRM, &action, NULL);
	printf("32 bits\n");
	if (sigsetjmp(fault, 1) == 0) {
		setitimer(ITIMER_VIRTUAL, &later, NULL);
		__asm__ volatile("mov %0, %%rsp\n pushq $0x23\n pushq %1\n lretq"
				 :
				 : "r"(low + 2048), "r"((uintptr_t)low)
				 : "memory");
	}
	calls_work();
}

static void grow(void)
{
	for (size_t done = 0; done < GROWTH_BYTES; done += 4ul << 20) {
		char *more = mmap(NULL, 4ul << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (more == MAP_FAILED)
			break;
		for (size_t page = 0; page < 4ul << 20; page += 4096)
			more[page] = (char)(page >> 12 ^ done >> 22);
	}
	calls_work();
}

static void timers(void)
{
	struct itimerval often = {{0, 1}, {0, 1}}, never = {0};
	int made = 0;
	timer_t timer;

	while (made < MOST_TIMERS && timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0)
		made++;
	signal(SIGPROF, SIG_IGN);
	setitimer(ITIMER_PROF, &often, NULL);
	for (volatile int i = 0; i < 10000000; i++)
		;
	setitimer(ITIMER_PROF, &never, NULL);
	calls_work();
}

/* No call that runs here takes a descriptor; one that is given one must not look at it. */
static void descriptors(void)
{
	int seen = 0;

	for (int fd = 0; fd < 1024; fd++) {
		char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
		seen += page != MAP_FAILED && page[0] != 0;
		munmap(page, 4096);
	}
	printf("%d seen\n", seen);
	calls_work();
}

static void other_architecture(void)
{
	long number = 20; /* getpid there, writev here */

	__asm__ volatile("int $0x80" : "+a"(number) : : "memory");
	printf("%ld: the other system call came through\n", number);
}

const struct damage damages[] = {
	{"scribble-code", scribble_code},
	{"scribble-block", scribble_block},
	{"close-block", close_block},
	{"unmap-agent", unmap_agent},
	{"scribble-vdso", scribble_vdso},
	{"unmap-vdso", unmap_vdso},
	{"jump", jump},
	{"odd", odd},
	{"in-flight", in_flight},
	{"32-bit", compute_32_bit},
	{"grow", grow},
	{"timers", timers},
	{"descriptors", descriptors},
	{"int80", other_architecture},
	{NULL, NULL},
};
