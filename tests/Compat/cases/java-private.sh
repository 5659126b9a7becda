# what: java: the same with -XX:-UsePerfData
# packages: openjdk-17-jdk-headless
prepare() { cp "$PROGRAMS/Work.java" . && javac Work.java; }
run() { moved java -XX:+UseG1GC -XX:-UsePerfData -Xmx256m Work; }
