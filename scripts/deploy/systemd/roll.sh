#!/bin/sh
# Replaces instances by others, all new ones first, so that nobody is refused and each client reconnects once:
#
#     roll.sh gateway a=b c=d     starts petrel-gateway@b and @d, waits until both are ready, then stops @a and @c
#
# Each has its settings in /etc/petrel, gateway-a.env and so on. When a new one is not ready in 60 s the new ones are stopped,
# the old ones go on, and the exit code is 1.
set -eu
if [ $# -lt 2 ]; then
  echo "usage: $0 gateway|logic <old>=<new>..." >&2
  exit 2
fi
role=$1
shift

monitor_of() {
  monitor=$(sed -n 's/^PETREL_MONITOR=//p' "${PETREL_ETC:-/etc/petrel}/$role-$1.env")
  if [ -z "$monitor" ]; then
    echo "$role-$1.env has no PETREL_MONITOR: nobody could tell when it is ready" >&2
    exit 2
  fi
}

for pair in "$@"; do monitor_of "${pair#*=}"; done
for pair in "$@"; do systemctl start "petrel-$role@${pair#*=}"; done
tries=0
for pair in "$@"; do
  monitor_of "${pair#*=}"
  until curl -fsS -m 2 -o /dev/null "http://$monitor/ready"; do
    tries=$((tries + 1))
    if [ "$tries" -ge "${PETREL_TRIES:-60}" ]; then
      echo "petrel-$role@${pair#*=} is not ready; the old ones go on" >&2
      for one in "$@"; do systemctl stop "petrel-$role@${one#*=}"; done
      exit 1
    fi
    sleep 1
  done
done
for pair in "$@"; do
  systemctl enable -q "petrel-$role@${pair#*=}"
  systemctl disable -q "petrel-$role@${pair%%=*}"
  systemctl stop --no-block "petrel-$role@${pair%%=*}"
  echo "petrel-$role@${pair#*=} has taken over from petrel-$role@${pair%%=*}"
done
