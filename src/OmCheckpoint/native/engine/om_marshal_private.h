/* SPDX-License-Identifier: MIT
 *
 * What the files om_marshal*.c share; nobody else includes it.
 */
#ifndef OM_MARSHAL_PRIVATE_H
#define OM_MARSHAL_PRIVATE_H

#include "om_argument.h"
#include "om_body.h"
#include "om_marshal.h"

/* The request is staged with its data at a fixed place; head and segments are put before it when their number is known.
 */
#define OM_STAGE_HEAD (sizeof(struct om_request) + OM_SEGMENTS_MAX * sizeof(struct om_segment))

enum om_role {
	OM_ROLE_MEMORY,    /* of an argument */
	OM_ROLE_DATA,      /* of a transfer */
	OM_ROLE_MSG,       /* struct msghdr, or an array of mmsghdr */
	OM_ROLE_REFERENCE, /* a structure with a pointer in it */
	OM_ROLE_INNER,     /* what a structure points to */
};

struct om_span {
	uint64_t address, bytes;
};

/* What is asked of home between the pieces of a long call. */
enum om_question {
	OM_QUESTION_NONE,
	OM_QUESTION_FILE,   /* fstat: what kind of file */
	OM_QUESTION_SOCKET, /* getsockopt SO_TYPE */
	OM_QUESTION_READY,  /* poll: would a read wait */
};

struct om_marshal_private {
	struct om_body body;
	const struct om_argument *arguments;

	/* the request being built */
	uint64_t sent[6];
	uint64_t signal_mask;
	uint32_t count;
	uint32_t staged; /* bytes of IN data */
	uint32_t area;   /* bytes of all segments */
	bool full;       /* a segment did not fit */
	struct om_segment segments[OM_SEGMENTS_MAX];
	uint32_t data_at[OM_SEGMENTS_MAX]; /* where its IN data is staged */
	uint8_t role[OM_SEGMENTS_MAX];
	uint8_t argument[OM_SEGMENTS_MAX];
	uint32_t bad;          /* arguments whose memory turned out not to be there */
	uint64_t behind[6];    /* lengths that lie in memory: read once, as they are sent */
	uint32_t behind_known; /* bits of arguments */
	uint8_t *stage;

	/* the transfer: data in pieces */
	uint32_t transfer; /* its argument, or OM_NO_ARGUMENT */
	struct om_span spans[OM_IOV_MAX];
	uint32_t span_count;
	bool spans_missing;          /* the array itself is not there */
	bool spans_bad;              /* it is, but cannot be used: the kernel at home is to say so */
	uint64_t total, done, piece; /* bytes; of mmsghdr: messages */
	uint64_t limit;              /* of a piece */
	bool cut;                    /* home was made to break off this piece */
	bool shrunk;                 /* less is there than the body says: this piece is the last */
	uint8_t msg[OM_MSG_BYTES];
	uint32_t file_mode; /* st_mode, 0: not known */
	uint32_t socket_type;
	enum om_question question;
	struct iovec local[2 * OM_IOV_MAX], remote[2 * OM_IOV_MAX];

	/* the timeout */
	bool timed, retimed;
	uint64_t timeout_ns;
	uint32_t time_segment;
};

/* om_marshal_build.c */
void om_stage_reset(struct om_marshal_private *p);
/* Returns the segment's index, or -1 when there is no room (p->full). IN data is to be put at om_stage_data. */
int om_stage_segment(struct om_marshal_private *p, uint32_t flags, uint32_t bytes, uint32_t kind, uint32_t outer,
		     uint32_t at, uint64_t address, enum om_role role, uint32_t argument);
uint8_t *om_stage_data(struct om_marshal_private *p, int segment);
void om_stage_finish(struct om_marshal *m, int32_t number);
/* Builds the request of the call, or of its next piece: SEND, DONE or -errno. */
int om_build(struct om_marshal *m);

/* The stage functions below add segments for one argument. They return 0; -EAGAIN: something was noted in *p, build
 * again; OM_MARSHAL_SEND: a question is staged instead; OM_MARSHAL_DONE: m->result is known; or another -errno. */

/* om_marshal_transfer.c */
/* Finds what the call transfers and how much, before the first piece. 0 or -errno. */
int om_transfer_open(struct om_marshal *m);
int om_transfer_stage(struct om_marshal *m, uint32_t argument);
/* Segments for the bytes of p->spans behind the first `from`, at most `limit`, hung on an iovec array that is patched
 * at (kind, outer, at). 0 or -errno. *entries: the length of the array; *bytes: what it holds; *present: how much of
 * that is there in the body. */
int om_transfer_iov(struct om_marshal *m, uint32_t kind, uint32_t outer, uint32_t at, uint32_t argument, uint64_t from,
		    uint64_t limit, uint32_t *entries, uint64_t *bytes, uint64_t *present);
/* Reads an iovec array into p->spans. 1; 0: it is not there or too long; or -errno. May set p->spans_bad. */
int om_transfer_spans(struct om_marshal_private *p, uint64_t address, uint64_t count, uint64_t *total);
/* What must be known of the file before the next piece: 0 or one of the steps above. */
int om_transfer_question(struct om_marshal *m);
/* Only `present` bytes of a piece are there. */
int om_transfer_shrink(struct om_marshal *m, uint64_t present);
/* After a piece, or an answer: SEND or DONE or -errno. */
int om_transfer_next(struct om_marshal *m, int64_t result);
int om_transfer_answer(struct om_marshal *m, int64_t result, const uint8_t *data, uint32_t bytes);

/* om_marshal_msg.c */
int om_msg_stage(struct om_marshal *m, uint32_t argument);
int om_mmsg_stage(struct om_marshal *m, uint32_t argument);

/* om_marshal_time.c */
void om_time_stage(struct om_marshal *m);
void om_time_reduce(struct om_marshal *m, uint64_t elapsed_ns);
void om_time_write_back(struct om_marshal *m, uint64_t elapsed_ns);

/* om_marshal_reply.c */
/* Writes what came back into the body. 0, -EFAULT, or -EPROTO, -ESRCH. */
int om_reply_write(struct om_marshal *m, const uint8_t *reply, size_t bytes);

#endif
