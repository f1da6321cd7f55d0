"""An OpenAI-compatible endpoint as a process of its own: `endpoint_server.py ok,503,ok` prints its port and serves.

Each chat request takes the next word of the script, the last one for ever: ok, slow, words (as many as asked for), 429,
429wait, quota, 401, context, 400, 503, drop (breaks off within the text), drop0 (before any), filter, empty, hang.
GET /log tells what came; `hung_up` counts streams that their reader left.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ERRORS: dict[str, tuple[int, dict[str, Any]]] = {
    "429": (429, {"code": "rate_limit_exceeded", "message": "slow down"}),
    "429wait": (429, {"code": "rate_limit_exceeded", "message": "slow down"}),
    "quota": (429, {"code": "insufficient_quota", "message": "no money left"}),
    "401": (401, {"code": "invalid_api_key", "message": "Incorrect API key provided: sk-secret"}),
    "context": (400, {"code": None, "message": "This model's maximum context length is 4096 tokens."}),
    "400": (400, {"code": None, "message": "unknown field"}),
    "503": (503, {"code": None, "message": "overloaded"}),
}
TEXT = ["A dog", " runs", " over", " the", " grass", "."]


class State:
    def __init__(self, script: list[str]) -> None:
        self.lock = threading.Lock()
        self.script = script
        self.log: list[dict[str, Any]] = []
        self.running = self.most_at_once = self.hung_up = 0

    def next_step(self, body: dict[str, Any], headers: dict[str, str]) -> str:
        with self.lock:
            step = self.script[min(len(self.log), len(self.script) - 1)]
            self.log.append({"step": step, "body": body, "headers": headers})
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
            return step


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""

    def answer(self, status: int, content: Any, **headers: str) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        if self.path == "/log":
            state = self.state
            self.answer(200, {"log": state.log, "most_at_once": state.most_at_once, "hung_up": state.hung_up})
        else:
            self.answer(
                200,
                {"object": "list", "data": [{"id": "tiny-vlm", "object": "model", "created": 0, "owned_by": "test"}]},
            )

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        step = self.state.next_step(body, dict(self.headers))
        try:
            if step in ERRORS:
                status, error = ERRORS[step]
                self.answer(status, {"error": error}, **({"Retry_After": "0.3"} if step == "429wait" else {}))
            else:
                self.stream(step, body)
        except (BrokenPipeError, ConnectionResetError):
            self.state.hung_up += 1
            self.close_connection = True
        finally:
            with self.state.lock:
                self.state.running -= 1

    def stream(self, step: str, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        words = TEXT[: body["max_tokens"]] if step != "words" else [f" w{n}" for n in range(body["max_tokens"])]
        whole = len(words) == len(TEXT)
        for number, word in enumerate([] if step in ("empty", "filter", "drop0") else words):
            if step == "drop" and number == 3:
                return
            self.event({"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
            if step in ("slow", "hang", "words"):
                time.sleep(60 if step == "hang" else 0.02)  # another process: it stands for a model at work
        if step == "drop0":
            return
        reason = "content_filter" if step == "filter" else "stop" if whole else "length"
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        self.event({"choices": [], "usage": {"prompt_tokens": 90, "completion_tokens": len(words), "total_tokens": 99}})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, content: dict[str, Any]) -> None:
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "tiny-vlm", **content}
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.flush()


def main() -> None:
    Handler.state = State(sys.argv[1].split(","))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
