"""What the stand-in ERP has taken: postings in the order they came, their totals, and stock; in SQLite, kept for ever."""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

ENTITY_SETS: Final[Mapping[str, str]] = {
    "GoodsReceipts": "goods_receipt",
    "Deliveries": "shipment_confirm",
    "PurchaseOrderConfirmations": "purchase_order_update",
    "StockAdjustments": "inventory_adjustment",
    "Invoices": "invoice_release",
    "Credits": "credit",
    "Backorders": "backorder",
}
NUMBERS: Final = {
    "goods_receipt": "GR", "shipment_confirm": "DL", "purchase_order_update": "PC", "inventory_adjustment": "SA",
    "invoice_release": "IV", "credit": "CR", "backorder": "BO",
}  # fmt: skip
STOCK_SIGN: Final = {"goods_receipt": 1, "shipment_confirm": -1, "credit": 1, "inventory_adjustment": 1}
ABSOLUTE: Final = frozenset({"purchase_order_update", "backorder"})
COLUMNS: Final = {
    "IdempotencyKey": "key", "Document": "document", "Step": "step", "DocumentNumber": "number", "Sku": "sku",
    "Location": "location", "Disposition": "disposition",
}  # fmt: skip
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS postings (seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, document TEXT NOT NULL,
    operation TEXT NOT NULL, step TEXT NOT NULL, revision INTEGER NOT NULL, number TEXT NOT NULL, body BLOB NOT NULL,
    answer BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS postings_key ON postings (key);
CREATE INDEX IF NOT EXISTS postings_document ON postings (document);
CREATE TABLE IF NOT EXISTS totals (document TEXT, operation TEXT, line TEXT, sku TEXT, location TEXT, disposition TEXT,
    quantity INTEGER NOT NULL, PRIMARY KEY (document, operation, line, sku, location, disposition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stock (sku TEXT, location TEXT, disposition TEXT, quantity INTEGER NOT NULL,
    PRIMARY KEY (sku, location, disposition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS duplicates (key TEXT PRIMARY KEY, times INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS disorder (key TEXT, what TEXT);
CREATE TABLE IF NOT EXISTS traces (key TEXT PRIMARY KEY, parent TEXT NOT NULL) WITHOUT ROWID;
"""


class Rules(Protocol):
    """Rules that are in force on request."""

    @property
    def invoice_needs_delivery(self) -> bool: ...


class Ledger:
    """One SQLite file; each posting is one transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # survives the death of the process, which is what is tried
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    # ---- taking -------------------------------------------------------------------------------------------------

    def existing(self, key: str) -> dict[str, Any] | None:
        """The answer once given under this key."""
        row = self._db.execute("SELECT answer FROM postings WHERE key = ? ORDER BY seq LIMIT 1", (key,)).fetchone()
        return None if row is None else dict(orjson.loads(row[0]))

    def count_duplicate(self, key: str) -> None:
        self._db.execute(
            "INSERT INTO duplicates VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET times = times + 1", (key,)
        )

    def objection(self, operation: str, posting: Mapping[str, Any], rules: Rules) -> tuple[str, str] | None:
        """A business rule that the posting breaks."""
        if operation == "invoice_release" and rules.invoice_needs_delivery:
            wanted = sum(line["Quantity"] for line in posting["Lines"])
            invoiced, delivered = (
                self._sum(posting["Document"], each) for each in ("invoice_release", "shipment_confirm")
            )
            if invoiced + wanted > delivered:
                return "NOT_DELIVERED", f"{invoiced} of {delivered} delivered are invoiced; {wanted} more are too many"
        return None

    def take(self, key: str, operation: str, posting: Mapping[str, Any]) -> dict[str, Any]:
        """Post it; the answer is kept with it."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            self._check_order(key, posting)
            self._add(operation, posting)
            (seq,) = db.execute("SELECT coalesce(max(seq), 0) + 1 FROM postings").fetchone()
            answer = {
                "DocumentNumber": f"{NUMBERS[operation]}-{seq:08d}",
                "Status": "POSTED",
                "IdempotencyKey": key,
                "Document": posting["Document"],
                "Sequence": self._count(posting["Document"]) + 1,
                "Totals": self._totals(posting["Document"], operation),
            }
            db.execute(
                "INSERT INTO postings (key, document, operation, step, revision, number, body, answer) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key, posting["Document"], operation, posting["Step"], posting["Revision"],
                    answer["DocumentNumber"], orjson.dumps(posting), orjson.dumps(answer),
                ),
            )  # fmt: skip
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        return answer

    def note_trace(self, key: str, parent: str) -> None:
        """The trace that the posting under this key came in."""
        self._db.execute("INSERT OR REPLACE INTO traces VALUES (?, ?)", (key, parent))

    def _check_order(self, key: str, posting: Mapping[str, Any]) -> None:
        """Write down a revision that does not rise within its step."""
        (last,) = self._db.execute(
            "SELECT max(revision) FROM postings WHERE document = ? AND step = ?", (posting["Document"], posting["Step"])
        ).fetchone()
        if last is not None and posting["Revision"] <= last:
            self._db.execute(
                "INSERT INTO disorder VALUES (?, ?)", (key, f"revision {posting['Revision']} after {last}")
            )

    def _add(self, operation: str, posting: Mapping[str, Any]) -> None:
        document = posting["Document"]
        if operation in ABSOLUTE:
            self._db.execute("DELETE FROM totals WHERE document = ? AND operation = ?", (document, operation))
        for line in posting["Lines"]:
            place = line["Sku"], line["Location"], line["Disposition"]
            self._db.execute(
                "INSERT INTO totals VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET quantity = quantity + excluded.quantity",
                (document, operation, line["Line"], *place, line["Quantity"]),
            )
            if sign := STOCK_SIGN.get(operation, 0):
                self._db.execute(
                    "INSERT INTO stock VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
                    "SET quantity = quantity + excluded.quantity",
                    (*place, sign * line["Quantity"]),
                )

    # ---- answering ----------------------------------------------------------------------------------------------

    def rows(self, entity_set: str, conditions: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        """Rows of a set that meet all conditions; raise KeyError naming an unknown field."""
        where = " AND ".join(
            f"{COLUMNS[name]} IN ({','.join('?' * len(values))})" for name, values in conditions.items()
        )
        values = [value for some in conditions.values() for value in some]
        if entity_set == "Stock":
            found = self._db.execute(f"SELECT * FROM stock WHERE {where or '1'}", values)  # noqa: S608 - our own columns
            return [dict(zip(("Sku", "Location", "Disposition", "Quantity"), row, strict=True)) for row in found]
        if entity_set in ENTITY_SETS:
            where, values = f"operation = ?{' AND ' + where if where else ''}", [ENTITY_SETS[entity_set], *values]
        found = self._db.execute(
            f"SELECT answer, body FROM postings WHERE {where or '1'} ORDER BY seq",  # noqa: S608 - our own columns
            values,
        )
        return [{**orjson.loads(body), **orjson.loads(answer)} for answer, body in found]

    def count(self) -> int:
        """How many postings it has taken."""
        (found,) = self._db.execute("SELECT count(*) FROM postings").fetchone()
        return int(found)

    def state(self) -> dict[str, Any]:
        """All of it: keys by document in the order taken, stock, totals, and what was attempted twice or out of order."""
        documents: dict[str, list[str]] = defaultdict(list)
        for document, key in self._db.execute("SELECT document, key FROM postings ORDER BY seq"):
            documents[document].append(key)
        stock = self._db.execute("SELECT sku, location, disposition, quantity FROM stock ORDER BY 1, 2, 3")
        totals: dict[str, dict[str, int]] = defaultdict(dict)
        for document, operation, line, sku, location, disposition, quantity in self._db.execute("SELECT * FROM totals"):
            totals[document][f"{operation}|{line}|{sku}|{location}|{disposition}"] = quantity
        return {
            "postings": sum(map(len, documents.values())),
            "documents": documents,
            "stock": {f"{sku}|{location}|{disposition}": quantity for sku, location, disposition, quantity in stock},
            "totals": totals,
            "duplicates_attempted": dict(self._db.execute("SELECT key, times FROM duplicates").fetchall()),
            "out_of_order": dict(self._db.execute("SELECT key, what FROM disorder").fetchall()),
            "traces": dict(self._db.execute("SELECT key, parent FROM traces").fetchall()),
        }

    def _sum(self, document: str, operation: str) -> int:
        (found,) = self._db.execute(
            "SELECT coalesce(sum(quantity), 0) FROM totals WHERE document = ? AND operation = ?", (document, operation)
        ).fetchone()
        return int(found)

    def _count(self, document: str) -> int:
        (found,) = self._db.execute("SELECT count(*) FROM postings WHERE document = ?", (document,)).fetchone()
        return int(found)

    def _totals(self, document: str, operation: str) -> list[dict[str, Any]]:
        found = self._db.execute(
            "SELECT line, sku, location, disposition, quantity FROM totals WHERE document = ? AND operation = ?",
            (document, operation),
        )
        names = "Line", "Sku", "Location", "Disposition", "Quantity"
        return [dict(zip(names, row, strict=True)) for row in found]
