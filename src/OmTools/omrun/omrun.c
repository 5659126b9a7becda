/* SPDX-License-Identifier: MIT
 *
 * omrun [OPTION]... [--] COMMAND [ARGUMENT]...
 *
 * Makes the process a job of the local daemon and becomes COMMAND: same PID, terminal, parent, environment, signal
 * masks and dispositions (none is ever touched here). The daemon parses the options and decides; see omrun_wire.h. When
 * no daemon answers, one line says so and COMMAND runs all the same, unless --must is given. Exit status when COMMAND
 * was not executed: 127 not found, 126 not executable, 125 anything else, as with env(1).
 */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "omrun_wire.h"

#define EXIT_SELF           125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND      127

extern char **environ;

struct buffer {
	char *bytes;
	size_t length, capacity;
};

static bool append(struct buffer *buffer, const void *bytes, size_t length)
{
	if (length > buffer->capacity - buffer->length) {
		size_t capacity = (buffer->length + length) * 2;
		char *grown = capacity <= 2u * OM_RUN_REQUEST_CEILING ? realloc(buffer->bytes, capacity) : NULL;

		if (!grown)
			return false;
		buffer->bytes = grown;
		buffer->capacity = capacity;
	}
	memcpy(buffer->bytes + buffer->length, bytes, length);
	buffer->length += length;
	return true;
}

static bool append_string(struct buffer *buffer, const char *string)
{
	uint32_t length = strnlen(string, OM_RUN_REQUEST_CEILING);

	return append(buffer, &length, sizeof(length)) && append(buffer, string, length);
}

static void say(const char *format, ...)
{
	va_list arguments;
	char line[1024];

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	dprintf(STDERR_FILENO, "omrun: %s\n", line);
}

/* ---- talking to the daemon ---- */

static int dial(const char **why)
{
	const char *directory = getenv("OPENMOSIX_RUN");
	const struct timeval patience = {.tv_sec = OM_RUN_PATIENCE_SECONDS};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, length;

	length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/" OM_RUN_SOCKET,
			  directory && *directory ? directory : OM_RUN_DIRECTORY);
	if (length < 0 || (size_t)length >= sizeof(address.sun_path)) {
		*why = "OPENMOSIX_RUN is too long";
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* SO_SNDTIMEO also bounds connect(2) when the daemon's backlog is full. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		*why = strerror(errno);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static bool send_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		bytes += sent;
		length -= sent;
	}
	return true;
}

static bool receive_all(int fd, void *to, size_t length)
{
	char *bytes = to;

	while (length > 0) {
		ssize_t received = recv(fd, bytes, length, 0);

		if (received < 0 && errno == EINTR)
			continue;
		if (received == 0)
			errno = ECONNRESET;
		if (received <= 0)
			return false;
		bytes += received;
		length -= received;
	}
	return true;
}

static bool build_request(struct buffer *request, int argc, char **argv)
{
	struct om_run_request head = {.magic = OM_RUN_MAGIC, .argument_count = argc};
	uint32_t length = 0;
	char *cwd = getcwd(NULL, 0); /* NULL when it was removed: the daemon only shows it */
	bool built;

	for (unsigned fd = 0; fd < 3; fd++)
		if (isatty(fd))
			head.flags |= 1u << fd;
	for (char **entry = environ; *entry; entry++)
		head.environment_count++;
	built = append(request, &length, sizeof(length)) && append(request, &head, sizeof(head)) &&
		append_string(request, cwd ? cwd : "");
	for (int i = 0; built && i < argc; i++)
		built = append_string(request, argv[i]);
	for (char **entry = environ; built && *entry; entry++)
		built = append_string(request, *entry);
	free(cwd);
	if (!built || request->length - sizeof(length) > OM_RUN_REQUEST_CEILING)
		return false;
	length = request->length - sizeof(length);
	memcpy(request->bytes, &length, sizeof(length));
	return true;
}

struct reply {
	struct om_run_reply head;
	char *next, *end;
};

/* Takes the next string of the reply out of it; it stays in the reply's memory, NUL terminated over the length behind
 * it. */
static char *take_string(struct reply *reply, uint32_t *length)
{
	char *string;

	if ((size_t)(reply->end - reply->next) < sizeof(*length))
		return NULL;
	memcpy(length, reply->next, sizeof(*length));
	if (*length > (size_t)(reply->end - reply->next) - sizeof(*length))
		return NULL;
	/* Move the bytes over their own length field: that leaves room for the NUL. */
	string = reply->next;
	memmove(string, reply->next + sizeof(*length), *length);
	string[*length] = '\0';
	reply->next += sizeof(*length) + *length;
	return string;
}

static bool ask(int fd, int argc, char **argv, struct reply *reply, const char **why)
{
	struct buffer request = {0};
	uint32_t length;
	char *body;
	bool sent = build_request(&request, argc, argv);

	*why = "the command line is too long to hand over";
	if (!sent)
		goto fail;
	sent = send_all(fd, request.bytes, request.length);
	*why = "no answer";
	if (!sent || !receive_all(fd, &length, sizeof(length)))
		goto fail;
	*why = "an answer that makes no sense";
	if (length < sizeof(reply->head) || length > OM_RUN_REPLY_CEILING)
		goto fail;
	body = malloc(length);
	if (!body || !receive_all(fd, body, length)) {
		free(body);
		goto fail;
	}
	free(request.bytes);
	memcpy(&reply->head, body, sizeof(reply->head));
	reply->next = body + sizeof(reply->head);
	reply->end = body + length;
	return reply->head.magic == OM_RUN_MAGIC &&
	       (reply->head.action == OM_RUN_EXIT ||
		(reply->head.action == OM_RUN_EXECUTE && reply->head.command < (uint32_t)argc));
fail:
	free(request.bytes);
	return false;
}

static void write_out(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		bytes += written;
		length -= written;
	}
}

/* ---- becoming the command ---- */

/*
 * A shell that starts a program puts the program's path into `_`. It put ours there; the command is given what it would
 * have got without us. Returns the place of the entry, or NULL when nobody set it for us.
 */
static char **underscore(void)
{
	const char *self = (const char *)getauxval(AT_EXECFN);

	for (char **entry = environ; self && *entry; entry++)
		if (!strncmp(*entry, "_=", 2))
			return strcmp(*entry + 2, self) ? NULL : entry;
	return NULL;
}

static void try_execute(char *path, char **argv, char **place)
{
	char *entry = NULL;

	if (place && asprintf(&entry, "_=%s", path) >= 0)
		*place = entry;
	execve(path, argv, environ);
	if (errno == ENOEXEC) { /* a script without #!, as execvp(3) runs it */
		int count = 0;
		char **with_shell;

		while (argv[count])
			count++;
		with_shell = calloc(count + 2, sizeof(*with_shell));
		if (!with_shell)
			return;
		with_shell[0] = "/bin/sh";
		with_shell[1] = path;
		memcpy(with_shell + 2, argv + 1, count * sizeof(*argv));
		execve(with_shell[0], with_shell, environ);
		free(with_shell);
	}
}

/* Returns only when nothing could be executed, with errno as execvp(3) would leave it. */
static void execute(char **argv)
{
	char **place = underscore();
	const char *path = getenv("PATH");
	bool denied = false;

	if (!*argv[0]) {
		errno = ENOENT;
		return;
	}
	if (strchr(argv[0], '/')) {
		try_execute(argv[0], argv, place);
		return;
	}
	if (!path)
		path = "/bin:/usr/bin";
	for (const char *end;; path = end + 1) {
		char *candidate;
		int printed;

		end = strchrnul(path, ':');
		printed = asprintf(&candidate, "%.*s%s%s", (int)(end - path), path, end > path ? "/" : "", argv[0]);
		if (printed < 0) {
			errno = ENOMEM;
			return;
		}
		try_execute(candidate, argv, place);
		if (errno == EACCES)
			denied = true;
		else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE && errno != ENODEV &&
			 errno != ETIMEDOUT)
			return;
		free(candidate);
		if (!*end)
			break;
	}
	errno = denied ? EACCES : ENOENT;
}

static int become(char **argv)
{
	int error;

	execute(argv);
	error = errno;
	say("%s: %s", argv[0], strerror(error));
	return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* Without a daemon: options are skipped (none takes a separate value), --must is obeyed. */
static int without_daemon(int argc, char **argv, const char *why)
{
	bool must = false;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (!strcmp(argv[i], "--must"))
			must = true;
	}
	if (i >= argc) {
		say("the daemon does not answer (%s); usage: omrun [--must] [--] COMMAND [ARGUMENT]...", why);
		return EXIT_SELF;
	}
	if (must) {
		say("the daemon does not answer (%s); %s was not started (--must)", why, argv[i]);
		return EXIT_SELF;
	}
	say("the daemon does not answer (%s); %s runs here and cannot move", why, argv[i]);
	return become(argv + i);
}

int main(int argc, char **argv)
{
	const char *why = "";
	struct reply reply = {0};
	int fd = dial(&why);
	uint32_t length;
	char *text;

	if (argc < 1) {
		say("no arguments at all");
		return EXIT_SELF;
	}
	if (fd < 0)
		return without_daemon(argc, argv, why);
	if (!ask(fd, argc, argv, &reply, &why)) {
		close(fd); /* before the command runs: the daemon forgets what it may have registered only as it ends */
		return without_daemon(argc, argv, why);
	}
	for (int to = STDOUT_FILENO; to <= STDERR_FILENO; to++) {
		text = take_string(&reply, &length);
		if (text)
			write_out(to, text, length);
	}
	if (reply.head.action == OM_RUN_EXIT)
		return reply.head.status;
	for (uint32_t i = 0; i < reply.head.set_count; i++) {
		text = take_string(&reply, &length);
		if (!text || putenv(text)) {
			say("the daemon's answer cannot be used");
			return EXIT_SELF;
		}
	}
	return become(argv + reply.head.command);
}
