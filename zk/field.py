"""The scalar field of bn254, in which ezkl's circuits live (constants: halo2curves, ``bn256/fr.rs``)."""

from __future__ import annotations

MODULUS = 21888242871839275222246405745257275088548364400416034343698204186575808495617
TWO_ADICITY = 28
GENERATOR = 7
ROOT_OF_UNITY = pow(GENERATOR, (MODULUS - 1) >> TWO_ADICITY, MODULUS)
DELTA = pow(GENERATOR, 1 << TWO_ADICITY, MODULUS)
MONTGOMERY_RADIX = (1 << 256) % MODULUS


def felt_to_int(felt: str) -> int:
    """Decode a 64-digit little-endian hex element to the signed integer of least magnitude.

    Raises:
        ValueError: not 64 hex digits, or not less than the modulus.

    """
    if len(felt) != 64:
        raise ValueError(f"a field element must have 64 hex digits; got {len(felt)}")
    value = int.from_bytes(bytes.fromhex(felt), "little")
    if value >= MODULUS:
        raise ValueError("a field element must be less than the modulus of bn254; got a larger number")
    return value if value <= MODULUS // 2 else value - MODULUS


def int_to_felt(value: int) -> str:
    """Encode an integer as 64 little-endian hex digits, modulo the field."""
    return (value % MODULUS).to_bytes(32, "little").hex()
