/* SPDX-License-Identifier: MIT
 * Numbered messages from thread to thread through pipes that are full or empty most of the time: along a chain, from
 * many into one, from one to many, and to and fro. In order, none lost, none double; up to PIPE_BUF bytes are written
 * in one piece whoever else writes (pipe(7)). */
#include "workload.h"
#include <pthread.h>
#include <stdatomic.h>

#define LINKS    6
#define WRITERS  6
#define READERS  4
#define PAIRS    4
#define MESSAGES 40
#define RECORDS  400

struct message {
	uint32_t number, writer, length, stamps;
	unsigned char body[PIPE_BUF - 16];
};

static int chain[LINKS + 1][2], many[2], few[2], to[PAIRS][2], fro[PAIRS][2];
static atomic_int delivered[RECORDS];

static void make_pipe(int fds[2])
{
	CHECK(pipe(fds) == 0 && fcntl(fds[1], F_SETPIPE_SZ, 4096) == 4096);
}

static void write_all(int fd, const void *bytes, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t part = write(fd, (const char *)bytes + done, length - done);
		CHECK(part > 0);
		done += (size_t)part;
	}
}

static void read_all(int fd, void *bytes, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t part = read(fd, (char *)bytes + done, length - done);
		CHECK(part > 0);
		done += (size_t)part;
	}
}

static uint64_t seed_of(const struct message *message)
{
	return message->writer * 1000003ull + message->number;
}

/* Of its own length, from a few bytes to all that is written in one piece. */
static size_t compose(struct message *message, uint32_t writer, uint32_t number)
{
	*message = (struct message){.number = number, .writer = writer};
	message->length = (uint32_t)(number * 977 + writer * 331) % (sizeof(message->body) + 1);
	workload_fill(message->body, message->length, seed_of(message));
	return offsetof(struct message, body) + message->length;
}

static void receive(int fd, struct message *message)
{
	read_all(fd, message, offsetof(struct message, body));
	CHECK(message->length <= sizeof(message->body));
	read_all(fd, message->body, message->length);
	CHECK(workload_filled(message->body, message->length, seed_of(message)));
}

static void *relay(void *link)
{
	long number = (long)link;
	struct message message;
	for (uint32_t i = 0; i < MESSAGES; i++) {
		receive(chain[number][0], &message);
		CHECK(message.number == i && message.stamps++ == (uint32_t)number);
		write_all(chain[number + 1][1], &message, offsetof(struct message, body) + message.length);
	}
	return NULL;
}

static void *write_with_others(void *writer)
{
	struct message message;
	for (uint32_t i = 0; i < MESSAGES; i++) {
		size_t length = compose(&message, (uint32_t)(long)writer, i);
		CHECK(write(many[1], &message, length) == (ssize_t)length);
	}
	return NULL;
}

static void *collect(void *nothing)
{
	uint32_t next[WRITERS] = {0};
	struct message message;
	for (int i = 0; i < WRITERS * MESSAGES; i++) {
		receive(many[0], &message);
		CHECK(message.writer < WRITERS && message.number == next[message.writer]++);
	}
	return NULL;
}

static void *hand_out(void *nothing)
{
	long record[8] = {0};
	for (record[0] = 0; record[0] < RECORDS + READERS; record[0]++)
		CHECK(write(few[1], record, sizeof(record)) == sizeof(record));
	return NULL;
}

/* Whoever reads gets a whole record, since only whole ones go in and come out. Behind the last there is one end each.
 */
static void *take(void *nothing)
{
	long record[8], last = -1;
	for (;;) {
		CHECK(read(few[0], record, sizeof(record)) == sizeof(record));
		CHECK(record[0] > last);
		last = record[0];
		if (last >= RECORDS)
			return NULL;
		atomic_fetch_add(&delivered[last], 1);
	}
}

static void *answer(void *pair)
{
	long number = (long)pair, word;
	for (long i = 0; i < MESSAGES; i++) {
		CHECK(read(to[number][0], &word, sizeof(word)) == sizeof(word) && word == i * 1000 + number);
		word = -word;
		CHECK(write(fro[number][1], &word, sizeof(word)) == sizeof(word));
	}
	return NULL;
}

static void *ask(void *pair)
{
	long number = (long)pair, word;
	for (long i = 0; i < MESSAGES; i++) {
		word = i * 1000 + number;
		CHECK(write(to[number][1], &word, sizeof(word)) == sizeof(word));
		CHECK(read(fro[number][0], &word, sizeof(word)) == sizeof(word) && word == -(i * 1000 + number));
	}
	return NULL;
}

static void *feed(void *nothing)
{
	struct message message;
	for (uint32_t i = 0; i < MESSAGES; i++)
		write_all(chain[0][1], &message, compose(&message, 99, i));
	return NULL;
}

static pthread_t threads[64];
static int started;

static void start(void *(*run)(void *), long count)
{
	for (long i = 0; i < count; i++)
		CHECK(pthread_create(&threads[started++], NULL, run, (void *)i) == 0);
}

static void one_round(void)
{
	struct message message;
	memset(delivered, 0, sizeof(delivered));
	started = 0;
	start(relay, LINKS);
	start(collect, 1);
	start(take, READERS);
	start(answer, PAIRS);
	start(ask, PAIRS);
	start(hand_out, 1);
	start(write_with_others, WRITERS);
	start(feed, 1);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		receive(chain[LINKS][0], &message);
		CHECK(message.number == i && message.writer == 99 && message.stamps == LINKS);
	}
	for (int i = 0; i < started; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	for (int i = 0; i < RECORDS; i++)
		CHECK(atomic_load(&delivered[i]) == 1);
}

int main(int argc, char **argv)
{
	for (int i = 0; i <= LINKS; i++)
		make_pipe(chain[i]);
	for (int i = 0; i < PAIRS; i++) {
		make_pipe(to[i]);
		make_pipe(fro[i]);
	}
	make_pipe(many);
	make_pipe(few);
	workload_begin(argc, argv);
	while (workload_running())
		one_round();
	return workload_ok("thread_pipes");
}
