"""A record's encoder and decoder as Python source made from its schema: straight-line code for what is usual.

What is unusual (long strings, blocks, missing fields, damage) leaves by any exception for the strict codec of
`schemas.binary`; the generated code only ever has to be right when it succeeds.
"""

import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from schemas.binary import (
    INTS,
    LONGS,
    Malformed,
    long_bytes,
    read_int,
    read_long,
    read_whole,
    reader,
    varint,
    writer,
)
from schemas.shapes import Array, Field, Map, Optional, Plain, Record, Shape, Symbols

Encoder = Callable[[Mapping[str, Any]], bytes]
Decoder = Callable[[bytes], Any]

HEADER_SIZE: Final = 5
_LEAVE: Final = (
    "    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError, error):\n        pass"
)

# ---- numbers ----------------------------------------------------------------------------------------------------
# Encoders build text whose characters are bytes (latin-1): joining text and encoding it once is cheaper than encoding
# every string. Times split into 13 low bits and the rest, which changes every eight seconds and so repeats.

_LEAST, _ABOVE = -8_192, 32_768  # to 32 768 for dates, which are days since 1970
_NUMBERS: Final = [long_bytes(n).decode("latin-1") for n in (*range(_ABOVE), *range(_LEAST, 0))]
"""By number, a negative one by Python's index from the end."""
_LENGTHS: Final = _NUMBERS[:8_192]
_LOW_BITS: Final = 13
_LOW: Final = [bytes((n << 1 & 127 | 128, n >> 6 | 128)).decode("latin-1") for n in range(1 << _LOW_BITS)]
_LOW_READ: Final[list[int | None]] = [None] * (1 << 16)
for _number, _text in enumerate(_LOW):
    _LOW_READ[int.from_bytes(_text.encode("latin-1"), "little")] = _number
_MOST_REMEMBERED: Final = 4_096


class _HighWritten(dict[int, str]):
    """The bytes of a time above its low bits."""

    def __missing__(self, high: int) -> str:
        if not 0 < high <= LONGS[-1] >> _LOW_BITS:
            raise OverflowError(high)
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        text = self[high] = varint(high).decode("latin-1")
        return text


class _HighRead(dict[int, int]):
    """The four bytes of a time after its low bits, as one little-endian number, to what they stand for."""

    def __missing__(self, raw: int) -> int:
        if raw & 0x80808080 != 0x00808080:
            raise Malformed(raw)
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        high = raw & 127 | raw >> 1 & 127 << 7 | raw >> 2 & 127 << 14 | raw >> 3 & 127 << 21
        value = self[raw] = high << _LOW_BITS
        return value


def _wide_long(value: int) -> str:
    if not isinstance(value, int) or value not in LONGS:
        raise OverflowError(value)
    return long_bytes(value).decode("latin-1")


def _wide_int(value: int) -> str:
    if not isinstance(value, int) or value not in INTS:
        raise OverflowError(value)
    return long_bytes(value).decode("latin-1")


def _utf8(text: str) -> str:
    return text.encode().decode("latin-1")


def _utf8_string(text: str) -> str:
    text = text.encode().decode("latin-1")
    return _LENGTHS[len(text)] + text


@cache
def _present_lengths(null: int) -> list[str]:
    """The branch of a nullable string that is there, and its length."""
    return [chr(2 - 2 * null) + length for length in _LENGTHS]


# ---- source -----------------------------------------------------------------------------------------------------


class _Source:
    """Lines of one function, and fresh names for it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}
        self._depth = 2
        self._names = 0

    def put(self, *lines: str) -> None:
        self.lines += [f"{'    ' * self._depth}{line}" for line in lines]

    def name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def constant(self, prefix: str, value: Any) -> str:
        name = self.name(prefix)
        self.constants[name] = value
        return name

    def open(self, line: str) -> None:
        self.put(line)
        self._depth += 1

    def close(self) -> None:
        self._depth -= 1

    def compile(self, head: str, end: str, title: str, names: Mapping[str, Any]) -> Any:
        text = "\n".join((head, "    try:", *self.lines, _LEAVE, end))
        namespace = {**names, **self.constants}
        exec(compile(text, f"<generated {title}>", "exec"), namespace)  # noqa: S102 - made from our own schemas
        return namespace["generated"]


def _joined(parts: list[str]) -> str:
    return " + ".join(parts) if len(parts) <= 2 else f'"".join(({", ".join(parts)}))'


# ---- encoder ----------------------------------------------------------------------------------------------------


def encoder(record: Record, header: bytes) -> Encoder:
    """Encodes a record after a header; raises KeyError, TypeError or ValueError for what is none."""
    strictly = writer(record, record.name)

    def carefully(value: Mapping[str, Any]) -> bytes:
        out = bytearray(header)
        strictly(value, out)
        return bytes(out)

    source = _Source()
    parts = _write_record(source, record, "record", [source.constant("head", header.decode("latin-1"))])
    source.put(f'return "".join(({", ".join(parts)})).encode("latin-1")')
    generated: Encoder = source.compile(
        "def generated(record):", "    return carefully(record)", f"{record.name} encoder",
        {
            "carefully": carefully, "error": struct.error, "numbers": _NUMBERS, "lengths": _LENGTHS, "low": _LOW,
            "high": _HighWritten(), "wide_long": _wide_long, "wide_int": _wide_int, "utf8": _utf8,
            "utf8_string": _utf8_string,
        },
    )  # fmt: skip
    return generated


def _write_record(source: _Source, record: Record, value: str, first: list[str]) -> list[str]:
    """Take a record apart and check its strings; the expressions of its parts."""
    parts, strings = list(first), list[str]()
    _write_fields(source, record, value, parts, strings)
    if strings:
        # A join refuses whatever is no string, and tells at once whether all of them are their own UTF-8.
        whole = strings[0] if len(strings) == 1 else f'"".join(({", ".join(strings)}))'
        source.open(f"if not {whole}.isascii():")
        source.put(*(f"{name} = utf8({name})" for name in strings))
        source.close()
    return parts


def _write_fields(source: _Source, record: Record, value: str, parts: list[str], strings: list[str]) -> None:
    for field in record.fields:
        name = source.name("v")
        source.put(f"{name} = {value}[{field.name!r}]")
        if field.shape is Plain.STRING:
            strings.append(name)
            parts += [f"lengths[len({name})]", name]
        elif isinstance(field.shape, Record):
            _write_fields(source, field.shape, name, parts, strings)
        else:
            parts += _write(source, field.shape, name)


def _write(source: _Source, shape: Shape, name: str) -> list[str]:
    """The expressions of a value that stands alone, any checks put before them."""
    match shape:
        case Plain.STRING:
            return [f"(lengths[len({name})] + {name} if {name}.isascii() else utf8_string({name}))"]
        case Plain.TIME:
            return [f"low[{name} & {(1 << _LOW_BITS) - 1}]", f"high[{name} >> {_LOW_BITS}]"]
        case Plain.LONG | Plain.INT:
            wide = f"wide_{shape.name.lower()}({name})"
            return [f"(numbers[{name}] if {_LEAST} <= {name} < {_ABOVE} else {wide})"]
        case Plain.BOOLEAN:
            return [f'("\\1" if {name} is True else "\\0" if {name} is False else lengths[None])']
        case Plain.BYTES:
            return [f"wide_long(len({name}))", f'{name}.decode("latin-1")']
        case Symbols(names):
            coded = {symbol: long_bytes(index).decode("latin-1") for index, symbol in enumerate(names)}
            return [f"{source.constant('symbols', coded)}[{name}]"]
        case Record():
            return _write_record(source, shape, name, [])
        case Optional():
            return _write_optional(source, shape, name)
        case Array() | Map():
            return _write_many(source, shape, name)
    raise AssertionError(shape)


def _write_optional(source: _Source, shape: Optional, name: str) -> list[str]:
    absent, present = ('"\\0"', '"\\2"') if shape.null == 0 else ('"\\2"', '"\\0"')
    if shape.of is Plain.STRING:
        some = f"some{shape.null}"
        source.constants[some] = _present_lengths(shape.null)
        other = f"{present} + utf8_string({name})"
        return [f"({absent} if {name} is None else {some}[len({name})] + {name} if {name}.isascii() else {other})"]
    result = source.name("p")
    source.open(f"if {name} is None:")
    source.put(f"{result} = {absent}")
    source.close()
    source.open("else:")
    source.put(f"{result} = {_joined([present, *_write(source, shape.of, name)])}")
    source.close()
    return [result]


def _write_many(source: _Source, shape: Array | Map, name: str) -> list[str]:
    result, item, key = source.name("p"), source.name("v"), source.name("k")
    kind = "list" if isinstance(shape, Array) else "dict"
    source.open(f"if type({name}) is not {kind}:")
    source.put("raise TypeError")
    source.close()
    source.open(f"if {name}:")
    source.put(f"{result} = lengths[len({name})]")
    if isinstance(shape, Array):
        source.open(f"for {item} in {name}:")
        parts = _write(source, shape.items, item)
    else:
        source.open(f"for {key}, {item} in {name}.items():")
        parts = [*_write(source, Plain.STRING, key), *_write(source, shape.values, item)]
    source.put(f"{result} += {_joined(parts)}")
    source.close()
    source.put(f'{result} += "\\0"')
    source.close()
    source.open("else:")
    source.put(f'{result} = "\\0"')
    source.close()
    return [result]


# ---- decoder ----------------------------------------------------------------------------------------------------
# A slice may reach beyond the data without an error. That is found at the end: an index never falls, every slice ends
# at the index that follows it, so after one that reached too far the last index is not the data's length.


def decoder(record: Record) -> Decoder:
    """Decodes the record that follows the header; raises Malformed."""
    strictly = reader(record)

    def carefully(data: bytes) -> Any:
        return read_whole(strictly, data, HEADER_SIZE)

    source = _Source()
    source.put('t = b.decode("latin-1")', f"i = {HEADER_SIZE}")
    generation = _Reading(source)
    at, fields = generation.record(record, ("i", 0), straight=True)
    source.open(f"if {_sum(at)} == len(b):")
    strings = generation.strings
    if strings:
        whole = strings[0] if len(strings) == 1 else f'"".join(({", ".join(strings)}))'
        source.open(f"if not {whole}.isascii():")
        source.put(*(f'{name} = {name}.encode("latin-1").decode()' for name in strings))
        source.close()
    source.put(f"return {fields}")
    source.close()
    generated: Decoder = source.compile(
        "def generated(b):", "    return carefully(b)", f"{record.name} decoder",
        {
            "carefully": carefully, "error": struct.error, "low": _LOW_READ, "high": _HighRead(),
            "read_long": read_long, "read_int": read_int,
            "small": [(n >> 1) ^ -(n & 1) for n in range(128)],
        },
    )  # fmt: skip
    return generated


At = tuple[str, int]
"""A place in the data: a variable and what to add to it."""


def _sum(at: At) -> str:
    return f"{at[0]} + {at[1]}" if at[1] else at[0]


class _Reading:
    """Emits the decoding of one record. `straight` code always runs, so its strings can be checked all at once."""

    def __init__(self, source: _Source) -> None:
        self.source = source
        self.strings: list[str] = []

    def record(self, record: Record, at: At, *, straight: bool) -> tuple[At, str]:
        """Emit the fields; the place after them and the expression of the record."""
        values: list[str] = []
        todo = list(record.fields)
        while todo:
            if isinstance(todo[0].shape, Plain) and todo[0].shape is Plain.TIME:
                times = _run(todo, lambda field: field.shape is Plain.TIME)
                at = self._times(times, at, values)
                del todo[: len(times)]
                continue
            nullable = _run(todo, lambda field: isinstance(field.shape, Optional))
            if len(nullable) >= 2:
                at = self._nullable(nullable, at, values)
                del todo[: len(nullable)]
                continue
            at, value = self.value(todo.pop(0).shape, at, straight=straight)
            values.append(value)
        pairs = zip(record.fields, values, strict=True)
        return at, "{" + ", ".join(f"{field.name!r}: {value}" for field, value in pairs) + "}"

    def _times(self, fields: list[Field], at: At, values: list[str]) -> At:
        """Times one after the other, six bytes each as from 2004 to 2039."""
        unpack = self.source.constant("unpack", struct.Struct("<" + "HI" * len(fields)).unpack_from)
        names = [(self.source.name("a"), self.source.name("b")) for _ in fields]
        self.source.put(f"{', '.join(f'{low}, {high}' for low, high in names)} = {unpack}(b, {_sum(at)})")
        values += [f"low[{low}] + high[{high}]" for low, high in names]
        return at[0], at[1] + 6 * len(fields)

    def _nullable(self, fields: list[Field], at: At, values: list[str]) -> At:
        """Nullable fields one after the other: often all of them, or the last of them, are null."""
        source = self.source
        names, end = [source.name("v") for _ in fields], source.name("i")
        nulls = bytes(2 * field.shape.null for field in fields if isinstance(field.shape, Optional))
        values += names
        source.open(f"if b[{_sum(at)}:{_sum((at[0], at[1] + len(fields)))}] == {nulls!r}:")
        source.put(f"{' = '.join(names)} = None", f"{end} = {_sum((at[0], at[1] + len(fields)))}")
        source.close()
        source.open("else:")
        alone = len(fields) if len(fields) < 5 else len(fields) - 3
        for field, name in zip(fields[:alone], names, strict=False):
            at, value = self.value(field.shape, at, straight=False)
            source.put(f"{name} = {value}")
        if alone < len(fields):
            rest: list[str] = []
            at = self._nullable(fields[alone:], at, rest)
            source.put(*(f"{name} = {value}" for name, value in zip(names[alone:], rest, strict=True)))
        source.put(f"{end} = {_sum(at)}")
        source.close()
        return end, 0

    def value(self, shape: Shape, at: At, *, straight: bool) -> tuple[At, str]:
        """Emit one value; the place after it and its expression."""
        source = self.source
        match shape:
            case Record():
                return self.record(shape, at, straight=straight)
            case Plain.STRING:
                return self._string(at, straight=straight)
            case Plain.TIME:
                values: list[str] = []
                at = self._times([Field("", Plain.TIME, None)], at, values)
                return at, values[0]
            case Plain.INT | Plain.LONG:
                return self._number(at, f"read_{shape.name.lower()}")
            case Plain.BOOLEAN:
                return (at[0], at[1] + 1), f"{source.constant('truth', {0: False, 1: True})}[b[{_sum(at)}]]"
            case Plain.BYTES:
                size, start, end, name = source.name("n"), source.name("i"), source.name("i"), source.name("v")
                source.put(f"{size}, {start} = read_long(b, {_sum(at)})")
                source.open(f"if {size} < 0:")
                source.put("raise ValueError")
                source.close()
                source.put(f"{end} = {start} + {size}", f"{name} = b[{start}:{end}]")
                return (end, 0), name
            case Symbols(names):
                coded = {2 * index: symbol for index, symbol in enumerate(names[:64])}
                return (at[0], at[1] + 1), f"{source.constant('symbols', coded)}[b[{_sum(at)}]]"
            case Optional():
                return self._optional(shape, at)
            case Array() | Map():
                return self._many(shape, at)
        raise AssertionError(shape)

    def _string(self, at: At, *, straight: bool) -> tuple[At, str]:
        """A string of up to 63 bytes: the table gives where it ends, and None for any other first byte."""
        source = self.source
        name, end = source.name("v"), source.name("i")
        ends = f"ends{at[1]}"
        source.constants[ends] = [at[1] + 1 + n // 2 if n < 128 and not n & 1 else None for n in range(256)]
        source.put(f"{end} = {at[0]} + {ends}[b[{_sum(at)}]]", f"{name} = t[{at[0]} + {at[1] + 1}:{end}]")
        if straight:
            self.strings.append(name)
        else:
            source.open(f"if not {name}.isascii():")
            source.put(f'{name} = {name}.encode("latin-1").decode()')
            source.close()
        return (end, 0), name

    def _number(self, at: At, read: str) -> tuple[At, str]:
        source = self.source
        name, end, first, second = source.name("v"), source.name("i"), source.name("n"), source.name("m")
        source.put(f"{first} = b[{_sum(at)}]")
        source.open(f"if {first} < 128:")
        source.put(f"{name} = small[{first}]", f"{end} = {_sum((at[0], at[1] + 1))}")
        source.close()
        source.open(f"elif ({second} := b[{_sum((at[0], at[1] + 1))}]) < 128:")
        source.put(f"{name} = ({first} & 126 | {second} << 7) >> 1 ^ -({first} & 1)")
        source.put(f"{end} = {_sum((at[0], at[1] + 2))}")
        source.close()
        source.open("else:")
        source.put(f"{name}, {end} = {read}(b, {_sum(at)})")
        source.close()
        return (end, 0), name

    def _optional(self, shape: Optional, at: At) -> tuple[At, str]:
        source = self.source
        name, end, branch = source.name("v"), source.name("i"), source.name("n")
        source.put(f"{branch} = b[{_sum(at)}]")
        source.open(f"if {branch} == {2 * shape.null}:")
        source.put(f"{name} = None", f"{end} = {_sum((at[0], at[1] + 1))}")
        source.close()
        source.open(f"elif {branch} == {2 - 2 * shape.null}:")
        after, value = self.value(shape.of, (at[0], at[1] + 1), straight=False)
        source.put(f"{name} = {value}", f"{end} = {_sum(after)}")
        source.close()
        source.open("else:")
        source.put("raise ValueError")
        source.close()
        return (end, 0), name

    def _many(self, shape: Array | Map, at: At) -> tuple[At, str]:
        """One block of up to 63 items, as every writer known to us makes it."""
        source = self.source
        name, end, count = source.name("v"), source.name("i"), source.name("n")
        source.put(f"{count} = b[{_sum(at)}]", f"{name} = {'[]' if isinstance(shape, Array) else '{}'}")
        source.put(f"{end} = {_sum((at[0], at[1] + 1))}")
        source.open(f"if {count}:")
        source.open(f"if {count} & 129:")
        source.put("raise ValueError")
        source.close()
        source.open(f"for _ in range({count} >> 1):")
        if isinstance(shape, Array):
            after, value = self.value(shape.items, (end, 0), straight=False)
            source.put(f"{name}.append({value})")
        else:
            after, key = self._string((end, 0), straight=False)
            after, value = self.value(shape.values, after, straight=False)
            source.put(f"{name}[{key}] = {value}")
        source.put(f"{end} = {_sum(after)}")
        source.close()
        source.open(f"if b[{end}]:")
        source.put("raise ValueError")
        source.close()
        source.put(f"{end} += 1")
        source.close()
        return (end, 0), name


def _run(fields: list[Field], wanted: Callable[[Field], bool]) -> list[Field]:
    """The fields at the front that are wanted."""
    count = next((n for n, field in enumerate(fields) if not wanted(field)), len(fields))
    return fields[:count]
