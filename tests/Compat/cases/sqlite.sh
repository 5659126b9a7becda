# what: sqlite3: transactions, an index, a join, WAL off and rollback journal on
# packages: sqlite3
run() {
	moved sqlite3 -batch data.sqlite <<-'SQL'
		create table t(id integer primary key, a text, b integer);
		create table u(id integer primary key, t integer references t(id), c real);
		with recursive n(i) as (select 1 union all select i + 1 from n where i < 900000) insert into t select i, 'row ' || (i * 7919 % 1000), i * 31 % 977 from n;
		create index by_b on t(b);
		insert into u select id, id * 17 % 900000, b / 3.0 from t where id % 2 = 0;
		begin; update t set b = b + 1 where id % 7 = 3; rollback;
		begin; update t set a = a || '!' where b < 100; commit;
		select b % 10, count(*), sum(id), max(a) from t group by 1;
		select round(sum(c), 3), count(distinct t.a) from t join u on u.t = t.id where t.b between 100 and 500;
		delete from t where id % 3 = 0;
		vacuum;
		pragma integrity_check;
	SQL
	echo "status $?"
	for i in $(seq 1 30); do echo "insert into u(t, c) values($i, $i);"; done | moved sqlite3 -batch data.sqlite
	sqlite3 data.sqlite .dump | sha256sum
}
