# Two writers and a reader of one database. sys.argv[1]: rollback or wal.
import hashlib, sqlite3, sys, threading

mode = "wal" if sys.argv[1] == "wal" else "delete"
setup = sqlite3.connect("kept.db")
print(setup.execute(f"pragma journal_mode={mode}").fetchone())
setup.execute("create table t(writer int, number int, text text, primary key(writer, number))")
setup.commit()
setup.close()


def write(writer):
    database = sqlite3.connect("kept.db", timeout=600)
    for number in range(150):
        with database:
            database.executemany("insert into t values(?, ?, ?)", ((writer, number * 20 + i, f"row {number * 7919 % 1000 + i}") for i in range(20)))
    database.close()


def read():
    database = sqlite3.connect("kept.db", timeout=600)
    while database.execute("select count(*) from t").fetchone()[0] < 6000:
        assert database.execute("select count(*) % 20 from t").fetchone() == (0,)
    database.close()


threads = [threading.Thread(target=write, args=(n,)) for n in (1, 2)] + [threading.Thread(target=read)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
database = sqlite3.connect("kept.db")
print(database.execute("pragma integrity_check").fetchone(), database.execute("select count(*), sum(number) from t").fetchone())
print(hashlib.sha256(repr(database.execute("select * from t order by 1, 2").fetchall()).encode()).hexdigest())
