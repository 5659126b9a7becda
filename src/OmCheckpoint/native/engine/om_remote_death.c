/* SPDX-License-Identifier: MIT
 *
 * A process that home has seen end is dead here, too, before whoever waited for it goes on: memory that the two share
 * is then as the dead leave it (robust futexes, get_robust_list(2)), and nothing is written to it any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "om_body.h"
#include "om_remote.h"

struct death {
	struct om_remote *waiter;
	struct om_remote_thread *thread;
	uint32_t seq; /* of the call whose answer is held */
	int pidfd;
};

/* By wait4(2) or waitid(2), as its answer stands in the body; 0: nobody, or it only stopped or went on. */
static int32_t ended_pid(const struct om_remote_thread *thread)
{
	const struct om_remote *remote = thread->remote;
	const struct seccomp_data *call = &thread->state->call.data;
	const struct om_body body = {remote->pid, remote->area, remote->area + OM_AREA_BYTES(remote->slots)};
	int64_t result = thread->marshal.result;
	if (call->nr == SYS_wait4 && result > 0) {
		int status = 0;
		if (!call->args[1])
			return call->args[2] & (WUNTRACED | WCONTINUED) ? 0 : (int32_t)result;
		if (om_body_read(&body, call->args[1], &status, sizeof(status)) != sizeof(status))
			return 0;
		return WIFSTOPPED(status) || WIFCONTINUED(status) ? 0 : (int32_t)result;
	}
	siginfo_t info;
	if (call->nr != SYS_waitid || result || !call->args[2] ||
	    om_body_read(&body, call->args[2], &info, sizeof(info)) != sizeof(info))
		return 0;
	return info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED ? info.si_pid : 0;
}

/* A pidfd of the body that has this number at the same home; -1: none is here. */
static int body_of(struct om_remote *waiter, int32_t home_pid)
{
	struct om_engine *engine = waiter->engine;
	int pidfd = -1;
	pthread_mutex_lock(&engine->lock);
	for (unsigned int i = 0; i < OM_TABLE_BUCKETS && pidfd < 0; i++)
		for (struct om_remote *other = engine->remotes[i]; other && pidfd < 0; other = other->next)
			if (other != waiter && other->home == waiter->home && other->home_pid == home_pid)
				pidfd = fcntl(other->pidfd, F_DUPFD_CLOEXEC, 3);
	pthread_mutex_unlock(&engine->lock);
	return pidfd;
}

static void *run(void *argument)
{
	struct death *death = argument;
	struct om_remote *waiter = death->waiter;
	struct pollfd end = {.fd = death->pidfd, .events = POLLIN};
	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		;
	close(death->pidfd);
	pthread_mutex_lock(&waiter->lock);
	struct om_remote_thread *thread = death->thread;
	if (thread->awaits_death && thread->state->call_seq == death->seq) {
		thread->awaits_death = false;
		if (thread->quiesced)
			om_remote_finish(thread);
		else if (!waiter->closed)
			om_remote_let_go(thread);
	}
	om_remote_leave(waiter);
	free(death);
	return NULL;
}

bool om_remote_awaits_death(struct om_remote_thread *thread)
{
	struct om_remote *waiter = thread->remote;
	int32_t pid = ended_pid(thread);
	int pidfd = pid ? body_of(waiter, pid) : -1;
	if (pidfd < 0)
		return false;
	/* It has been reaped, or is about to be: this only takes less time than home's word. */
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	struct pollfd end = {.fd = pidfd, .events = POLLIN};
	struct death *death = poll(&end, 1, 0) == 0 ? malloc(sizeof(*death)) : NULL;
	pthread_t watcher;
	if (death) {
		*death = (struct death){waiter, thread, thread->state->call_seq, pidfd};
		waiter->references++;
		thread->awaits_death = true;
		if (!om_thread_create(&watcher, "om-death", run, death)) {
			pthread_detach(watcher);
			return true;
		}
		thread->awaits_death = false;
		waiter->references--; /* not the last: the table has one */
		free(death);
	}
	close(pidfd);
	return false;
}
