#!/bin/sh
# trim.sh FOLDER EPOCH: prepares what an image takes from its build stage, below /image: FOLDER
# without what never runs, compiled, and /var/lib/outbox, which any user may write. The same content
# always gives the same bytes.
set -eu
folder=$1 epoch=$2
python=$folder/bin/python
[ -x "$python" ] || python=python3

find "$folder" -type d \( -name tests -o -name test -o -name __pycache__ \) -prune -exec rm -rf {} +
find "$folder" \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.c' -o -name '*.h' \) -delete
# Names the build stage's folder; pip alone reads it.
find "$folder" -name direct_url.json -delete
# By content, not by time: Python neither looks at the source nor wants to write it anew.
"$python" -m compileall -q -j 1 --invalidation-mode unchecked-hash "$folder" || true

mkdir -p "/image$(dirname "$folder")" /image/var/lib
mv "$folder" "/image$folder"
mkdir -m 1777 /image/var/lib/outbox
chmod -R a+rX "/image$folder"
find /image -exec touch --no-dereference --date="@$epoch" {} +
