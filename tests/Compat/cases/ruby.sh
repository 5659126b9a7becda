# what: ruby: threads, fork, Open3, garbage collection
# packages: ruby
run() { moved ruby "$PROGRAMS/work.rb"; }
