# A parent with workers that it asks over pipes, and signals.
use strict; use warnings; use POSIX ':sys_wait_h'; use IO::Handle;
$| = 1;
my ($ready, %worker) = (0);
$SIG{USR1} = sub { $ready++ };
my $parent = $$;
for my $number (1 .. 4) {
	pipe my $ask, my $to or die; pipe my $from, my $answer or die;
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		close $to; close $from; $answer->autoflush(1);
		while (my $line = <$ask>) {
			chomp $line; my ($x, %seen) = ($line);
			for (1 .. 3000) { $x = ($x * 1103515245 + 12345) % 2147483648; $seen{$x % 257}++ }
			print $answer "$x ", scalar(keys %seen), "\n";
			kill USR1 => $parent if $line % 100 == 0;
		}
		exit $number;
	}
	close $ask; close $answer; $to->autoflush(1);
	$worker{$pid} = { number => $number, to => $to, from => $from };
}
my $total = 0;
for my $question (1 .. 1600) {
	my @workers = sort { $worker{$a}{number} <=> $worker{$b}{number} } keys %worker;
	print { $worker{$_}{to} } "$question\n" for @workers;
	for (@workers) { my $line = readline $worker{$_}{from}; my ($x, $n) = split ' ', $line; $total = ($total * 31 + $x + $n) % 1000000007 }
}
print "total $total\n";
close $_->{to} for values %worker;
my %status;
while ((my $pid = wait) > 0) { $status{$worker{$pid}{number}} = $? >> 8 }
print join(' ', map { "$_:$status{$_}" } sort keys %status), "\n";
print $ready > 0 ? "signalled\n" : "not signalled\n";
print `echo from a shell`;
for my $n (1 .. 30) { my $pid = fork // die; if (!$pid) { my $x = 0; $x += $_ for 1 .. 20000; exit($x % 50 + $n) } waitpid $pid, 0; $total += $? >> 8 }
print "$total\n";
exit 9;
