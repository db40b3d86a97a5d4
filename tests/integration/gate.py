"""A relay between a client and a server that lets so many bytes of answers through and then holds the rest: whoever is behind
it is in the middle of its work, however fast or slow the machine."""

import contextlib
import socket
import threading

PIECE = 1 << 16


class Gate:
    def __init__(self, address, limit):
        """Before the server at `address`; holds its answers beyond `limit` bytes, of all connections together."""
        self._backend = address
        self._changed = threading.Condition()
        self._limit = limit
        self._passed = 0
        self._sockets = []
        if address.startswith("unix:"):
            self.address = address + ".gate"
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(self.address.removeprefix("unix:"))
            self._listener.listen()
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def passed(self):
        with self._changed:
            return self._passed

    @property
    def is_full(self):
        """Whether it holds what comes now."""
        with self._changed:
            return self._limit is not None and self._passed >= self._limit

    def hold(self, limit):
        """Lets this much through, counted from the beginning; None: everything."""
        with self._changed:
            self._limit = limit
            self._changed.notify_all()

    def open(self):
        """Lets everything through from now on."""
        self.hold(None)

    def cut(self):
        """Ends the connections that there are: what is held never comes. Others get everything."""
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.open()

    def close(self):
        self.open()
        for end in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _connect(self):
        if self._backend.startswith("unix:"):
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._backend.removeprefix("unix:"))
            except OSError:
                server.close()
                raise
            return server
        host, port = self._backend.rsplit(":", 1)
        return socket.create_connection((host, int(port)))

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = self._connect()
                except OSError:  # nobody is there: then nobody is here either
                    client.close()
                    continue
                for end in (client, server):
                    if end.family != socket.AF_UNIX:  # else small messages wait for acknowledgements of those before
                        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [client, server]
                threading.Thread(target=self._pump, args=(client, server, lambda size: None), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, self._wait_for_room), daemon=True).start()

    def _wait_for_room(self, size):
        with self._changed:
            self._changed.wait_for(lambda: self._limit is None or self._passed < self._limit)
            self._passed += size

    def _pump(self, source, sink, before):
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                before(len(piece))
                sink.sendall(piece)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
