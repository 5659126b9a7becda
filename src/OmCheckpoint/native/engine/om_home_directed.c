/* SPDX-License-Identifier: MIT
 *
 * For whom a signal was. All threads of a deputy have an open mask, so the kernel gives what is for the process to any
 * of them, the leader if it can; a siginfo does not say which it was. What is known: tgkill(2) says so by its code, a
 * write sends SIGPIPE and SIGXFSZ to the thread that made it, and a timer tells in /proc/PID/timers whom it wakes
 * (SIGEV_THREAD_ID).
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "om_home.h"

/* "ID: 3" and, some lines later, "notify: signal/tid.4711". One that was deleted since is the thread's that took its
 * signal. */
static bool timer_is_directed(int32_t pid, int wanted)
{
	char path[64], line[256];
	bool directed = true, found = false;
	snprintf(path, sizeof(path), "/proc/%d/timers", pid);
	FILE *file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		int id;
		if (sscanf(line, "ID: %d", &id) != 1 || id != wanted)
			continue;
		while (!found && fgets(line, sizeof(line), file))
			if ((found = !strncmp(line, "notify:", 7)))
				directed = strstr(line, "/tid.") != NULL;
	}
	if (file)
		fclose(file);
	return directed;
}

bool om_home_is_directed(const struct om_home_thread *thread, const struct om_signal *signal)
{
	siginfo_t info;
	memcpy(&info, signal->info, sizeof(info));
	switch (info.si_code) {
	case SI_TKILL:
		return true;
	case SI_USER:
		return (info.si_signo == SIGPIPE || info.si_signo == SIGXFSZ) && info.si_pid == thread->home->pid;
	case SI_TIMER:
		return timer_is_directed(thread->home->pid, info.si_timerid);
	default:
		return false;
	}
}
