/* SPDX-License-Identifier: MIT
 *
 * A queue of bytes in one piece. No locking: its owner's. A buffer that grew for one large call is given back when it
 * runs empty.
 */
#include <stdlib.h>
#include <string.h>

#include "om_internal.h"

#define KEPT_BYTES (256u << 10)

uint8_t *om_buffer_room(struct om_buffer *b, size_t bytes)
{
	if (b->capacity - b->tail >= bytes)
		return b->data + b->tail;
	size_t filled = om_buffer_bytes(b);
	if (b->head && b->capacity - filled >= bytes) {
		memmove(b->data, b->data + b->head, filled);
	} else {
		size_t capacity = b->capacity ? b->capacity : 4096;
		while (capacity - filled < bytes)
			capacity *= 2;
		uint8_t *data = malloc(capacity);
		if (!data)
			return NULL;
		if (filled)
			memcpy(data, b->data + b->head, filled);
		free(b->data);
		b->data = data;
		b->capacity = capacity;
	}
	b->head = 0;
	b->tail = filled;
	return b->data + b->tail;
}

void om_buffer_take(struct om_buffer *b, size_t bytes)
{
	b->head += bytes;
	if (b->head < b->tail)
		return;
	b->head = b->tail = 0;
	if (b->capacity > KEPT_BYTES)
		om_buffer_free(b);
}

void om_buffer_free(struct om_buffer *b)
{
	free(b->data);
	*b = (struct om_buffer){0};
}
