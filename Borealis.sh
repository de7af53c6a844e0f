#!/bin/sh
# Finds a Python and hands over to Data/Bootstrap. Everything else is there.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0" 2>/dev/null || echo "$0")")" && pwd -P)

# Prints the interpreter behind a name if it is new enough; a name may be a shim, so its own path is of no use.
usable() {
    "$1" -I -S -c 'import sys; sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null || true
}

python=''
for candidate in ${BOREALIS_PYTHON:+"$BOREALIS_PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 python /usr/bin/python3; do
    if command -v "$candidate" >/dev/null 2>&1; then
        python=$(usable "$candidate")
        if [ -n "$python" ]; then break; fi
    fi
done
if [ -z "$python" ]; then
    echo 'borealis: Python 3.11 or later is needed: apt-get install python3 python3-venv (Debian 12, Ubuntu 24.04 and later), or name one in BOREALIS_PYTHON.' >&2
    exit 1
fi

exec "$python" -I "$here/Data/Bootstrap/start.py" "$@"
