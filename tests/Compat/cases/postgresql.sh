# what: postgresql, every process of it is moved; pgbench and psql stay where they are
# packages: postgresql-15
# user: postgres
prepare() { /usr/lib/postgresql/15/bin/initdb -D data --no-sync -A trust; }
normalise() { sed -E '/^(latency|initial|tps|pgbench \()/d; /LOG: |^creating|^generating|^vacuuming|^done in|of [0-9]+ tuples/d'; }
run() {
	local sql="psql -h $TMPDIR -d postgres -Atqc"
	begin /usr/lib/postgresql/15/bin/postgres -D data -k "$TMPDIR" -c listen_addresses= -c dynamic_shared_memory_type=mmap > log 2>&1 & server=$!
	await pg_isready -h "$TMPDIR" || return
	pgbench -h "$TMPDIR" -i -s 3 -q postgres
	pgbench -h "$TMPDIR" -c 4 -j 2 -t 1000 postgres
	echo "pgbench $?"
	$sql 'select count(*), sum(delta) = (select sum(abalance) from pgbench_accounts), sum(delta) = (select sum(bbalance) from pgbench_branches) from pgbench_history'
	$sql 'set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; select count(*), sum(aid), count(distinct bid) from pgbench_accounts'
	for each in 'create index on pgbench_accounts(filler)' 'vacuum analyze pgbench_accounts' checkpoint; do $sql "$each"; done
	kill -INT $server
	wait $server
	echo "postgres $?"
	grep -E 'PANIC|ERROR|crash' log
}
