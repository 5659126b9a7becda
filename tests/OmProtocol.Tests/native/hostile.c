/* SPDX-License-Identifier: MIT
 *
 * Requests as a hostile node could send them: every forwarded call of the table, marshalled from arbitrary arguments,
 * then bent at arbitrary places. What om_place accepts is looked at again here, by other code: no address leads out of
 * the data area. The same for replies. Runs under ASan and UBSan; the same seed gives the same run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/om_argument.h"
#include "engine/om_marshal.h"
#include "engine/om_place.h"

#define AREA    0x20000u /* less than a slot: so that requests fail to fit, too */
#define ADDRESS 0x7e0000000000ull

static uint64_t state = 0x9e3779b97f4a7c15ull;
static uint8_t *memory; /* what arguments point to */
static int failures;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t below(uint64_t n)
{
	return draw() % n;
}

static uint64_t any_number(void)
{
	static const uint64_t corners[] = {0,
					   1,
					   2,
					   7,
					   8,
					   16,
					   24,
					   64,
					   128,
					   129,
					   1024,
					   1025,
					   4096,
					   65536,
					   0x100000,
					   0x7fffffff,
					   0x80000000,
					   0xffffffff,
					   0x7ffffffffffffff0,
					   UINT64_MAX,
					   OM_BAD_ADDRESS};

	return below(3) ? corners[below(sizeof(corners) / sizeof(corners[0]))] : draw() >> below(64);
}

static uint64_t any_address(void)
{
	return below(8) ? (uint64_t)(uintptr_t)(memory + below(0x3000) / 8 * 8) : any_number();
}

/* Memory full of small numbers and addresses, so that it makes iovec arrays and other structures with pointers. */
static void stir(void)
{
	for (size_t at = 0; at < 0x4000; at += 8) {
		bool number = below(8) ? at / 8 % 2 : below(2);
		uint64_t value = !number ? any_address() : below(6) ? below(64) : any_number();

		memcpy(memory + at, &value, 8);
	}
}

/* The calls that have more to them than the others come more often. */
static int64_t any_call(void)
{
	static const int16_t structured[] = {19, 20,  46, 47, 295, 296, 299, 307, 327, 328,
					     23, 270, 43, 45, 55,  54,  16,  303, 314};

	return below(2) ? structured[below(sizeof(structured) / sizeof(structured[0]))]
			: (int64_t)below(om_syscall_numbers);
}

static bool inside(uint64_t address, uint64_t bytes, uint32_t used)
{
	if (address == 0 || address == OM_BAD_ADDRESS)
		return true;
	return address >= ADDRESS && address - ADDRESS <= used && bytes <= used - (address - ADDRESS);
}

static void fail(const struct om_placed *placed, const char *what)
{
	fprintf(stderr, "accepted: %s: %s\n", placed->syscall->name, what);
	failures++;
}

static void look_at_iov(const struct om_placed *placed, const uint8_t *data, uint64_t address, uint64_t count)
{
	if (address == 0 || address == OM_BAD_ADDRESS || count > 1024)
		return;
	if (!inside(address, count * 16, placed->used))
		return fail(placed, "iovec array");
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *entry = data + (address - ADDRESS) + i * 16;

		if (!inside(om_get64(entry), om_get64(entry + 8), placed->used))
			fail(placed, "buffer of an iovec array");
	}
}

static void look_at_message(const struct om_placed *placed, const uint8_t *data, uint64_t address)
{
	const uint8_t *header = data + (address - ADDRESS);

	if (!inside(address, 56, placed->used))
		return fail(placed, "msghdr");
	if ((int32_t)om_get32(header + 8) >= 0 &&
	    !inside(om_get64(header), om_get32(header + 8) > 128 ? 128 : om_get32(header + 8), placed->used))
		fail(placed, "name");
	if (!inside(om_get64(header + 32), om_get64(header + 40), placed->used))
		fail(placed, "control");
	look_at_iov(placed, data, om_get64(header + 16), om_get64(header + 24));
}

static void look_at(const struct om_placed *placed, const uint8_t *data)
{
	const struct om_argument *arguments = om_syscall_arguments(placed->syscall);

	for (uint32_t i = 0; i < placed->syscall->argument_count; i++) {
		const struct om_argument *argument = &arguments[i];
		uint64_t address = placed->args[i], count = 0;
		uint32_t bytes;

		if (argument->kind == OM_ARGUMENT_VALUE || argument->kind == OM_ARGUMENT_POSITION ||
		    argument->kind == OM_ARGUMENT_FILE)
			continue;
		if (!inside(address, 0, placed->used)) {
			fail(placed, "argument");
			continue;
		}
		if (address == 0 || address == OM_BAD_ADDRESS)
			continue;
		om_argument_count(argument, placed->args, &count);
		switch (argument->kind) {
		case OM_ARGUMENT_MEMORY:
			if (om_argument_count(argument, placed->args, &count) &&
			    (!om_argument_bytes(argument, count, &bytes) || !inside(address, bytes, placed->used)))
				fail(placed, "memory");
			break;
		case OM_ARGUMENT_BULK:
			if (!inside(address, count, placed->used))
				fail(placed, "data");
			break;
		case OM_ARGUMENT_IOV:
			look_at_iov(placed, data, address, count);
			break;
		case OM_ARGUMENT_MSG:
			look_at_message(placed, data, address);
			break;
		case OM_ARGUMENT_MMSG:
			for (uint64_t j = 0; j < count && j < 1024; j++)
				look_at_message(placed, data, address + j * 64);
			break;
		default:
			break;
		}
	}
	for (uint32_t i = 0; i < placed->count; i++)
		if (placed->segments[i].offset > placed->used ||
		    placed->segments[i].bytes > placed->used - placed->segments[i].offset)
			fail(placed, "a segment lies outside");
}

static void bend(uint8_t *message, size_t bytes)
{
	for (uint64_t n = below(4); n > 0; n--) {
		uint64_t value = any_number();
		size_t width = (size_t)1 << below(4), at = below(bytes);

		if (below(2) && at >= sizeof(struct om_request)) /* heads more than data */
			at = below(bytes < 400 ? bytes : 400);
		if (at + width <= bytes)
			memcpy(message + at / width * width, &value, width);
	}
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 200000, accepted = 0, refused = 0, replies = 0;
	static struct om_placed placed;
	struct om_marshal m;
	uint8_t *data = malloc(AREA);
	pid_t body;

	/* The body: a process of its own, for replies write far and wide in it. */
	memory = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || !data)
		return 2;
	body = fork();
	if (body == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (om_marshal_open(&m, body, 0x1000, 0x1000))
		return 2;
	for (unsigned long round = 0; round < rounds; round++) {
		int64_t number = any_call();
		uint64_t args[6];
		uint8_t *message;
		int step, error;

		if (round % 16 == 0)
			stir();
		for (int i = 0; i < 6; i++)
			args[i] = below(2) ? any_address() : below(4) ? below(20) : any_number();
		if (om_syscall_of(number, args)->side != OM_SIDE_HOME)
			continue;
		step = om_marshal_begin(&m, number, args);
		if (step != OM_MARSHAL_SEND)
			continue;
		/* As it is, it must be acceptable, unless it is too much for this small area. */
		message = malloc(m.request_bytes);
		memcpy(message, m.request, m.request_bytes);
		error = om_place(&placed, data, AREA, ADDRESS, message, m.request_bytes);
		if (error && strcmp(placed.why, "more than a slot holds") != 0) {
			fprintf(stderr, "refused: %s: %s\n", m.syscall->name, placed.why);
			failures++;
		}
		if (!error) {
			look_at(&placed, data);
			/* Whatever the deputy leaves there, the reply fits and means no harm to the body's side. */
			for (int i = 0; i < 8; i++)
				data[below(AREA)] = (uint8_t)draw();
			{
				size_t bound = om_place_reply_bound(&placed);
				uint8_t *reply = malloc(bound);
				int64_t result = below(2) ? (int64_t)below(5000) : (int64_t)any_number();
				int64_t bytes = om_place_reply(&placed, data, result, 0, reply, bound);

				if (bytes < 0 || (size_t)bytes > bound)
					fail(&placed, "reply");
				if (below(2))
					bend(reply, (size_t)bytes);
				step = om_marshal_reply(&m, reply, (size_t)bytes);
				replies++;
				free(reply);
			}
		}
		free(message);

		/* And bent. */
		step = om_marshal_begin(&m, number, args);
		if (step != OM_MARSHAL_SEND)
			continue;
		{
			size_t bytes = m.request_bytes;

			if (below(20) == 0)
				bytes = below(bytes + 1);
			message = malloc(bytes);
			memcpy(message, m.request, bytes);
			if (bytes)
				bend(message, bytes);
			error = om_place(&placed, data, AREA, ADDRESS, message, bytes);
			if (error)
				refused++;
			else {
				accepted++;
				look_at(&placed, data);
			}
			free(message);
		}
	}
	printf("%lu rounds: %lu bent requests accepted, %lu refused, %lu replies, %d failures\n", rounds, accepted,
	       refused, replies, failures);
	if (waitpid(body, NULL, WNOHANG) != 0) {
		fprintf(stderr, "the body is gone\n");
		failures++;
	}
	om_marshal_close(&m);
	kill(body, SIGKILL);
	waitpid(body, NULL, 0);
	free(data);
	return failures == 0 && accepted > 0 && refused > 0 ? 0 : 1;
}
