/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include "member.h"

bool member_send(struct member *m, struct om_frame frame, const void *payload, size_t bytes)
{
	static const uint8_t zeros[8];
	size_t padding = om_frame_padded((uint32_t)bytes) - bytes;
	return SSL_write(m->ssl, &frame, sizeof(frame)) > 0 && (!bytes || SSL_write(m->ssl, payload, (int)bytes) > 0) &&
	       (!padding || SSL_write(m->ssl, zeros, (int)padding) > 0);
}

static bool read_all(struct member *m, void *to, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		int n = SSL_read(m->ssl, (char *)to + done, (int)(bytes - done));
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

uint16_t member_receive(struct member *m, uint8_t *payload, size_t capacity)
{
	struct om_frame frame;
	if (!read_all(m, &frame, sizeof(frame)) || om_frame_padded(frame.bytes) > capacity ||
	    !read_all(m, payload, om_frame_padded(frame.bytes)))
		return 0;
	return frame.kind;
}

struct om_frame frame_of(uint16_t kind, uint64_t key, uint32_t epoch, uint32_t seq, uint32_t bytes)
{
	return (struct om_frame){.bytes = bytes, .kind = kind, .key = key, .epoch = epoch, .seq = seq};
}

static void link_up(struct member *m, struct world *w, const char *node, int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct om_greeting greeting = {OM_LINK_MAGIC, OM_LINK_VERSION, 1};
	uint8_t payload[64];
	char file[128];
	m->ctx = SSL_CTX_new(TLS_client_method());
	snprintf(file, sizeof(file), "%s/%s.pem", w->dir, node);
	SSL_CTX_use_certificate_file(m->ctx, file, SSL_FILETYPE_PEM);
	snprintf(file, sizeof(file), "%s/%s.key", w->dir, node);
	SSL_CTX_use_PrivateKey_file(m->ctx, file, SSL_FILETYPE_PEM);
	m->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;
	setsockopt(m->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	m->ssl = SSL_new(m->ctx);
	SSL_set_fd(m->ssl, m->fd);
	if (connect(m->fd, (struct sockaddr *)&address, sizeof(address)) || SSL_connect(m->ssl) != 1 ||
	    member_receive(m, payload, sizeof(payload)) != OM_FRAME_GREETING ||
	    !member_send(m, frame_of(OM_FRAME_GREETING, 0, 0, 0, sizeof(greeting)), &greeting, sizeof(greeting))) {
		fprintf(stderr, "member: no link\n");
		abort();
	}
}

void member_open(struct member *m, struct world *w, const char *node)
{
	uint8_t payload[64];
	link_up(m, w, node, om_engine_port(w->pc1));
	if (member_receive(m, payload, sizeof(payload)) != OM_FRAME_USE) {
		fprintf(stderr, "member: not used\n");
		abort();
	}
}

void member_open_as_home(struct member *m, struct world *w)
{
	static struct om_use use;
	link_up(m, w, "pc1", om_engine_port(w->pc2));
	use.count++;
	member_send(m, frame_of(OM_FRAME_USE, 0, 0, 0, sizeof(use)), &use, sizeof(use));
}

void member_close(struct member *m)
{
	SSL_free(m->ssl);
	SSL_CTX_free(m->ctx);
	close(m->fd);
	ERR_clear_error();
}
