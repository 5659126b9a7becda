/* SPDX-License-Identifier: MIT
 *
 * Peers that hold a certificate of the cluster and misuse it: a node that is not the body's, and the body's own node
 * sending nonsense. Whatever they send, the deputy goes on and the right body finds it as it was.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "engine/om_link.h"
#include "member.h"
#include "tests.h"

static void quick_body(struct shared *s)
{
	EXPECT(syscall(SYS_getppid) > 0);
}

static bool wrong_member_gets_fenced(const char *dir)
{
	bool good = true;
	struct world *w = world_prepare(dir, quick_body);
	struct member m;
	uint8_t payload[64];
	om_home_expect(w->home, "pc2", 1, false, 0);
	member_open(&m, w, "pc3");
	CHECK(member_send(&m, frame_of(OM_FRAME_HELLO, KEY, 1, 0, 0), NULL, 0));
	CHECK(member_receive(&m, payload, sizeof(payload)) == OM_FRAME_FENCED);
	CHECK(member_send(&m, frame_of(OM_FRAME_CALL, KEY, 1, 1, 8), payload, 8));
	CHECK(member_receive(&m, payload, sizeof(payload)) == OM_FRAME_FENCED);
	CHECK(member_send(&m, frame_of(OM_FRAME_SIGNAL, KEY, 1, 1, 8), payload, 8)); /* pc2's affair, not ours */
	struct om_frame lie = frame_of(OM_FRAME_CALL, KEY, 1, 1, UINT32_MAX);
	CHECK(member_send(&m, lie, NULL, 0));
	CHECK(member_receive(&m, payload, sizeof(payload)) == 0);
	world_wait_log(w, "pc3 down: a frame of kind 4 with 4294967295 bytes");
	member_close(&m);
	CHECK(w->claimed == 0);
	world_start(w);
	return world_close(w) && good;
}

/* Numbers that can do no harm whatever the arguments are: the descriptors are not open. */
static int32_t some_number(void)
{
	static const int32_t numbers[] = {SYS_read,  SYS_write,      SYS_fstat,   SYS_writev, SYS_recvmsg,
					  SYS_ioctl, SYS_getdents64, SYS_sendmsg, 1000,       -1};
	return numbers[random() % 10];
}

/* A write as it should be, with at most one byte of its head changed. */
static size_t some_write(uint8_t *to)
{
	uint32_t bytes = (uint32_t)random() % 512;
	struct om_request request = {.number = SYS_write,
				     .segment_count = 1,
				     .args = {1000, 0, bytes, 0, 0, 0},
				     .data_bytes = (bytes + 7) & ~7u};
	struct om_segment segment = {.flags = OM_SEGMENT_IN, .bytes = bytes, .patch_at = 1};
	memcpy(to, &request, sizeof(request));
	memcpy(to + sizeof(request), &segment, sizeof(segment));
	memset(to + sizeof(request) + sizeof(segment), 'w', request.data_bytes);
	if (random() % 2)
		to[sizeof(request.number) + (size_t)random() % (sizeof(request) + sizeof(segment) - 4)] ^=
			(uint8_t)(1 << random() % 8);
	return sizeof(request) + sizeof(segment) + request.data_bytes;
}

static size_t some_request(uint8_t *to, size_t capacity)
{
	if (random() % 3)
		return some_write(to);
	struct om_request request = {
		.number = some_number(),
		.segment_count = (uint32_t)random() % 4,
		.args = {1000, (uint64_t)random(), (uint64_t)random() % 5000, 0, 0, 0},
		.data_bytes = (uint32_t)random() % 300,
	};
	size_t at = sizeof(request);
	if (random() % 8 == 0)
		request.segment_count = (uint32_t)random();
	memcpy(to, &request, sizeof(request));
	for (uint32_t i = 0; i < request.segment_count && at + sizeof(struct om_segment) < capacity / 2; i++) {
		struct om_segment segment = {
			.flags = (uint32_t)random() % 5,
			.bytes = random() % 8 ? (uint32_t)random() % 200 : (uint32_t)random(),
			.patch_kind = (uint16_t)(random() % 3),
			.patch_segment = (uint16_t)(random() % 3),
			.patch_at = (uint32_t)random() % 20,
		};
		memcpy(to + at, &segment, sizeof(segment));
		at += sizeof(segment);
	}
	for (size_t end = at + (size_t)random() % 400; at < end && at < capacity; at++)
		to[at] = (uint8_t)random();
	return at;
}

static bool nonsense_from_the_bodys_node(const char *dir)
{
	bool good = true;
	struct world *w = world_prepare(dir, quick_body);
	static uint8_t request[8192], reply[1 << 21];
	om_home_expect(w->home, "pc2", 1, false, 0);
	srandom(4711);
	uint32_t seq = 0, answers = 0;
	for (int round = 0; round < 12; round++) {
		struct member m;
		member_open(&m, w, "pc2");
		CHECK(member_send(&m, frame_of(OM_FRAME_HELLO, KEY, 1, 0, 0), NULL, 0));
		CHECK(member_receive(&m, reply, sizeof(reply)) == OM_FRAME_WELCOME);
		memcpy(&seq, reply + offsetof(struct om_welcome_thread, last_seq), sizeof(seq));
		for (int i = 0; i < 60; i++) {
			size_t bytes = some_request(request, sizeof(request));
			if (!member_send(&m, frame_of(OM_FRAME_CALL, KEY, 1, ++seq, (uint32_t)bytes), request, bytes) ||
			    member_receive(&m, reply, sizeof(reply)) != OM_FRAME_ANSWER)
				break;
			answers++;
		}
		/* And what ends the link each time. */
		switch (round % 4) {
		case 0:
			member_send(&m, frame_of(OM_FRAME_CALL, KEY, 1, seq + 7, 8), request, 8);
			break;
		case 1:
			member_send(&m, frame_of(OM_FRAME_SIGNAL_TAKEN, KEY, 1, 77, 0), NULL, 0);
			break;
		case 2:
			member_send(&m, frame_of(OM_FRAME_ASK, KEY, 1, 1, 2), request, 2);
			break;
		default:
			member_send(&m, frame_of(99, KEY, 1, 1, 0), NULL, 0);
		}
		CHECK(member_receive(&m, reply, sizeof(reply)) == 0);
		member_close(&m);
	}
	CHECK(answers == 12 * 60);
	CHECK(om_home_expect(w->home, "pc2", 2, false, 0) == 0);
	CHECK(om_remote_epoch(w->remote, 2) == 0);
	world_start(w);
	return world_close(w) && good;
}

const struct test hostile_tests[] = {
	{"wrong_member_gets_fenced", wrong_member_gets_fenced},
	{"nonsense_from_the_bodys_node", nonsense_from_the_bodys_node},
	{0},
};
