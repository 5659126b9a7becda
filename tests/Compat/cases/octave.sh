# what: octave: linear algebra, strings, cells
# packages: octave
run() { moved octave-cli --no-init-file --quiet "$PROGRAMS/matrix.m"; }
