# what: python3: multiprocessing with pools, queues, pipes and locks
# packages: python3
run() { moved python3 "$PROGRAMS/processes.py"; }
