"""A progress bar, where tqdm is there and somebody wants one."""

from __future__ import annotations

import threading
from typing import Any


class Progress:
    """Counts bytes. Thread-safe."""

    NONE: Progress

    def __init__(self, bar: Any = None) -> None:
        self._bar = bar
        self._lock = threading.Lock()
        self._done = 0

    @classmethod
    def of(cls, total: int, wanted: bool) -> Progress:
        if not wanted:
            return cls.NONE
        try:
            from tqdm import tqdm
        except ImportError:
            return cls.NONE
        return cls(tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1000))

    @property
    def shown(self) -> bool:
        return self._bar is not None

    def add(self, count: int) -> None:
        if self._bar is not None:
            with self._lock:
                self._bar.update(count)
                self._done += count

    def reach(self, done: int) -> None:
        """All of ``done`` bytes are there."""
        self.add(done - self._done)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


Progress.NONE = Progress()
