"""What evaluation computes with knows no wire: it works where gRPC and protobuf are not installed."""

from __future__ import annotations

import subprocess
import sys

MODULES = (
    "agreement",
    "calibrating",
    "conditions",
    "dataset",
    "evaluation",
    "imported_answers",
    "inference",
    "recording",
    "report.writing",
    "result_file",
    "run_result",
    "running",
    "stage_store",
    "stored_run",
)


def test_figures_and_report_need_neither_grpc_nor_protobuf() -> None:
    blocked = "import sys; sys.modules.update(dict.fromkeys(('grpc', 'google.protobuf'), None))"
    imports = "; ".join(f"import vidtomusictags.evaluation.{name}" for name in MODULES)
    ran = subprocess.run([sys.executable, "-c", f"{blocked}; {imports}"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_command_loads_without_the_libraries_of_evaluation() -> None:
    blocked = "import sys; sys.modules.update(dict.fromkeys(('sklearn', 'matplotlib', 'jinja2', 'pyarrow'), None))"
    ran = subprocess.run(
        [sys.executable, "-c", f"{blocked}; import vidtomusictags.command.app"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
