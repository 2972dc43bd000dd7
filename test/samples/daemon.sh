#!/bin/sh
# The first process ends at once; a daemon in a session of its own works on for three seconds and leaves a file.
(
  setsid sh -c '(sleep 3; echo "the daemon was here" > /tmp/daemon.txt) &' &
)
exit 0
