"""The command `vidtags`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs the command with the arguments of this process, and ends it with the command's exit code."""
    # Read by onnxruntime when it is loaded. Without it, onnxruntime keeps a device id and a journal of its use in the
    # home and temporary directories, and sends them to its maker.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # Both are read by gRPC when it is loaded. Its fork handlers are of no use here, since nothing forks without exec,
    # and below ERROR it writes lines about its inner workings between those that are meant for people.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        from vidtomusictags.command.app import app  # noqa: PLC0415  # after the environment is set
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich"):
            raise
        print("vidtags: the command needs more: pip install 'vidtomusictags[cli]'", file=sys.stderr)
        sys.exit(2)
    app()
