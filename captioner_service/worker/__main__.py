"""`python -m captioner_service.worker FD`: the process that owns a model, told what to do over an inherited socket."""

from __future__ import annotations

import os
import queue
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from importlib import import_module

import structlog

from captioner_service.worker import pictures
from captioner_service.worker.generation import Generation
from captioner_service.worker.messages import (
    Add,
    Cancel,
    Loading,
    Message,
    Refused,
    Rejected,
    Start,
    from_line,
    to_line,
)
from captioner_service.worker.owner import Owner
from captioner_service.worker.slot_engine import DeviceLost, SlotEngine, Unfit
from captioner_service.worker.text_stream import TextStream
from vidtomusictags.rpc.logs import write_logs

EXIT_REFUSED, EXIT_DEVICE_LOST = 3, 4
_MAX_FILES = 64

log = structlog.get_logger()


class Channel:
    """The worker's end of the socket. Reading belongs to one thread, writing to one at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._writing = threading.Lock()
        self._files: deque[int] = deque()

    def tell(self, messages: list[Message]) -> None:
        """Sends messages. A service that is gone ends the process: nobody is left to work for."""
        try:
            with self._writing:
                self._connection.sendall(b"".join(map(to_line, messages)))
        except OSError:
            os._exit(0)

    def messages(self) -> Iterator[Message]:
        """What the service says, until it hangs up."""
        buffer = b""
        while True:
            data, files, _, _ = socket.recv_fds(self._connection, 1 << 16, _MAX_FILES)
            if not data:
                return
            self._files.extend(files)
            *lines, buffer = (buffer + data).split(b"\n")
            yield from map(from_line, lines)

    def next_file(self) -> int:
        """The file that came beside the present message."""
        return self._files.popleft()


class Intake(threading.Thread):
    """Reads what the service says and prepares clips, off the thread that owns the model."""

    def __init__(self, channel: Channel, messages: Iterator[Message], engine: SlotEngine, owner: Owner) -> None:
        super().__init__(name="intake", daemon=True)
        self._channel, self._messages, self._engine, self._owner = channel, messages, engine, owner
        self._to_prepare: queue.SimpleQueue[tuple[Add, int, float]] = queue.SimpleQueue()
        self._known: dict[int, Generation] = {}
        self._open: set[int] = set()
        self._gone: set[int] = set()
        threading.Thread(target=self._prepare_all, name="prepare", daemon=True).start()

    def run(self) -> None:
        """Ends the process when the service hangs up, even while a step is stuck."""
        for message in self._messages:
            if isinstance(message, Add):
                self._open.add(message.id)
                self._to_prepare.put((message, self._channel.next_file(), time.monotonic()))
            elif isinstance(message, Cancel) and message.id in self._open:
                self._gone.add(message.id)
                if message.id in self._known:
                    self._known[message.id].cancelled = True
        os._exit(0)

    def forget(self, id: int) -> None:
        """The clip has ended."""
        self._open.discard(id)
        self._known.pop(id, None)
        self._gone.discard(id)

    def _prepare_all(self) -> None:
        while True:
            message, file, since = self._to_prepare.get()
            try:
                self._prepare(message, file, since)
            except Unfit as error:
                self._channel.tell([Rejected(message.id, str(error), error.field)])
                self.forget(message.id)
            except Exception as error:
                log.error("clip could not be prepared", exc_info=error)
                self._channel.tell([Rejected(message.id, "", "")])
                self.forget(message.id)

    def _prepare(self, message: Add, file: int, since: float) -> None:
        clip = message.clip(pictures.attach(file, message.shape))
        prepared, prompt_tokens = self._engine.prepare(clip)
        text = TextStream(self._engine.decode, clip.options.stop)
        ends_at = since + message.seconds_left
        generation = Generation(message.id, clip.options, prepared, prompt_tokens, text, ends_at, self._owner.hear)
        self._known[message.id] = generation
        generation.cancelled = message.id in self._gone
        self._owner.arrive(generation, since=since)


def main() -> int:
    """Serves until the service hangs up. Returns the exit status."""
    write_logs(service="captioner-worker", stream=sys.stderr)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    messages = channel.messages()
    start = next(messages)
    assert isinstance(start, Start)
    channel.tell([Loading(0.0, "libraries")])  # importing them can take longer than a small model
    try:
        module, _, factory = start.factory.partition(":")
        engine: SlotEngine = getattr(import_module(module), factory)(dict(start.options))
        owner = Owner(engine, channel.tell)
        owner.load()
    except (ValueError, OSError, ImportError) as error:
        log.error("engine refused", exc_info=error)
        channel.tell([Refused(str(error))])
        return EXIT_REFUSED
    intake = Intake(channel, messages, engine, owner)
    owner.on_finished = intake.forget
    intake.start()
    try:
        owner.run()
    except DeviceLost as error:
        log.error("device lost", exc_info=error)
    return EXIT_DEVICE_LOST


if __name__ == "__main__":
    sys.exit(main())
