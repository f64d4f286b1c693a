"""Which order line a scan belongs to."""

from tables.held import spread

ORDER = {
    "lines": [
        ["1", "A", "W1", 4, None, "OPEN", 4],
        ["2", "A", None, 5, None, "OPEN", 5],
        ["3", "B", "W1", 6, None, "OPEN", 6],
    ]
}


def test_a_named_line_gets_its_scan_whatever_was_scanned():
    """The warehouse said which."""
    assert spread(ORDER, {"A|W2||3": 2}).by_line == {"1": 0, "2": 0, "3": 2}


def test_an_unnamed_scan_fills_the_lines_of_its_sku_where_they_ship_from():
    """Named scans first, then by place, up to the allocation; the surplus goes to the last."""
    assert spread(ORDER, {"A|W1||1": 3, "A|W1||": 2}).by_line == {"1": 4, "2": 1, "3": 0}
    assert spread(ORDER, {"A|W2||": 9}).by_line == {"1": 0, "2": 9, "3": 0}
    assert spread(ORDER, {"A|W1||": 20}).by_line == {"1": 4, "2": 16, "3": 0}


def test_a_scan_no_line_can_take_is_a_stray():
    """By line where one was named, else by SKU."""
    scanned = spread(ORDER, {"A|W1||9": 1, "X|W1||": 2, "B|W2||": 3})

    assert scanned.strays == {"9": 1, "X": 2, "B": 3}
    assert not any(scanned.by_line.values())
    assert scanned.places == {"A|W1||": 1, "X|W1||": 2, "B|W2||": 3}


def test_a_scan_keeps_its_place_on_the_line_it_is_given_to():
    """For the ERP: what left where, of which line, in which disposition."""
    assert spread(ORDER, {"A|W1||1": 3, "A|W1||": 2, "A|W1|damaged|": 1}).places == {
        "A|W1||1": 4,
        "A|W1||2": 1,
        "A|W1|damaged|2": 1,
    }
