# what: java: threads, JIT and G1, as it comes (its performance counters are a shared mapping)
# packages: openjdk-17-jdk-headless
prepare() { cp "$PROGRAMS/Work.java" . && javac Work.java; }
run() { moved java -XX:+UseG1GC -Xmx256m Work; }
