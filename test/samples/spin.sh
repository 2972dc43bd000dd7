#!/bin/sh
# Never ends by itself: it takes the time-out (or a stop) to end it.
while :; do :; done
