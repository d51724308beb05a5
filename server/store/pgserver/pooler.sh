# pooler.sh PGBOUNCER DIR: runs PgBouncer in DIR, whose settings are in pgbouncer.ini there, prints "up" once it accepts
# connections, and removes DIR when standard input ends.
dir=$2
"$1" "$dir/pgbouncer.ini" >"$dir/log" 2>&1 &
pooler=$!
tries=0
while [ ! -S "$dir/.s.PGSQL.6432" ] && [ $tries -lt 600 ] && kill -0 $pooler 2>/dev/null; do
	sleep 0.05
	tries=$((tries + 1))
done
if [ -S "$dir/.s.PGSQL.6432" ]; then echo up; else tail -n 5 "$dir/log"; fi
exec >/dev/null 2>&1
read -r _
kill $pooler
wait $pooler
rm -rf "$dir"
