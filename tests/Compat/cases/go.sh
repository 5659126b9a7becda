# what: a Go program: goroutines, garbage collection, net/http over the loopback, os/exec
# packages: golang-go
prepare() { [ -e "$CACHE/go-work" ] || GOCACHE="$CACHE/go" GO111MODULE=off CGO_ENABLED=0 go build -o "$CACHE/go-work" "$PROGRAMS/work.go"; }
run() { moved "$CACHE/go-work"; }
