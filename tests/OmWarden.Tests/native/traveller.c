/* SPDX-License-Identifier: MIT
 *
 * What the tests of the warden send travelling. Reads commands from its standard input, one a line, and answers each
 * with one line on standard output, after it has appended it to the file it was given. Its memory must be what it was:
 * every answer holds a checksum of a table that every command changes. Ends with status 7 at the end of input.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS        (1u << 18)
#define SHARED       ((char *)0x200000000000ull)
#define SHARED_BYTES (8u << 20)

static uint64_t *table;
static volatile sig_atomic_t signals;
static int last_value, last_code;
static double sum = 1.0;
static int *volatile bad_pointer = (int *)8;

static uint64_t change(uint64_t seed)
{
	uint64_t check = 0;
	for (unsigned int i = 0; i < WORDS; i++) {
		table[i] = table[i] * 6364136223846793005ull + seed + i;
		check ^= table[i] >> (i & 31);
	}
	sum = sum * 1.000001 + (double)(seed % 97);
	return check;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	signals++;
	last_value = info->si_value.sival_int;
	last_code = info->si_code;
}

static void answer(FILE *log, const char *text)
{
	static struct timespec last;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	const char *clock = now.tv_sec < last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec < last.tv_nsec)
				    ? " CLOCK STEPPED BACK"
				    : "";
	last = now;
	fprintf(log, "%s\n", text);
	fflush(log);
	printf("%s%s\n", text, clock);
	fflush(stdout);
}

static int fork_child(void)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(41);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -errno;
	return WEXITSTATUS(status);
}

static const char *map(const char *path, char *room, size_t bytes)
{
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return strerror(errno);
	char *mapped = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapped == MAP_FAILED)
		return strerror(errno);
	snprintf(room, bytes, "%.20s %d", mapped, mapped[4095]);
	munmap(mapped, 8192);
	void *bad = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 1);
	if (bad != MAP_FAILED || errno != EINVAL)
		return "unaligned mmap did not fail";
	close(fd);
	bad = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bad != MAP_FAILED || errno != EBADF)
		return "mmap of a closed descriptor did not fail";
	return room;
}

/* Memory of its own, or that of another traveller, through what that one has mapped. */
static const char *share(const char *path)
{
	int flags = MAP_SHARED | MAP_FIXED_NOREPLACE | (path ? 0 : MAP_ANONYMOUS);
	int fd = path ? open(path, O_RDWR) : -1;
	if (path && fd < 0)
		return strerror(errno);
	char *mapped = mmap(SHARED, SHARED_BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (fd >= 0)
		close(fd);
	return mapped == SHARED ? "shared" : strerror(errno);
}

int main(int argc, char **argv)
{
	static char line[4096], text[8192];
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};

	table = mmap(NULL, WORDS * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *log = argc > 1 ? fopen(argv[1], "a") : NULL;
	if (!log || table == MAP_FAILED || sigaction(SIGUSR1, &action, NULL))
		return 1;
	answer(log, "ready");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		char *rest = strchr(line, ' ');
		if (rest)
			*rest++ = 0;
		if (!strcmp(line, "exec")) {
			char *arguments[] = {"/bin/echo", rest ? rest : "", NULL};
			execv(arguments[0], arguments);
			snprintf(text, sizeof(text), "exec: %s", strerror(errno));
		} else if (!strcmp(line, "badexec")) {
			execl("/nonexistent/program", "program", NULL);
			snprintf(text, sizeof(text), "exec: %s", strerror(errno));
		} else if (!strcmp(line, "fork")) {
			snprintf(text, sizeof(text), "child %d", fork_child());
		} else if (!strcmp(line, "signals")) {
			snprintf(text, sizeof(text), "signals %d value %d code %d", (int)signals, last_value,
				 last_code);
		} else if (!strcmp(line, "crash")) {
			*bad_pointer = 1;
		} else if (!strcmp(line, "abort")) {
			abort();
		} else if (!strcmp(line, "ignore")) {
			signal(SIGUSR2, SIG_IGN);
			snprintf(text, sizeof(text), "ignoring");
		} else if (!strcmp(line, "catch")) {
			sigaction(SIGTERM, &action, NULL);
			snprintf(text, sizeof(text), "catching");
		} else if (!strcmp(line, "wait")) {
			/* A sleep that a handler interrupts. */
			struct timespec long_time = {1000, 0};
			int result = nanosleep(&long_time, &long_time);
			snprintf(text, sizeof(text), "woken %s", result && errno == EINTR ? "EINTR" : "otherwise");
		} else if (!strcmp(line, "map")) {
			char room[128];
			snprintf(text, sizeof(text), "map %s", map(rest, room, sizeof(room)));
		} else if (!strcmp(line, "share")) {
			snprintf(text, sizeof(text), "%s", share(rest));
		} else if (!strcmp(line, "put")) {
			unsigned long page = 0;
			int value = 0;
			snprintf(text, sizeof(text), "%s", sscanf(rest, "%lu %d", &page, &value) == 2 ? "put" : "?");
			SHARED[page * 4096] = (char)value;
		} else if (!strcmp(line, "get")) {
			snprintf(text, sizeof(text), "%d", SHARED[strtoul(rest, NULL, 10) * 4096]);
		} else if (!strcmp(line, "spin")) {
			answer(log, "spinning");
			while (!signals)
				change(1);
			snprintf(text, sizeof(text), "spun");
		} else {
			snprintf(text, sizeof(text), "%s %016llx %.6f pid %d", line,
				 (unsigned long long)change(strlen(line) + (unsigned char)line[0]), sum, (int)getpid());
		}
		answer(log, text);
	}
	return 7;
}
