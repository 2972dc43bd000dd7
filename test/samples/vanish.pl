#!/usr/bin/env perl
# Writes two hundred files and deletes each at once, some after renaming, some by relative name: none may be lost.
use strict;
use warnings;
mkdir '/tmp/v';
chdir '/tmp/v' or die $!;
for my $n (1 .. 200) {
    open(my $file, '>', $n % 2 ? "/tmp/v/f$n" : "f$n") or die $!;
    print $file "content $n\n";
    close $file;
    if ($n % 3 == 0) { rename("f$n", "g$n"); unlink("g$n"); }
    else { unlink("/tmp/v/f$n"); }
}
