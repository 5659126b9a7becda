# what: python3: the sqlite3 module, two connections in two threads, WAL off
# packages: python3
run() { moved python3 "$PROGRAMS/database.py" rollback; }
