"""How much goes between a command and its scheduler: a door before the scheduler that counts."""

import socket
import threading
from urllib.parse import urlsplit


class Door:
    """Listens in a scheduler's place, and passes on what it hears, both ways.

    Parameters
    ----------
    address : str
        The scheduler's.

    Attributes
    ----------
    sent, received : int
        Bytes that went to the scheduler, and that came from it.
    """

    def __init__(self, address: str) -> None:
        self._target = urlsplit(address)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listening.getsockname()[1]}"
        self.sent = self.received = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            scheduler = socket.create_connection((self._target.hostname, self._target.port))
            for ends in ((client, scheduler, "sent"), (scheduler, client, "received")):
                threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, which: str) -> None:
        try:
            while data := source.recv(2**16):
                with self._lock:
                    setattr(self, which, getattr(self, which) + len(data))
                target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                end.close()

    def close(self) -> None:
        self._listening.close()
