#!/usr/bin/env bash
# Sends a server of its own what its OpenAPI document allows, and what it does not, and holds every answer to the
# document. Needs python3 with venv; schemathesis comes from PyPI, once, into .build/fuzz-api.
#
#   APUS      the program, .build/release/apus unless given
#   SEED      the seed of the run, a fresh one unless given
#   EXAMPLES  cases for each call, 100 unless given
#
# Further arguments go to schemathesis. Its exit code is this script's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

version=4.32.5
place=$PWD/.build/fuzz-api
apus=$(realpath "${APUS:-.build/release/apus}")
venv=$place/venv-$version
mkdir -p "$place"
if [ ! -x "$venv/bin/schemathesis" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet "schemathesis==$version"
fi

run=$(mktemp -d "$place/run-XXXXXX")
cp Tests/Fuzz/schemathesis.toml Tests/Fuzz/hooks.py "$run"
JWT_SECRET=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
ADMIN_API_KEY=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export JWT_SECRET ADMIN_API_KEY
export HOST=127.0.0.1 PORT=0 DB_PATH=memory: RATE_LIMIT_PER_MIN=0 ADMIN_RATE_LIMIT_PER_MIN=0 LOG_LEVEL=warning
cd "$run"
"$apus" serve > printed 2> log &
server=$!
trap 'kill "$server" 2> /dev/null || true; wait "$server" 2> /dev/null || true; rm -rf "$run"' EXIT
for _ in $(seq 100); do
  url=$(sed -n 's/^apus .* listening on \(http:[^ ]*\)$/\1/p' printed)
  [ -z "$url" ] || break
  kill -0 "$server" 2> /dev/null || { cat log >&2; exit 1; }
  sleep 0.1
done
[ -n "$url" ] || { echo "fuzz-api: the server did not come up" >&2; exit 1; }

APUS_TOKEN=$("$apus" token fuzz --ttl-seconds 86400)
export APUS_TOKEN
code=0
"$venv/bin/schemathesis" run "$url/openapi.json" \
  --seed "${SEED:-$RANDOM}" --max-examples "${EXAMPLES:-100}" "$@" || code=$?
kill -0 "$server" 2> /dev/null || { echo "fuzz-api: the server ended" >&2; cat log >&2; exit 1; }
[ ! -s log ] || { echo "fuzz-api: the server logged" >&2; cat log >&2; }
exit "$code"
