# what: a bash script: functions, arrays, traps, subshells, process substitution, background jobs, here-documents
# packages: bash
run() { moved bash "$PROGRAMS/script.bash"; }
