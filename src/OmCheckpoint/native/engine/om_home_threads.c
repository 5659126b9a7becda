/* SPDX-License-Identifier: MIT
 *
 * The deputy's threads: which slot is whose, and how one comes and goes while the body is away. A slot that is free has
 * no tid in the state; its ring is empty and its numbers begin at 0, for the body's side begins there too.
 */
#include <errno.h>
#include <stdlib.h>

#include "om_home.h"

struct om_home_thread *om_home_thread_of(struct om_home *home, uint32_t slot)
{
	struct om_home_thread *thread = slot < home->slots ? home->threads[slot] : NULL;
	return thread && thread->state->tid ? thread : NULL;
}

int om_home_thread_make(struct om_home *home, uint32_t slot, struct om_home_thread **result)
{
	struct om_home_thread *thread = home->threads[slot];
	if (!thread) {
		thread = calloc(1, sizeof(*thread));
		if (!thread || !(thread->placed = calloc(1, sizeof(*thread->placed)))) {
			free(thread);
			return -ENOMEM;
		}
		thread->home = home;
		thread->index = slot;
		thread->slot = (struct om_slot *)((uint8_t *)home->arena + OM_ARENA_SLOT_OFFSET(slot));
		thread->data = (uint8_t *)thread->slot + OM_SLOT_HEADER_BYTES;
		thread->data_address = om_home_data_address(home, slot);
		thread->state = om_state_of(home->state, slot);
		home->threads[slot] = thread;
	}
	*result = thread;
	return 0;
}

void om_home_thread_free(struct om_home_thread *thread)
{
	free(thread->placed);
	om_buffer_free(&thread->reply);
	om_buffer_free(&thread->held_call);
	free(thread);
}

/* Since it began the deputy may have put signals into the ring: nobody has had any. */
static void begin(struct om_home_thread *thread, int32_t tid)
{
	struct om_slot *slot = thread->slot;
	*thread->state = (struct om_home_thread_state){.tid = tid, .last_request = slot->request};
	thread->use = OM_SLOT_IDLE;
	thread->unplaced = thread->held = thread->own_waits = thread->reserved = false;
	thread->signal_sent = 0;
	om_buffer_take(&thread->reply, om_buffer_bytes(&thread->reply));
}

int om_home_thread(om_home *home, uint32_t slot, int32_t tid)
{
	if (slot >= home->slots || tid <= 0)
		return -EINVAL;
	struct om_home_thread *thread;
	pthread_mutex_lock(&home->lock);
	int error = om_home_thread_make(home, slot, &thread);
	if (!error && thread->state->tid && thread->state->tid != tid)
		error = -EEXIST;
	if (!error && !thread->state->tid)
		begin(thread, tid);
	pthread_mutex_unlock(&home->lock);
	return error;
}

int om_home_threads(om_home *home, uint32_t *slots, int32_t *tids, uint32_t capacity)
{
	uint32_t count = 0;
	pthread_mutex_lock(&home->lock);
	for (uint32_t i = 0; i < home->slots && count < capacity; i++) {
		struct om_home_thread *thread = om_home_thread_of(home, i);
		if (!thread)
			continue;
		slots[count] = i;
		tids[count++] = thread->state->tid;
	}
	pthread_mutex_unlock(&home->lock);
	return (int)count;
}

/* As the thread will find it. */
static void prepare(struct om_home_thread *thread)
{
	struct om_slot *slot = thread->slot;
	slot->index = thread->index;
	slot->data = thread->data_address;
	slot->arena = thread->home->arena_address;
	slot->answer = slot->request;
	slot->signal_head = slot->signal_tail = 0;
	slot->tid = 0;
}

/* One that `by` was asked for by a warden which did not hear the answer, or one that is free. */
static int slot_for(struct om_home *home, uint32_t by, struct om_home_thread **thread)
{
	uint32_t found = home->slots;
	for (uint32_t i = 0; i < home->slots; i++) {
		const struct om_home_thread_state *state = om_state_of(home->state, i);
		if (state->tid)
			continue;
		if (state->made_by == by + 1)
			return om_home_thread_make(home, i, thread);
		if (!state->made_by && found == home->slots)
			found = i;
	}
	return found == home->slots ? -EAGAIN : om_home_thread_make(home, found, thread);
}

/* The maker's slot is ours. The note first: whoever comes after us knows of the request by it. */
static int make_thread(struct om_home_thread *maker, struct om_home_thread *made, uint64_t flags, int64_t *tid)
{
	struct om_home *home = maker->home;
	const uint64_t args[6] = {flags, home->arena_address + OM_ARENA_SLOT_OFFSET(made->index),
				  home->threads_address + (uint64_t)made->index * OM_THREAD_BYTES};
	if (made->state->made_by && (*tid = made->slot->tid))
		return 0;
	prepare(made);
	made->state->made_by = maker->index + 1;
	int error = om_home_own_call(maker, OM_DEPUTY_CLONE, args, tid);
	if (!error && *tid <= 0)
		made->state->made_by = 0;
	return error;
}

static int clone_by(struct om_home_thread *maker, uint64_t flags, uint32_t *slot, int32_t *tid)
{
	struct om_home_thread *made;
	int64_t result = 0;
	int error = slot_for(maker->home, maker->index, &made);
	if (!error)
		error = make_thread(maker, made, flags, &result);
	if (error)
		return error;
	if (result <= 0 || result > INT32_MAX)
		return result < 0 && result > -4096 ? (int)result : -EIO;
	begin(made, (int32_t)result);
	made->state->quiet = 1;
	*slot = made->index;
	*tid = (int32_t)result;
	return 0;
}

int om_home_clone(om_home *home, uint32_t by, uint64_t flags, uint32_t *slot, int32_t *tid)
{
	om_home_enter(home);
	struct om_home_thread *maker = om_home_thread_of(home, by);
	int error = maker ? om_home_take_slot(maker) : -ESRCH;
	if (!error) {
		error = clone_by(maker, flags, slot, tid);
		om_home_give_slot(maker);
	}
	om_home_leave(home);
	return error;
}

static int ask_to_end(struct om_home_thread *thread, int32_t status)
{
	const uint64_t args[6] = {(uint32_t)status};
	int error = om_home_take_slot(thread);
	if (error)
		return error;
	__atomic_store_n(&thread->slot->gone, (uint32_t)thread->state->tid, __ATOMIC_RELEASE);
	om_home_post(thread, OM_SLOT_EXIT, OM_DEPUTY_EXIT, args);
	return 0;
}

/* The kernel wakes who waits for a thread's end, but not for that of the last ones of a process that is killed; and the
 * word is the deputy's to write, too. So it is looked at again after a while. -ESRCH: nobody will know, or somebody
 * else has seen it end. */
static int await_end(struct om_home_thread *thread)
{
	const struct timespec a_while = {0, 50000000};
	struct om_home *home = thread->home;
	uint32_t tid = (uint32_t)thread->state->tid, *gone = &thread->slot->gone;
	while (__atomic_load_n(gone, __ATOMIC_ACQUIRE) == tid && !om_home_over(home)) {
		pthread_mutex_unlock(&home->lock);
		syscall(SYS_futex, gone, FUTEX_WAIT, tid, &a_while, NULL, 0);
		pthread_mutex_lock(&home->lock);
	}
	/* What it had taken for the process is the body's still. */
	for (om_home_pump(thread); !om_home_signals_sent(thread) && !om_home_over(home);)
		pthread_cond_wait(&home->changed, &home->lock);
	return om_home_over(home) || (uint32_t)thread->state->tid != tid ? -ESRCH : 0;
}

int om_home_exit(om_home *home, uint32_t index, int32_t status)
{
	om_home_enter(home);
	struct om_home_thread *thread = om_home_thread_of(home, index);
	int error = !thread ? -ESRCH : thread->use == OM_SLOT_EXIT ? 0 : ask_to_end(thread, status);
	if (!error)
		error = await_end(thread);
	if (!error) {
		thread->use = OM_SLOT_IDLE;
		thread->own_waits = thread->held = false;
		*thread->state = (struct om_home_thread_state){0};
		pthread_cond_broadcast(&home->changed);
	}
	om_home_leave(home);
	return error;
}

void om_home_wake_exits(struct om_home *home)
{
	for (uint32_t i = 0; i < home->slots; i++) {
		struct om_home_thread *thread = om_home_thread_of(home, i);
		if (thread && thread->use == OM_SLOT_EXIT)
			om_futex_wake(&thread->slot->gone);
	}
}
