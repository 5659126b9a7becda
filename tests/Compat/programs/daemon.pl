# As daemon(7) says it was done before service managers.
use strict; use warnings; use POSIX 'setsid'; use IO::Handle;
exit if fork;
setsid;
exit if fork;
umask 022;
open STDIN, '<', '/dev/null'; open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null';
open my $log, '>>', 'log' or die; $log->autoflush(1);
my ($run, $turns, $x) = (1, 0, 1);
$SIG{TERM} = sub { $run = 0 };
$SIG{HUP} = sub { print $log "reloaded\n" };
open my $pid, '>', 'pid.new'; print $pid $$; close $pid; rename 'pid.new', 'pid';
print $log "begun\n";
while ($run) { $x = ($x * 31 + $_) % 1000003 for 1 .. 20000; $turns++; print $log "working\n" if $turns % 20 == 0; select undef, undef, undef, 0.01 }
print $log "ended after $turns turns\n";
