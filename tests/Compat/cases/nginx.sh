# what: nginx with two workers, its master and they are moved; wrk and curl stay where they are
# packages: nginx-light wrk curl
prepare() {
	mkdir -p site tmp/{body,proxy} && seq 1 20000 > site/numbers && echo small > site/index.html
	cat > nginx.conf <<-EOF
		user root; worker_processes 2; daemon off; pid $WORK/pid; error_log $WORK/errors;
		events { worker_connections 256; }
		http { access_log $WORK/access combined buffer=64k; client_body_temp_path $TMPDIR/body; proxy_temp_path $TMPDIR/proxy; fastcgi_temp_path $TMPDIR/f; uwsgi_temp_path $TMPDIR/u;
			scgi_temp_path $TMPDIR/s; gzip on; gzip_types *; sendfile on; server { listen 127.0.0.1:8088; root $WORK/site; } }
	EOF
}
run() {
	begin nginx -e "$WORK/errors" -c "$WORK/nginx.conf" & server=$!
	await curl -s http://127.0.0.1:8088/ || return
	wrk -t 2 -c 16 -d 6 http://127.0.0.1:8088/ > load
	awk '/requests in/ { print $1 }' load > "$OUT/work"
	grep -E 'Socket errors|Non-2xx' load || echo 'no errors'
	for i in $(seq 1 20); do curl -s http://127.0.0.1:8088/numbers | sha256sum; curl -s --compressed http://127.0.0.1:8088/numbers | sha256sum; done | sort | uniq -c
	cp site/index.html site/other && kill -HUP $server && sleep 1 && curl -s http://127.0.0.1:8088/other
	kill -QUIT $server
	wait $server
	echo "nginx $?"
	grep -cE 'alert|crit|emerg' errors
}
