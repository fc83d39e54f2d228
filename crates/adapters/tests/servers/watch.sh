# Runs one test server and ends it when nobody uses it any more.
#
# usage: watch.sh DIR KEEP COMMAND [ARGUMENT]…
#   DIR   holds `users.lock` (every user holds it shared), `pid` (written here) and `data`
#   KEEP  `forget`: when the server ends, its data goes too. `keep`: an ended server may be started again
#
# The server dies with this shell (--pdeathsig in COMMAND), and this shell ends the server
# when `users.lock` has been free twice in a row. While it does so it holds the lock, so
# that a test that comes at this moment waits, and then starts a new one.
dir=$1 keep=$2
shift 2
"$@" &
server=$!
echo "$server" > "$dir/pid.new" && mv "$dir/pid.new" "$dir/pid"
free=0
while kill -0 "$server" 2>/dev/null; do
    sleep 2
    exec 9> "$dir/users.lock"
    if flock --nonblock --exclusive 9; then free=$((free + 1)); else free=0; fi
    if [ "$free" -ge 2 ]; then
        rm -f "$dir/running" "$dir/pid"
        kill -KILL "$server" 2>/dev/null
        wait "$server" 2>/dev/null
        rm -rf "$dir/data"
        [ "$keep" = keep ] && rm -rf "$dir"
        exit 0
    fi
    exec 9>&-
done
# It ended on its own, or a test killed it. A later watch.sh may have written its own pid.
[ "$keep" = keep ] || rm -f "$dir/running"
exit 0
