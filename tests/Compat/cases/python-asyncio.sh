# what: python3: asyncio with streams, timers, executors and subprocesses
# packages: python3
run() { moved python3 "$PROGRAMS/loop.py"; }
