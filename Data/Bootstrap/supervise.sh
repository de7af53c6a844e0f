#!/bin/sh
# Keeps one program running where there is no systemd. A shell, not Python: it stays for as long as the program does,
# and costs 0.4 MB where Python costs 8.
#
#   sh supervise.sh RUN_FOLDER LOG_FOLDER NAME COMMAND [ARGUMENT ...]
#
# RUN_FOLDER/supervisor, RUN_FOLDER/program   "pid start boot": who runs (start and boot tell a reused pid from ours)
# RUN_FOLDER/exits                            "status seconds-it-ran unix-time", a line for each end
# LOG_FOLDER/supervisor.log, NAME.out         what happened; what the program wrote to its standard streams
#
# Exit status 3 of a program means that a person has to act: it is tried again seldom. Status 4 means that it is to be
# started again at once, as another version. SIGTERM ends the program, then
# this. BOREALIS_BACKOFF_FIRST, _LONGEST and _ATTENTION (milliseconds) change the pauses.

# Everything is inside one function: the shell has read the whole file before the first line of it runs, so that the
# file may be replaced while it runs.
main() {
    umask 077
    run=$1 logs=$2 name=$3
    shift 3
    first=${BOREALIS_BACKOFF_FIRST:-1000}
    longest=${BOREALIS_BACKOFF_LONGEST:-60000}
    attention=${BOREALIS_BACKOFF_ATTENTION:-300000}
    out=$logs/$name.out
    child='' sleeper='' stopping=0 pause=$first

    raise_file_limit
    trap 'stopping=1; forward' TERM INT
    trap : HUP
    identify $$ >"$run/supervisor" || exit 1
    say "supervisor $$ watches over $name"

    while [ "$stopping" -eq 0 ]; do
        keep_small "$out"
        began=$(date +%s)
        start "$@"
        # A signal may have come before we knew the child.
        if [ "$stopping" -eq 1 ]; then forward; fi
        wait_for_child
        rm -f "$run/program"
        # Somebody deleted the installation: nothing is left to watch over, or to write to.
        if [ ! -d "$run" ]; then exit 0; fi
        ran=$(($(date +%s) - began))
        keep_small "$run/exits"
        echo "$status $ran $(date +%s)" >>"$run/exits"
        if [ "$stopping" -eq 1 ]; then break; fi
        if [ "$ran" -ge 60 ]; then pause=$first; fi
        rest=$pause
        # A version on trial that says so is none that a person has to mend: the one before is to come back soon.
        if [ "$status" -eq 3 ] && ! grep -qs '"state": "trial"' "$run/update.json"; then rest=$attention; fi
        rest=$(jitter "$rest")
        if [ "$status" -eq 4 ]; then rest=100 pause=$first; fi
        say "$name ended with status $status after $ran s; starts again in $rest ms"
        doze "$rest"
        pause=$((pause * 2))
        if [ "$pause" -gt "$longest" ]; then pause=$longest; fi
    done
    say "$name stopped"
    rm -f "$run/supervisor"
    exit 0
}

start() {
    "$@" </dev/null >>"$out" 2>&1 &
    child=$!
    identify "$child" >"$run/program.new" && mv -f "$run/program.new" "$run/program"
}

# wait returns early (status over 128) when a trap ran, and 127 once there is no such child any more.
wait_for_child() {
    status=127
    while :; do
        wait "$child"
        got=$?
        if [ "$got" -ne 127 ]; then status=$got; fi
        if [ "$got" -le 128 ] || ! kill -0 "$child" 2>/dev/null; then break; fi
    done
    child=''
}

forward() {
    for pid in $child $sleeper; do
        settle "$pid"
        kill -TERM "$pid" 2>/dev/null
    done
    return 0
}

# A new process is a copy of this shell at first, and a signal that reaches it then is lost.
settle() {
    tries=0
    while [ "$tries" -lt 100 ] && cmp -s "/proc/$$/cmdline" "/proc/$1/cmdline" 2>/dev/null; do
        sleep 0.02
        tries=$((tries + 1))
    done
}

doze() {
    sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))" &
    sleeper=$!
    if [ "$stopping" -eq 1 ]; then forward; fi
    wait "$sleeper"
    sleeper=''
}

# Half of it fixed, half by chance: a fleet that lost its Engine at one moment does not come back at one moment.
jitter() {
    chance=$(od -An -N2 -tu2 /dev/urandom 2>/dev/null | tr -d ' ')
    echo $(($1 / 2 + $1 * ${chance:-32768} / 131072))
}

# The same three words as borealis_bootstrap.processes.identity_of.
identify() {
    if read -r stat 2>/dev/null <"/proc/$1/stat"; then
        read -r boot <"/proc/sys/kernel/random/boot_id"
        fields=${stat##*) }
        # shellcheck disable=SC2086  # split into words on purpose; field 22 of the line is 20 after the name
        pick 20 "$1" "$boot" $fields
    else
        echo "$1 $(LC_ALL=C TZ=UTC ps -o lstart= -p "$1" | tr -s ' ' '_' | sed 's/^_//;s/_$//') -"
    fi
}

pick() {
    position=$1 pid=$2 boot=$3
    shift $((2 + position))
    echo "$pid $1 $boot"
}

raise_file_limit() {
    hard=$(ulimit -H -n)
    case $hard in
        unlimited) ulimit -S -n 65536 2>/dev/null ;;
        *) if [ "$hard" -gt 65536 ]; then hard=65536; fi; ulimit -S -n "$hard" 2>/dev/null ;;
    esac
    return 0
}

keep_small() {
    if [ -f "$1" ] && [ "$(wc -c <"$1")" -gt 1048576 ]; then mv -f "$1" "$1.1"; fi
    return 0
}

say() {
    echo "[$(date '+%Y-%m-%d %H:%M:%S')] $1" >>"$logs/supervisor.log"
}

main "$@"
