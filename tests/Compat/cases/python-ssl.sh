# what: python3: an ssl server and its client, both moved, over the loopback of home
# packages: python3 openssl
prepare() { openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost; }
run() {
	begin python3 "$PROGRAMS/tls.py" server > served & server=$!
	await test -s port || return
	moved python3 "$PROGRAMS/tls.py" client
	echo "client $?"
	wait $server
	echo "server $?"
	cat served
}
