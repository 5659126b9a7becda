/* SPDX-License-Identifier: MIT
 *
 * What interrupts a body's calls: quiesce, of one thread or of all, and what is asked and said while they stand.
 */
#include <errno.h>

#include "om_remote.h"

static void go_on(struct om_remote_thread *thread, bool *signal_missed)
{
	*signal_missed |= thread->signal_missed;
	thread->quiesced = thread->has_mask = thread->signal_missed = false;
}

static void begin(struct om_remote_thread *thread, enum om_quiesce why)
{
	struct om_remote_thread_state *state = thread->state;
	thread->quiesced = true;
	thread->why = why;
	thread->ended = state->phase != OM_PHASE_NONE;
	if (state->phase == OM_PHASE_STRUCTURAL)
		om_remote_answer_body(thread, om_remote_restart(thread, om_remote_is_rest(thread)), 0);
	else if (state->phase == OM_PHASE_CANCELLED || state->phase == OM_PHASE_QUEUED)
		om_remote_end_cancelled(thread);
	else if (thread->finished &&
		 !thread->awaits_death) /* else quiesce waits for that, too: it does not take long */
		om_remote_finish(thread);
	else if (thread->finished)
		return;
	else if (state->phase == OM_PHASE_SENT && (!state->pieces || om_marshal_waits(&thread->marshal)))
		om_remote_cancel(thread);
	else if (state->phase == OM_PHASE_NONE && state->call.id && !thread->remote->serving)
		om_remote_answer_body(thread, om_remote_restart(thread, om_remote_is_rest(thread)), 0);
}

static bool named(uint32_t slot, uint32_t i)
{
	return slot == OM_EVERY_THREAD || slot == i;
}

/* The next thread from *at on that `slot` names, or NULL; *at is behind it. */
static struct om_remote_thread *next_named(struct om_remote *remote, uint32_t slot, uint32_t *at)
{
	while (*at < remote->slots) {
		uint32_t i = (*at)++;
		struct om_remote_thread *thread = named(slot, i) ? om_remote_thread_of(remote, i) : NULL;
		if (thread)
			return thread;
	}
	return NULL;
}

/* What home has kept of signals meanwhile it sends after the next WELCOME. */
static void all_go_on(struct om_remote *remote, uint32_t slot)
{
	struct om_remote_thread *thread;
	bool signal_missed = false;
	for (uint32_t at = 0; (thread = next_named(remote, slot, &at));)
		go_on(thread, &signal_missed);
	if (signal_missed)
		om_remote_hello(remote, 0);
}

static bool all_ended(struct om_remote *remote, uint32_t slot)
{
	struct om_remote_thread *thread;
	for (uint32_t at = 0; (thread = next_named(remote, slot, &at));)
		if (thread->state->phase == OM_PHASE_SENT)
			return false;
	return true;
}

/* Whose ring they came from says nothing: any thread may be the one that is to take what was for the process. */
static bool owes_any(struct om_remote *remote)
{
	struct om_remote_thread *thread;
	bool owes = false;
	for (uint32_t at = 0; (thread = next_named(remote, OM_EVERY_THREAD, &at));)
		owes |= om_remote_owes_signals(thread);
	return owes;
}

int om_remote_quiesce(om_remote *remote, uint32_t slot, enum om_quiesce why, uint32_t timeout_ms)
{
	struct timespec until = om_deadline(timeout_ms);
	struct om_remote_thread *thread;
	int result = 0, waited = 0;
	om_remote_enter(remote);
	for (uint32_t at = 0; (thread = next_named(remote, slot, &at));)
		begin(thread, why);
	while (!all_ended(remote, slot) && remote->connection && !remote->closed && !remote->gone && !waited)
		waited = pthread_cond_timedwait(&remote->changed, &remote->lock, &until);
	while (remote->handing)
		pthread_cond_wait(&remote->changed, &remote->lock);
	if (!all_ended(remote, slot)) {
		result = remote->gone ? -ESRCH : waited ? -ETIMEDOUT : -ENOTCONN;
		all_go_on(remote, slot);
		bool owes = owes_any(remote);
		for (uint32_t at = 0; (thread = next_named(remote, slot, &at));)
			thread->owed |= owes;
	}
	om_remote_leave(remote);
	return result;
}

int om_remote_resume(om_remote *remote, uint32_t slot)
{
	pthread_mutex_lock(&remote->lock);
	all_go_on(remote, slot);
	pthread_mutex_unlock(&remote->lock);
	return 0;
}

/* ---- of one thread, while it stands ----------------------------------------------------------------------- */

static struct om_remote_thread *lock_thread(struct om_remote *remote, uint32_t slot)
{
	pthread_mutex_lock(&remote->lock);
	return om_remote_thread_of(remote, slot);
}

bool om_remote_ended(om_remote *remote, uint32_t slot)
{
	struct om_remote_thread *thread = lock_thread(remote, slot);
	bool ended = thread && thread->quiesced && thread->ended;
	pthread_mutex_unlock(&remote->lock);
	return ended;
}

void om_remote_queued(om_remote *remote, uint32_t slot, uint32_t signals)
{
	struct om_remote_thread *thread = lock_thread(remote, slot);
	if (thread) {
		thread->state->signals_queued += signals;
		if (!om_remote_owes_signals(thread))
			thread->signals_mask = 0;
		om_remote_let_go(thread);
	}
	pthread_mutex_unlock(&remote->lock);
}

uint32_t om_remote_signals(om_remote *remote, uint32_t slot)
{
	struct om_remote_thread *thread = lock_thread(remote, slot);
	uint32_t taken = thread ? thread->state->signals_taken : 0;
	pthread_mutex_unlock(&remote->lock);
	return taken;
}

int om_remote_mask(om_remote *remote, uint32_t slot, uint64_t *mask)
{
	struct om_remote_thread *thread = lock_thread(remote, slot);
	bool there = thread && thread->quiesced && thread->has_mask;
	if (there)
		*mask = thread->mask;
	pthread_mutex_unlock(&remote->lock);
	return there;
}

bool om_remote_in_call(om_remote *remote, uint32_t slot)
{
	struct om_remote_thread *thread = lock_thread(remote, slot);
	bool there = thread && thread->state->phase >= OM_PHASE_QUEUED;
	pthread_mutex_unlock(&remote->lock);
	return there;
}

int om_remote_waits_under(om_remote *remote, uint32_t slot, uint64_t *mask)
{
	struct om_remote_thread *thread = lock_thread(remote, slot);
	bool there = thread && thread->state->phase >= OM_PHASE_QUEUED && thread->marshal.has_mask;
	if (there)
		*mask = thread->marshal.mask;
	pthread_mutex_unlock(&remote->lock);
	return there;
}

int om_remote_left(om_remote *remote, uint32_t slot, int32_t *number, uint64_t *left_ns, uint64_t *done)
{
	struct om_remote_thread *thread = lock_thread(remote, slot);
	bool there = thread && thread->state->rest_number >= 0;
	if (there) {
		*number = (int32_t)thread->state->rest_number;
		*left_ns = thread->state->rest_ns;
		*done = thread->state->rest_done;
	}
	pthread_mutex_unlock(&remote->lock);
	return there;
}

void om_remote_rest(om_remote *remote, uint32_t slot, int32_t number, uint64_t left_ns, uint64_t done)
{
	struct om_remote_thread *thread = lock_thread(remote, slot);
	if (thread) {
		thread->state->rest_ns = left_ns;
		thread->state->rest_done = done;
		thread->state->rest_number = number;
		thread->state->rest_any = 1;
	}
	pthread_mutex_unlock(&remote->lock);
}
