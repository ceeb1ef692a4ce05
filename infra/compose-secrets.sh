#!/bin/sh
# Prints generated passwords for infra/compose.yaml: sh infra/compose-secrets.sh > infra/.env
# Keep the file: the data in the volumes knows these passwords and no others.
set -eu
umask 077
random() { head -c "$1" /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
echo "COMPOSE_PROJECT_NAME=billing-outbox"
for name in ADMIN OWNER APPLICATION CONNECTOR LEDGER_WRITER AUDITOR CONSOLE; do
	echo "OUTBOX_${name}_PASSWORD=$(random 24)"
done
# An id in Kafka's own form, which must not begin with a dash.
echo "KAFKA_CLUSTER_ID=A$(random 16 | cut -c 2-)"
