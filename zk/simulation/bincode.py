"""Reader of bincode 1.x, the little-endian format of ezkl's compiled circuits: no tags, no padding, u64 lengths."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeVar, final

import numpy as np
from numpy.typing import NDArray

from zk.field import MODULUS
from zk.simulation.errors import SimulationError

FELT_BYTES = 32
_MODULUS_WORDS = np.frombuffer(MODULUS.to_bytes(FELT_BYTES, "little"), dtype="<u8")
_LARGEST = np.uint64(1) << np.uint64(62)

Value = TypeVar("Value")


@final
class BincodeReader:
    """Reads values one after the other; every read past the end raises :class:`SimulationError`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def raw(self, size: int) -> bytes:
        """Take ``size`` bytes."""
        end = self.position + size
        if end > len(self._data):
            raise SimulationError(f"the compiled circuit ends at byte {len(self._data)}; a value reaches to byte {end}")
        chunk = self._data[self.position : end]
        self.position = end
        return chunk

    def _number(self, layout: str) -> int:
        return int(struct.unpack(layout, self.raw(struct.calcsize(layout)))[0])

    def u32(self) -> int:
        """Take an unsigned number of 4 bytes (an enum's variant is one, too)."""
        return self._number("<I")

    def i32(self) -> int:
        """Take a signed number of 4 bytes."""
        return self._number("<i")

    def u64(self) -> int:
        """Take an unsigned number of 8 bytes."""
        return self._number("<Q")

    def u128(self) -> int:
        """Take an unsigned number of 16 bytes."""
        return int.from_bytes(self.raw(16), "little")

    def f32(self) -> float:
        """Take a float of 4 bytes."""
        return float(struct.unpack("<f", self.raw(4))[0])

    def f64(self) -> float:
        """Take a float of 8 bytes."""
        return float(struct.unpack("<d", self.raw(8))[0])

    def boolean(self) -> bool:
        """Take one byte that must be 0 or 1."""
        byte = self.raw(1)[0]
        if byte > 1:
            raise SimulationError(f"a flag of the compiled circuit must be 0 or 1; byte {self.position - 1} is {byte}")
        return byte == 1

    def text(self) -> str:
        """Take a string."""
        try:
            return self.raw(self.u64()).decode()
        except UnicodeDecodeError as error:
            raise SimulationError(f"a name of the compiled circuit must be UTF-8; {error}") from error

    def option(self, read: Callable[[], Value]) -> Value | None:
        """Take a value that may be absent."""
        return read() if self.boolean() else None

    def sequence(self, read: Callable[[], Value]) -> tuple[Value, ...]:
        """Take a sequence."""
        return tuple(read() for _ in range(self.u64()))

    def felts(self) -> NDArray[np.int64]:
        """Take a sequence of field elements as the signed integers of least magnitude, shape [count].

        Raises:
            SimulationError: one is 2**62 or more in magnitude.

        """
        count = self.u64()
        words = np.frombuffer(self.raw(count * FELT_BYTES), dtype="<u8").reshape(count, 4)
        positive = (words[:, 1:] == 0).all(1) & (words[:, 0] < _LARGEST)
        distance = _MODULUS_WORDS[0] - words[:, 0]
        negative = (words[:, 1:] == _MODULUS_WORDS[1:]).all(1) & (distance < _LARGEST)
        if not (positive | negative).all():
            raise SimulationError("constants of the circuit must be less than 2**62 in magnitude; found a larger one")
        return np.where(positive, words[:, 0].astype(np.int64), -distance.astype(np.int64))
