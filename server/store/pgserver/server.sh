# server.sh PROGRAMS DIR: makes a server in DIR with the programs in PROGRAMS, prints "up", and removes it when
# standard input ends. It listens on a Unix socket in DIR only.
PATH=$1:$PATH
dir=$2
settings="-c listen_addresses='' -c unix_socket_directories='$dir' -c max_connections=200"
if initdb --pgdata="$dir/data" --username=postgres --auth=trust --encoding=UTF8 --no-locale --no-sync >"$dir/setup" 2>&1 &&
	pg_ctl start --wait --pgdata="$dir/data" --log="$dir/log" --options="$settings" >>"$dir/setup" 2>&1; then
	echo up
else
	tail -n 5 "$dir/setup" "$dir/log" 2>&1
fi
exec >/dev/null 2>&1
read -r _
pg_ctl stop --mode=immediate --pgdata="$dir/data"
rm -rf "$dir"
