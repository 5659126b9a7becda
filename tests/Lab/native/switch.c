/* SPDX-License-Identifier: MIT
 *
 * The switch of a lab: the process that holds the network namespace with the bridge, and knows which pairs of ports are
 * cut. When it ends, the bridge and every cable go with it.
 */
#define _GNU_SOURCE
#include "init.h"

#include <stdio.h>
#include <string.h>

#define MAX_CUTS 120

static struct port_pair cuts[MAX_CUTS];
static int cut_count;

static int find(const char *a, const char *b)
{
	for (int i = 0; i < cut_count; i++)
		if ((!strcmp(cuts[i].a, a) && !strcmp(cuts[i].b, b)) ||
		    (!strcmp(cuts[i].a, b) && !strcmp(cuts[i].b, a)))
			return i;
	return -1;
}

/* Tells the kernel; on failure the list is as before. */
static int apply(const struct port_pair *wanted, int count)
{
	int error = nft_set_cuts(wanted, count);

	if (error)
		return error;
	memmove(cuts, wanted, (size_t)count * sizeof(*wanted));
	cut_count = count;
	return 0;
}

/* ping | cuts | cut A B | heal A B */
bool switch_request(char *request, char *reply, size_t size, uint32_t *waits_for)
{
	char *verb = strtok(request, " "), *a = strtok(NULL, " "), *b = strtok(NULL, " ");
	struct port_pair wanted[MAX_CUTS];
	int error = 0, count = cut_count;

	memcpy(wanted, cuts, sizeof(cuts));
	if (!verb || !strcmp(verb, "ping"))
		return true;
	if (!strcmp(verb, "cuts")) {
		size_t length = (size_t)snprintf(reply, size, "ok");
		for (int i = 0; i < cut_count && length < size; i++)
			length += (size_t)snprintf(reply + length, size - length, "\n%s\t%s", cuts[i].a, cuts[i].b);
		return true;
	}
	if (!a || !b || strlen(a) >= sizeof(wanted->a) || strlen(b) >= sizeof(wanted->b)) {
		snprintf(reply, size, "error two ports are needed");
		return true;
	}
	int at = find(a, b);
	if (!strcmp(verb, "cut") && at < 0) {
		if (count == MAX_CUTS) {
			snprintf(reply, size, "error more than %d cuts", MAX_CUTS);
			return true;
		}
		strcpy(wanted[count].a, a);
		strcpy(wanted[count++].b, b);
		error = apply(wanted, count);
	} else if (!strcmp(verb, "heal") && at >= 0) {
		wanted[at] = wanted[--count];
		error = apply(wanted, count);
	}
	if (error)
		snprintf(reply, size, "error nftables: %s (does this kernel have nf_tables for bridges?)",
			 strerror(-error));
	return true;
}
