#!/usr/bin/env bash
# Asks whether anything that deploy/requirements locks has a known vulnerability.
#   AUDIT=required deploy/audit.sh    an audit that could not be made fails as well
#   AUDIT=skip deploy/audit.sh        asks nothing
# Exit code 0: none is known, or nobody could be asked, which is said. 1: some are, and listed; or see `required`.
# pip-audit brings another pip, so it lives in an environment of its own, made from deploy/requirements/audit.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${AUDIT:-}" = skip ] && { echo 'audit: skipped, as AUDIT=skip says'; exit 0; }

venv=${AUDIT_VENV:-.venv-audit}
lock=deploy/requirements/audit.txt
stamp=$venv/.holds
if ! cmp --quiet "$lock" "$stamp"; then
  echo "audit: installing pip-audit into $venv"
  python=${VENV:-.venv}/bin/python
  [ -x "$python" ] || python=${PYTHON:-python3}
  if ! { "$python" -m venv --clear --without-pip "$venv" &&
    PIP_ROOT_USER_ACTION=ignore "$python" -m pip --python "$venv/bin/python" --disable-pip-version-check --quiet install \
      --no-compile --require-hashes -r "$lock" && cp "$lock" "$stamp"; } >"$venv.log" 2>&1; then
    echo "audit: NOT AUDITED: pip-audit could not be installed; the log is $venv.log" >&2
    [ "${AUDIT:-}" != required ]
    exit
  fi
fi
exec "$venv/bin/python" deploy/audit.py --pip-audit "$venv/bin/pip-audit" deploy/requirements/*.txt
