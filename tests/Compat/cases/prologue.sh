# Sourced before each case. A case defines
#   run        what is timed and compared; its status, stdout and stderr count
#              (a run of fixed length writes to $OUT/work how much it got done)
#   prepare    before each run, natively, in the same empty directory $WORK; $CACHE stays from one to the next
#   normalise  a filter that takes out of both streams what differs by nature
# Programs that are too long for a case lie in $PROGRAMS.

# moved COMMAND...: under omrun. What `run` starts without it is never moved: clients, checks, the script itself.
if [ "$OMCOMPAT_RUN" = moved ]; then
	moved() { omrun -- "$@"; }
	begin() { exec omrun -- "$@"; }
else
	moved() { "$@"; }
	begin() { exec "$@"; }
fi

# `begin SERVER... &`: moved too, and $! is its pid.

prepare() { :; }
normalise() { cat; }

# await COMMAND...: until it succeeds, for a minute.
await() {
	for ((attempt = 0; attempt < 600; attempt++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "never succeeded: $*" >&2
	return 1
}
