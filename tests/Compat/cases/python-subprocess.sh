# what: python3: subprocess with pipelines, input, timeouts and signals
# packages: python3
run() { moved python3 "$PROGRAMS/children.py"; }
