# what: python3: eight threads with queues, locks, conditions and thread-local values
# packages: python3
run() { moved python3 "$PROGRAMS/threads.py"; }
