#!/bin/sh
# The workload of `shrike demo`: an ordinary small job, with the things that a look from the kernel makes visible.
# It runs without rights in its own directory and in its own control group, and changes nothing outside of them.
set -u

# Files: written, read, and one that is not for everyone.
echo 'Shrike was here' > note.txt
cat note.txt
mv note.txt kept.txt
rm kept.txt
grep -c . /etc/passwd
cat /etc/shadow
ls /does/not/exist

# Processes: a pipeline, a subshell with an exit code, a child that a signal ends, a secret on a command line.
ls /etc | sort | head -n 3
(exit 3)
sh -c 'kill -KILL $$'
env true --user demo --password=not-for-your-logs
for seconds in 0 0 0; do sleep "$seconds"; done

# A socket: nothing listens on port 9 of this machine, and nothing is sent.
if command -v bash; then
    bash -c 'exec 3<>/dev/tcp/127.0.0.1/9'
elif command -v perl; then
    perl -MSocket -e 'socket(my $s, PF_INET, SOCK_STREAM, 0); connect($s, sockaddr_in(9, INADDR_LOOPBACK))'
fi
exit 0
