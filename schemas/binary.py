"""Avro's binary encoding step by step, strict in both directions: what is damaged or of the wrong type is refused.

Readers and writers are closures, one for each part of a schema. The generated codec does the same faster for what is
usual and comes here for everything else, so the last word on a value is always spoken here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from schemas.shapes import REQUIRED, Array, Map, Optional, Plain, Record, Shape, Symbols

Reader = Callable[[bytes, int], tuple[Any, int]]
Writer = Callable[[Any, bytearray], None]

INTS: Final = range(-(1 << 31), 1 << 31)
LONGS: Final = range(-(1 << 63), 1 << 63)
_MOST_BITS: Final = 64


class Malformed(ValueError):
    """Bytes that are not what the schema says."""


# ---- reading ----------------------------------------------------------------------------------------------------


def read_whole(read: Reader, data: bytes, at: int) -> Any:
    """The one value from `at` to the end; raise Malformed."""
    try:
        value, end = read(data, at)
    except IndexError:
        raise Malformed("the value ends too early") from None
    if end != len(data):
        raise Malformed(f"{len(data) - end} bytes left over")
    return value


def read_long(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    raw, shift = byte & 127, 7
    while byte > 127:
        if shift >= _MOST_BITS:
            raise Malformed("a number of more than ten bytes")
        byte = data[at]
        at += 1
        raw |= (byte & 127) << shift
        shift += 7
    if raw >> _MOST_BITS:
        raise Malformed("a number of more than 64 bits")
    return (raw >> 1) ^ -(raw & 1), at


def read_int(data: bytes, at: int) -> tuple[int, int]:
    value, at = read_long(data, at)
    if value not in INTS:
        raise Malformed(f"{value} is no int")
    return value, at


def read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = read_long(data, at)
    if not 0 <= size <= len(data) - at:
        raise Malformed(f"a length of {size} with {len(data) - at} bytes left")
    end = at + size
    return data[at:end], end


def read_string(data: bytes, at: int) -> tuple[str, int]:
    raw, end = read_bytes(data, at)
    try:
        return raw.decode(), end
    except UnicodeDecodeError as error:
        raise Malformed(str(error)) from None


def _read_boolean(data: bytes, at: int) -> tuple[bool, int]:
    byte = data[at]
    if byte > 1:
        raise Malformed(f"{byte} is no boolean")
    return byte == 1, at + 1


_PLAIN_READERS: Final[Mapping[Plain, Reader]] = {
    Plain.BOOLEAN: _read_boolean,
    Plain.INT: read_int,
    Plain.LONG: read_long,
    Plain.TIME: read_long,
    Plain.STRING: read_string,
    Plain.BYTES: read_bytes,
}


def reader(shape: Shape) -> Reader:
    """Reads one value of a shape; raises Malformed, or IndexError when the data ends too early."""
    match shape:
        case Plain():
            return _PLAIN_READERS[shape]
        case Symbols(names):
            return _symbol_reader(names)
        case Optional(of, null):
            return _optional_reader(reader(of), null)
        case Array(items):
            return _array_reader(reader(items))
        case Map(values):
            return _map_reader(reader(values))
        case Record():
            return _record_reader([(field.name, reader(field.shape)) for field in shape.fields])


def _symbol_reader(names: tuple[str, ...]) -> Reader:
    def read(data: bytes, at: int) -> tuple[str, int]:
        index, at = read_long(data, at)
        if not 0 <= index < len(names):
            raise Malformed(f"symbol {index} of {len(names)}")
        return names[index], at

    return read


def _optional_reader(of: Reader, null: int) -> Reader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        branch, at = read_long(data, at)
        if branch == null:
            return None, at
        if branch != 1 - null:
            raise Malformed(f"branch {branch} of a union of two")
        return of(data, at)

    return read


def _blocks(data: bytes, at: int) -> tuple[int, int]:
    """Items in the block that begins here; every item takes a byte or more, so a false count ends at the data's end."""
    count, at = read_long(data, at)
    if count < 0:
        size, at = read_long(data, at)
        if size < 0:
            raise Malformed(f"a block of {size} bytes")
        count = -count
    return count, at


def _array_reader(item: Reader) -> Reader:
    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        values: list[Any] = []
        count, at = _blocks(data, at)
        while count:
            for _ in range(count):
                value, at = item(data, at)
                values.append(value)
            count, at = _blocks(data, at)
        return values, at

    return read


def _map_reader(item: Reader) -> Reader:
    def read(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        count, at = _blocks(data, at)
        while count:
            for _ in range(count):
                key, at = read_string(data, at)
                values[key], at = item(data, at)
            count, at = _blocks(data, at)
        return values, at

    return read


def _record_reader(fields: list[tuple[str, Reader]]) -> Reader:
    def read(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        record: dict[str, Any] = {}
        for name, item in fields:
            record[name], at = item(data, at)
        return record, at

    return read


# ---- writing ----------------------------------------------------------------------------------------------------


def varint(raw: int) -> bytes:
    """An unsigned number, seven bits to a byte, the lowest first."""
    out = bytearray()
    while raw > 127:
        out.append(raw & 127 | 128)
        raw >>= 7
    out.append(raw)
    return bytes(out)


def long_bytes(value: int) -> bytes:
    return varint((value << 1) ^ (value >> 63))


def writer(shape: Shape, path: str) -> Writer:
    """Appends one value of a shape; raises KeyError, TypeError or ValueError naming the path."""
    match shape:
        case Plain.BOOLEAN:
            return _boolean_writer(path)
        case Plain.INT:
            return _number_writer(INTS, path)
        case Plain.LONG | Plain.TIME:
            return _number_writer(LONGS, path)
        case Plain.STRING:
            return _string_writer(path)
        case Plain.BYTES:
            return _bytes_writer(path)
        case Symbols(names):
            return _symbol_writer(names, path)
        case Optional(of, null):
            return _optional_writer(writer(of, path), null)
        case Array(items):
            return _array_writer(writer(items, f"{path}[]"), path)
        case Map(values):
            return _map_writer(writer(values, f"{path}{{}}"), path)
        case Record():
            return _record_writer(shape, path)
    raise AssertionError(shape)


def _refusal(path: str, value: object, wanted: str) -> TypeError:
    return TypeError(f"{path}: {value!r} is no {wanted}")


def _boolean_writer(path: str) -> Writer:
    def write(value: Any, out: bytearray) -> None:
        if not isinstance(value, bool):
            raise _refusal(path, value, "boolean")
        out.append(value)

    return write


def _number_writer(allowed: range, path: str) -> Writer:
    def write(value: Any, out: bytearray) -> None:
        if not isinstance(value, int):
            raise _refusal(path, value, "whole number")
        if value not in allowed:
            raise ValueError(f"{path}: {value} does not fit")
        out += long_bytes(value)

    return write


def _string_writer(path: str) -> Writer:
    def write(value: Any, out: bytearray) -> None:
        if not isinstance(value, str):
            raise _refusal(path, value, "string")
        raw = value.encode()
        out += long_bytes(len(raw))
        out += raw

    return write


def _bytes_writer(path: str) -> Writer:
    def write(value: Any, out: bytearray) -> None:
        if not isinstance(value, bytes | bytearray):
            raise _refusal(path, value, "bytes")
        out += long_bytes(len(value))
        out += value

    return write


def _symbol_writer(names: tuple[str, ...], path: str) -> Writer:
    coded = {name: long_bytes(index) for index, name in enumerate(names)}

    def write(value: Any, out: bytearray) -> None:
        if not isinstance(value, str) or value not in coded:
            raise ValueError(f"{path}: {value!r} is none of {', '.join(names)}")
        out += coded[value]

    return write


def _optional_writer(of: Writer, null: int) -> Writer:
    absent, present = long_bytes(null), long_bytes(1 - null)

    def write(value: Any, out: bytearray) -> None:
        if value is None:
            out += absent
        else:
            out += present
            of(value, out)

    return write


def _array_writer(item: Writer, path: str) -> Writer:
    def write(value: Any, out: bytearray) -> None:
        if not isinstance(value, list | tuple):
            raise _refusal(path, value, "list")
        if value:
            out += long_bytes(len(value))
            for part in value:
                item(part, out)
        out.append(0)

    return write


def _map_writer(item: Writer, path: str) -> Writer:
    key = _string_writer(f"{path} key")

    def write(value: Any, out: bytearray) -> None:
        if not isinstance(value, Mapping):
            raise _refusal(path, value, "mapping")
        if value:
            out += long_bytes(len(value))
            for name, part in value.items():
                key(name, out)
                item(part, out)
        out.append(0)

    return write


def _record_writer(record: Record, path: str) -> Writer:
    fields = [(field.name, field.default, writer(field.shape, f"{path}.{field.name}")) for field in record.fields]

    def write(value: Any, out: bytearray) -> None:
        if not isinstance(value, Mapping):
            raise _refusal(path, value, "mapping")
        for name, default, item in fields:
            part = value.get(name, default)
            if part is REQUIRED:
                raise KeyError(f"{path}.{name} is missing")
            item(part, out)

    return write
