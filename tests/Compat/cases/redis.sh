# what: redis-server with BGSAVE and DEBUG RELOAD; redis-benchmark and redis-cli stay where they are
# packages: redis-server redis-tools
normalise() { sed -E 's/^([A-Z_]+[^:]*): [0-9.]+ requests per second.*/\1: done/'; }
run() {
	local sock=$TMPDIR/redis cli="redis-cli -s $TMPDIR/redis"
	begin redis-server --port 0 --unixsocket "$sock" --dir "$WORK" --save '' --enable-debug-command yes > log 2>&1 & server=$!
	await $cli ping || return
	for ((i = 0; i < 20000; i++)); do echo "set key:$i value:$((i * 7919 % 10007))"; done | $cli --pipe | tail -1
	redis-benchmark -s "$sock" -n 10000 -c 20 -q -t set,get,incr,lpush,lrange_100,zadd,mset 2>&1 | tr '\r' '\n' | grep 'requests per second'
	$cli bgsave; await sh -c "$cli info persistence | grep -q rdb_bgsave_in_progress:0"
	$cli info persistence | grep -a rdb_last_bgsave_status
	$cli get counter:__rand_int__; $cli llen mylist; $cli dbsize; $cli debug digest-value key:77 key:19999
	$cli debug reload
	$cli dbsize
	$cli shutdown nosave
	wait $server
}
