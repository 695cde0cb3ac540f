"""What a process that runs for weeks may remember: the newest entries, up to a number."""

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(OrderedDict[K, V]):
    """A dictionary that forgets its oldest entries beyond `size` of them.

    >>> recent = Recent(2)
    >>> recent.update(a=1, b=2, c=3)
    >>> list(recent)
    ['b', 'c']
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > self._size:
            self.popitem(last=False)
