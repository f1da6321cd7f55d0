#!/usr/bin/env bash
# Makes the virtual environment for `make demo` or `make test` and puts exactly the locked packages into it.
#   deploy/setup.sh demo|test
# PYTHON names the interpreter (python3 by default), VENV the directory (.venv by default). Doing it twice costs nothing.
# TORCH=0 leaves PyTorch out of the tests' environment; the tests that need it are then skipped and say so.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:?say which: demo or test}
python=${PYTHON:-python3}
venv=${VENV:-.venv}
lock=deploy/requirements/$what.txt
torch_lock=deploy/requirements/test-torch.txt
[ "$what" = test ] && [ "${TORCH:-1}" != 0 ] || torch_lock=

fail() { printf 'setup: %s\n' "$*" >&2; exit 2; }

command -v "$python" >/dev/null || fail "$python is not there. Install Python 3.11 or later, or say PYTHON=/path/to/it."
"$python" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old. Install Python 3.11 or later, or say PYTHON=/path/to/it."

# The sums of what goes in: as long as they stay the same, there is nothing to do.
sums=$("$python" - "$lock" $torch_lock pyproject.toml <<'PY'
import hashlib, pathlib, sys
print(sys.version_info[:2], *(hashlib.sha256(pathlib.Path(name).read_bytes()).hexdigest() for name in sys.argv[1:]))
PY
)
stamp=$venv/.set-up-for-$what
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sums" ] && exit 0

if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
  echo "setup: making a virtual environment in $venv"
  "$python" -m venv --clear "$venv" || fail "python -m venv failed; on Debian and Ubuntu: apt-get install python3-venv"
fi

pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet install --no-warn-script-location --no-compile)
install() { PIP_ROOT_USER_ACTION=ignore "${pip[@]}" "$@" 2>"$venv/pip.log"; }
explain() {
  tail -n 5 "$venv/pip.log" >&2
  fail "packages could not be installed. Is the network down, or a proxy needed (https_proxy)? The log is $venv/pip.log"
}
# Python 3.11 brings a pip that takes twice the time to look through an index; where no other can be had, it will do.
install --require-hashes -r deploy/requirements/pip.txt || true
echo "setup: installing the packages of $lock (some 200 MB the first time)"
install --require-hashes -r "$lock" || explain
if [ -n "$torch_lock" ]; then
  echo "setup: installing PyTorch for the tests of the captioner's model engines (TORCH=0 leaves it out)"
  # Alone and by its version: its build depends on the machine, and anything newer brings gigabytes of CUDA packages.
  install torch==2.13.0 || explain
  install --require-hashes --no-deps -r "$torch_lock" || explain
fi
install --no-deps --no-build-isolation --editable . || explain
# On all cores, which pip does not use; what hardly anything imports is compiled when it is. Some packages hold templates
# that only look like Python.
"$venv/bin/python" -m compileall -q -q -j 0 -x '/tests/|/transformers/models/' "$venv"/lib/python*/site-packages || true
echo "$sums" >"$stamp"
