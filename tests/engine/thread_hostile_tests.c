/* SPDX-License-Identifier: MIT
 *
 * Frames for slots that are not there, and for those that are what cannot be.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "member.h"
#include "tests.h"

/* ---- from the body's node -------------------------------------------------------------------------------- */

static void quick_work(struct shared *s, uint32_t index)
{
	EXPECT(syscall(SYS_getppid) > 0);
}

static bool send_to_slot(struct member *m, uint16_t kind, uint16_t slot, uint32_t seq, const void *payload,
			 uint32_t bytes)
{
	struct om_frame frame = frame_of(kind, KEY, 1, seq, bytes);
	frame.slot = slot;
	return member_send(m, frame, payload, bytes);
}

static bool member_hello(struct member *m, struct world *w, uint8_t *payload, size_t capacity)
{
	member_open(m, w, "pc2");
	return member_send(m, frame_of(OM_FRAME_HELLO, KEY, 1, 0, 0), NULL, 0) &&
	       member_receive(m, payload, capacity) == OM_FRAME_WELCOME;
}

static bool call_is_answered(struct member *m, uint16_t slot, uint32_t seq)
{
	const struct om_request getppid = {.number = SYS_getppid};
	uint8_t payload[256];
	return send_to_slot(m, OM_FRAME_CALL, slot, seq, &getppid, sizeof(getppid)) &&
	       member_receive(m, payload, sizeof(payload)) == OM_FRAME_ANSWER &&
	       ((struct om_reply *)payload)->result == getpid();
}

static bool home_knows_its_slots(const char *dir)
{
	static const uint16_t wrong[] = {3, 63, 64, 4095, 65535};
	const struct om_request getppid = {.number = SYS_getppid};
	bool good = true;
	uint8_t payload[4096];
	struct world *w = crew_prepare(dir, 3, quick_work);
	uint32_t calls = 0;
	om_home_expect(w->home, "pc2", 1, false, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct member m;
		CHECK(member_hello(&m, w, payload, sizeof(payload)));
		CHECK(send_to_slot(&m, OM_FRAME_CANCEL, wrong[i], 1, NULL, 0));
		CHECK(send_to_slot(&m, OM_FRAME_SIGNAL_TAKEN, wrong[i], 7, NULL, 0));
		calls++;
		for (uint16_t slot = 0; slot < 3; slot++)
			CHECK(call_is_answered(&m, slot, calls));
		CHECK(send_to_slot(&m, OM_FRAME_CALL, wrong[i], 1, &getppid, sizeof(getppid)));
		CHECK(member_receive(&m, payload, sizeof(payload)) == 0);
		member_close(&m);
	}
	CHECK(om_home_expect(w->home, "pc2", 2, false, 0) == 0);
	CHECK(om_remote_epoch(w->remote, 2) == 0);
	world_start(w);
	return world_close(w) && good;
}

static struct om_slot *map_slot(struct world *w, uint32_t slot)
{
	uint8_t *arena = mmap(NULL, OM_ARENA_BYTES(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED, w->arena_fd, 0);
	return (struct om_slot *)(arena + OM_ARENA_SLOT_OFFSET(slot));
}

/* What the body's side has had is so, whatever the deputy says then. */
static bool ring_is_not_turned_back(const char *dir)
{
	bool good = true;
	uint8_t payload[4096];
	struct member m;
	struct world *w = crew_prepare(dir, 2, quick_work);
	struct om_slot *slot = map_slot(w, 1);
	om_home_expect(w->home, "pc2", 1, false, 0);
	CHECK(member_hello(&m, w, payload, sizeof(payload)));
	for (int i = 0; i < 3; i++) {
		CHECK(syscall(SYS_tgkill, w->deputy, w->deputy_tids[1], SIGRTMIN + 1) == 0);
		CHECK(member_receive(&m, payload, sizeof(payload)) == OM_FRAME_SIGNAL);
	}
	__atomic_store_n(&slot->signal_head, 1, __ATOMIC_SEQ_CST);
	CHECK(send_to_slot(&m, OM_FRAME_SIGNAL_TAKEN, 1, 3, NULL, 0));
	CHECK(call_is_answered(&m, 0, 1));
	CHECK(__atomic_load_n(&slot->signal_tail, __ATOMIC_SEQ_CST) == 3);
	CHECK(send_to_slot(&m, OM_FRAME_SIGNAL_TAKEN, 1, 4, NULL, 0)); /* that has not been sent */
	CHECK(member_receive(&m, payload, sizeof(payload)) == 0);
	member_close(&m);
	munmap((uint8_t *)slot - OM_ARENA_SLOT_OFFSET(1), OM_ARENA_BYTES(SLOTS));
	CHECK(om_home_expect(w->home, "pc2", 2, false, 0) == 0);
	CHECK(om_remote_epoch(w->remote, 2) == 0);
	world_start(w);
	return world_close(w) && good;
}

/* ---- from home ------------------------------------------------------------------------------------------- */

static struct world *open_without_home(const char *dir)
{
	struct world *w = crew_prepare(dir, 2, quick_work);
	relay_hold(w->relay);
	if (om_remote_start(w->remote, 0) != -ETIMEDOUT)
		abort();
	return w;
}

static bool odd_welcomes_end_the_link(const char *dir)
{
	static const uint32_t sizes[] = {1, 8, 15, 17, 24, 40};
	const struct om_welcome_thread threads[4] = {{.slot = 0}, {.slot = 1}, {.slot = 0}, {.slot = 1}};
	bool good = true;
	uint8_t payload[256];
	struct world *w = open_without_home(dir);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct member m;
		member_open_as_home(&m, w);
		CHECK(member_receive(&m, payload, sizeof(payload)) == OM_FRAME_HELLO);
		CHECK(member_send(&m, frame_of(OM_FRAME_WELCOME, KEY, 1, 0, sizes[i]), threads, sizes[i]));
		CHECK(member_receive(&m, payload, sizeof(payload)) == 0);
		member_close(&m);
	}
	om_home_expect(w->home, "pc2", 1, false, 0);
	relay_heal(w->relay);
	world_start(w);
	return world_close(w) && good;
}

static bool remote_knows_its_slots(const char *dir)
{
	const struct om_welcome_thread threads[] = {
		{.slot = 63},         {.slot = 0},     {.slot = 64, .signal_next = 9},
		{.slot = UINT32_MAX}, {.slot = 65536}, {.slot = 1}};
	const struct om_reply reply = {.result = 7};
	const struct om_signal signal = {.signo = 10};
	bool good = true;
	uint8_t payload[256];
	struct member m;
	struct world *w = open_without_home(dir);
	member_open_as_home(&m, w);
	CHECK(member_receive(&m, payload, sizeof(payload)) == OM_FRAME_HELLO);
	CHECK(member_send(&m, frame_of(OM_FRAME_WELCOME, KEY, 1, 0, sizeof(threads)), threads, sizeof(threads)));
	CHECK(member_receive(&m, payload, sizeof(payload)) == OM_FRAME_SIGNAL_TAKEN);
	CHECK(member_receive(&m, payload, sizeof(payload)) == OM_FRAME_SIGNAL_TAKEN);
	for (uint32_t slot = 2; slot < 65536; slot += 997) {
		CHECK(send_to_slot(&m, OM_FRAME_ANSWER, (uint16_t)slot, 1, &reply, sizeof(reply)));
		CHECK(send_to_slot(&m, OM_FRAME_SIGNAL, (uint16_t)slot, 0, &signal, sizeof(signal)));
	}
	CHECK(send_to_slot(&m, OM_FRAME_ANSWER, 1, 1, &reply, sizeof(reply)));   /* to no call */
	CHECK(send_to_slot(&m, OM_FRAME_SIGNAL, 1, 5, &signal, sizeof(signal))); /* before those that come first */
	CHECK(member_receive(&m, payload, sizeof(payload)) == OM_FRAME_SIGNAL_TAKEN);
	CHECK(w->queued == 0);
	CHECK(send_to_slot(&m, OM_FRAME_SIGNAL, 1, 0, &signal, 16));
	CHECK(member_receive(&m, payload, sizeof(payload)) == 0);
	member_close(&m);
	om_home_expect(w->home, "pc2", 1, false, 0);
	relay_heal(w->relay);
	world_start(w);
	return world_close(w) && good;
}

const struct test thread_hostile_tests[] = {
	{"home_knows_its_slots", home_knows_its_slots},
	{"ring_is_not_turned_back", ring_is_not_turned_back},
	{"odd_welcomes_end_the_link", odd_welcomes_end_the_link},
	{"remote_knows_its_slots", remote_knows_its_slots},
	{0},
};
