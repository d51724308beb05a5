# standby.sh PROGRAMS DIR PRIMARY: makes a hot standby in DIR of the server that the connection string PRIMARY names, prints
# "up", and removes it when standard input ends. The line "promote" on standard input makes it a server that writes.
PATH=$1:$PATH
dir=$2
settings="-c listen_addresses='' -c unix_socket_directories='$dir' -c max_connections=200"
if pg_basebackup --dbname="$3" --pgdata="$dir/data" --write-recovery-conf --checkpoint=fast --no-sync >"$dir/setup" 2>&1 &&
	pg_ctl start --wait --pgdata="$dir/data" --log="$dir/log" --options="$settings" >>"$dir/setup" 2>&1; then
	echo up
else
	tail -n 5 "$dir/setup" "$dir/log" 2>&1
fi
exec >/dev/null 2>&1
while read -r line; do
	[ "$line" = promote ] && pg_ctl promote --wait --pgdata="$dir/data"
done
pg_ctl stop --mode=immediate --pgdata="$dir/data"
rm -rf "$dir"
