# what: node: worker threads, an http server and its clients, streams, zlib, a child process
# packages: nodejs
run() { moved node "$PROGRAMS/work.js"; }
