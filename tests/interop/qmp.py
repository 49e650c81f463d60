"""QEMU's QMP socket, and its human monitor through it."""

import contextlib
import json

from peers import CheckFailed
from qtest import connect


class Qmp:
    def __init__(self, path: str):
        self._stream = connect(path)
        self._lines = self._stream.makefile("r")
        self._events: list[str] = []
        self._receive()
        self.command("qmp_capabilities")

    def close(self) -> None:
        self._lines.close()
        self._stream.close()

    def command(self, name: str, **arguments):
        request = {"execute": name, "arguments": arguments}
        self._stream.sendall(json.dumps(request).encode() + b"\n")
        while "event" in (answer := self._receive()):
            self._events.append(answer["event"])
        if "return" not in answer:
            raise CheckFailed(f"QMP {name} was answered {answer}")
        return answer["return"]

    def await_event(self, name: str) -> None:
        """Takes what came during earlier commands, too; each event is found once."""
        while name not in self._events:
            self._events.append(self._receive()["event"])
        self._events.remove(name)

    def monitor(self, line: str) -> str:
        return self.command("human-monitor-command", **{"command-line": line}).replace("\r\n", "\n")

    def quit(self) -> None:
        # QEMU may be gone before it has answered.
        with contextlib.suppress(CheckFailed, OSError):
            self.command("quit")

    def _receive(self) -> dict:
        line = self._lines.readline()
        if not line:
            raise CheckFailed("QEMU closed the QMP socket")
        return json.loads(line)
