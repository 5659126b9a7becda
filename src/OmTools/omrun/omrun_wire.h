/* SPDX-License-Identifier: MIT
 *
 * What omrun and the daemon say to each other on the Unix stream socket omrun.sock (C# side:
 * src/OmDaemon/Jobs/RunWire.cs). One request, one reply, little endian, on one connection. omrun parses no option: it
 * hands over what it was given and does what it is told. The daemon knows who asks from the socket (SO_PEERCRED,
 * SO_PEERPIDFD), not from the message.
 *
 *   frame    u32 length of what follows, then the body
 *   request  om_run_request, then strings: cwd, argument x argument_count, environment x environment_count
 *   reply    om_run_reply, then strings: output, error, set x set_count
 *   string   u32 length, then bytes without NUL
 *
 * A string of `set` is "NAME=VALUE", put into the command's environment.
 */
#ifndef OMRUN_WIRE_H
#define OMRUN_WIRE_H

#include <stdint.h>

#define OM_RUN_SOCKET    "omrun.sock"
#define OM_RUN_DIRECTORY "/run/openmosix"
#define OM_RUN_MAGIC     0x314e524fu /* "ORN1" */

/* execve(2) itself allows at most 6 MiB of arguments and environment. */
#define OM_RUN_REQUEST_CEILING (8u << 20)
#define OM_RUN_STRINGS_CEILING (1u << 20)
#define OM_RUN_REPLY_CEILING   (1u << 20)

/* No answer within this time counts as: no daemon. */
#define OM_RUN_PATIENCE_SECONDS 3

#define OM_RUN_TTY_IN  1u
#define OM_RUN_TTY_OUT 2u
#define OM_RUN_TTY_ERR 4u

struct om_run_request {
	uint32_t magic;
	uint32_t flags;          /* OM_RUN_TTY_*: which of 0, 1, 2 is a terminal */
	uint32_t argument_count; /* omrun's own argv, argv[0] included */
	uint32_t environment_count;
};
_Static_assert(sizeof(struct om_run_request) == 16, "om_run_request");

#define OM_RUN_EXECUTE 1u /* write output and error, then execute argv[command] */
#define OM_RUN_EXIT    2u /* write output and error, then exit with status */

struct om_run_reply {
	uint32_t magic;
	uint32_t action;
	uint32_t command; /* index into argv */
	int32_t status;
	uint32_t set_count;
};
_Static_assert(sizeof(struct om_run_reply) == 20, "om_run_reply");

#endif
