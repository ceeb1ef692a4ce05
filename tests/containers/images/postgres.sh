#!/bin/sh
# Makes a cluster where there is none, then becomes the server.
set -eu
if [ ! -e "$PGDATA/PG_VERSION" ]; then
	echo "${POSTGRES_PASSWORD:?it is missing: the password of the superuser}" > /tmp/password
	rm -rf "$PGDATA.new"
	mkdir -p "$PGDATA.new"
	initdb -D "$PGDATA.new" -U postgres --auth=scram-sha-256 --pwfile=/tmp/password \
		--encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8 \
		--no-sync --no-instructions > /dev/null
	rm /tmp/password
	echo "host all all all scram-sha-256" >> "$PGDATA.new/pg_hba.conf"
	echo "host replication all all scram-sha-256" >> "$PGDATA.new/pg_hba.conf"
	mv "$PGDATA.new" "$PGDATA"
fi
exec "$@" -c "listen_addresses=*" -c unix_socket_directories=/tmp
