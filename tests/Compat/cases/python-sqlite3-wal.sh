# what: the same with a write-ahead log, whose index is a shared mapping of a file
# packages: python3
run() { moved python3 "$PROGRAMS/database.py" wal; }
