# what: perl: fork, pipes, waitpid, signals between the processes
# packages: perl
run() { moved perl "$PROGRAMS/fork.pl"; }
