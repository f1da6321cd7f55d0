"""Looks up every locked package by pip-audit, and tells apart what it calls alike: clean, and not looked up at all."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)
_SECONDS = 300


class NotAudited(Exception):
    """pip-audit gave no answer; the message is its own."""


def pins(lock: Path) -> set[tuple[str, str]]:
    """Name and version of all that a lock file may install, on whichever platform."""
    return set(_PIN.findall(lock.read_text()))


def rounds(packages: Iterable[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """All packages in as few lists as there are versions of one: pip-audit refuses a name that comes twice."""
    by_name = defaultdict(list)
    for name, version in sorted(packages):
        by_name[name].append((name, version))
    most = max(map(len, by_name.values()), default=0)
    return [[versions[turn] for versions in by_name.values() if len(versions) > turn] for turn in range(most)]


def looked_up(pip_audit: Path, packages: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """What pip-audit says of each package. Raises NotAudited."""
    with tempfile.TemporaryDirectory() as directory:
        listed = Path(directory, "packages.txt")
        listed.write_text("".join(f"{name}=={version}\n" for name, version in packages))
        options = ["--no-deps", "--disable-pip", "--progress-spinner=off", "--desc=off", "--format=json"]
        command = [str(pip_audit), "-r", str(listed), *options]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
            dependencies: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
        except subprocess.TimeoutExpired:
            raise NotAudited(f"no answer within {_SECONDS} seconds") from None
        except OSError as error:
            raise NotAudited(f"pip-audit could not be run: {error.strerror}") from None
        except (ValueError, KeyError):
            last = done.stderr.strip().splitlines()[-1:] or ["no answer"]
            raise NotAudited(last[0][:200]) from None
    return dependencies


def audit(locks: Sequence[Path], pip_audit: Path, *, required: bool) -> int:
    """Prints the findings; the exit code."""
    locked_by = defaultdict(list)
    for lock in locks:
        for package in pins(lock):
            locked_by[package].append(lock.name)
    vulnerable, unknown, clean = [], [], 0
    for packages in rounds(locked_by):
        try:
            answers = {answer["name"]: answer for answer in looked_up(pip_audit, packages)}
        except NotAudited as reason:
            unknown += [(name, version, str(reason)) for name, version in packages]
            continue
        for name, version in packages:
            answer = answers.get(name, {"skip_reason": "pip-audit says nothing of it"})
            if "skip_reason" in answer:
                unknown.append((name, version, answer["skip_reason"]))
            elif answer["vulns"]:
                vulnerable.append((name, version, answer["vulns"]))
            else:
                clean += 1
    for name, version, vulnerabilities in vulnerable:
        for found in vulnerabilities:
            fixed = ", ".join(found["fix_versions"]) or "no version yet"
            print(
                f"audit: VULNERABLE: {name} {version}: {found['id']}, fixed in {fixed} "
                f"(locked by {', '.join(locked_by[name, version])})"
            )
    if unknown:
        print(
            f"audit: NOT AUDITED: {len(unknown)} of {len(locked_by)} packages could not be looked up. "
            f"The first: {unknown[0][0]} {unknown[0][1]}: {unknown[0][2]}. "
            "Does this machine's package index serve vulnerability data, and is it reachable?",
            file=sys.stderr,
        )
    print(
        f"audit: {clean} of {len(locked_by)} packages of {len(locks)} lock files were looked up and free of known "
        "vulnerabilities"
    )
    return 1 if vulnerable or (unknown and required) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pip-audit", type=Path, required=True)
    parser.add_argument("locks", type=Path, nargs="+")
    arguments = parser.parse_args()
    required = os.environ.get("AUDIT") == "required"
    raise SystemExit(audit(arguments.locks, arguments.pip_audit, required=required))
