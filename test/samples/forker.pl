#!/usr/bin/env perl
# Twenty children, each with a child of its own that runs /bin/true.
use strict;
use warnings;
for my $n (1 .. 20) {
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        system('/bin/true', $n);
        exit($n % 7);
    }
}
while (wait() > 0) { }
