"""What stands in every log line."""

from __future__ import annotations

from threading import Thread
from typing import Any

import structlog

from vidtomusictags.rpc.logs import begin_call


def test_every_line_names_its_service_whatever_thread_writes_it_and_whatever_call_has_begun(logs: Any) -> None:
    log = structlog.get_logger()
    begin_call((), trace_id="")
    log.info("of a call")
    thread = Thread(target=log.warning, args=("of a thread",))
    thread.start()
    thread.join()
    assert [line["service"] for line in logs.of("of a call") + logs.of("of a thread")] == ["test", "test"]
