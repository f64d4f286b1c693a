"""What the stand-in shop keeps: its quantities, answered keys, and what webhooks told it; in SQLite, through restarts."""

import sqlite3
from pathlib import Path
from typing import Any

import orjson

TABLES = """
create table if not exists inventory (sku text primary key, quantity integer not null);
create table if not exists answers (key text primary key, request blob not null, answer blob not null);
create table if not exists heard (channel text, sku text, revision integer, quantity integer, status text,
    effective integer, effective_at integer, primary key (channel, sku));
create table if not exists messages (id text primary key, times integer not null);
create table if not exists counts (name text primary key, value integer not null);
create table if not exists traces (parent text not null);
"""


class Books:
    """One shop's state. Each change is one SQLite transaction."""

    def __init__(self, path: str | Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript("pragma journal_mode = wal; pragma synchronous = normal;" + TABLES)

    def close(self) -> None:
        self._db.close()

    def count(self, name: str, by: int = 1) -> None:
        self._db.execute(
            "insert into counts values (?, ?) on conflict (name) do update set value = value + excluded.value",
            (name, by),
        )

    def note_trace(self, parent: str | None) -> None:
        """The trace that a request which was taken came in, if any."""
        if parent is not None:
            self._db.execute("insert into traces values (?)", (parent,))

    # ---- inventory ----------------------------------------------------------------------------------------------

    def quantity(self, sku: str) -> int:
        """What the shop has; it lists every SKU, of one never set it has none."""
        row = self._db.execute("select quantity from inventory where sku = ?", (sku,)).fetchone()
        return 0 if row is None else int(row[0])

    def put(self, sku: str, quantity: int) -> None:
        self._db.execute(
            "insert into inventory values (?, ?) on conflict (sku) do update set quantity = excluded.quantity",
            (sku, quantity),
        )

    def answered(self, key: str, request: bytes) -> bytes | None:
        """The answer a key was given; raise ValueError when it was about something else."""
        row = self._db.execute("select request, answer from answers where key = ?", (key,)).fetchone()
        if row is None:
            return None
        if row[0] != request:
            raise ValueError("this key was used for another request")
        self.count("answered again")
        return bytes(row[1])

    def set_items(self, key: str, request: bytes, items: list[dict[str, Any]], *, sale: bool) -> bytes:
        """Compare and set each item, and keep the answer under the key, all in one transaction."""
        with self._db:
            self._db.execute("begin immediate")
            if sale and (has := self.quantity(items[0]["sku"])) > 0:
                self.put(items[0]["sku"], has - 1)
                self.count("own sales")
            answer = orjson.dumps({"items": [self._set(item) for item in items]})
            self._db.execute("insert into answers values (?, ?, ?)", (key, request, answer))
        return answer

    def _set(self, item: dict[str, Any]) -> dict[str, Any]:
        has = self.quantity(item["sku"])
        if has != item["compare_quantity"]:
            self.count("mismatches")
            return {"sku": item["sku"], "outcome": "MISMATCH", "quantity": has}
        self.put(item["sku"], item["quantity"])
        self.count("set")
        return {"sku": item["sku"], "outcome": "OK", "quantity": item["quantity"]}

    # ---- webhooks -----------------------------------------------------------------------------------------------

    def hear(self, message: str, changes: list[dict[str, Any]]) -> list[str]:
        """Apply changes by revision, so that repeats do no harm; return the SKUs with a gap, which are not applied."""
        with self._db:
            self._db.execute("begin immediate")
            self._db.execute(
                "insert into messages values (?, 1) on conflict (id) do update set times = times + 1", (message,)
            )
            return [change["sku"] for change in changes if not self._apply(change)]

    def _apply(self, change: dict[str, Any]) -> bool:
        at = change["channel"], change["sku"]
        row = self._db.execute("select revision, effective_at from heard where channel = ? and sku = ?", at).fetchone()
        own, judged = row or (0, 0)
        if change["revision"] == own and change["effective_at"] >= judged:
            self._db.execute(
                "update heard set effective = ?, effective_at = ? where channel = ? and sku = ?",
                (change["effective"]["quantity"], change["effective_at"], *at),
            )
        if change["revision"] <= own:
            self.count("repeats")
            return True
        if change["previous_revision"] > own:
            self.count("gaps")
            return False
        self._db.execute(
            "insert or replace into heard values (?, ?, ?, ?, ?, ?, ?)",
            (
                *at,
                change["revision"],
                change["quantity"],
                change["status"],
                change["effective"]["quantity"],
                change["effective_at"],
            ),
        )
        self.count("applied")
        return True

    # ---- for comparisons ----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All of it."""
        heard: dict[str, dict[str, Any]] = {}
        for channel, sku, *known in self._db.execute("select * from heard"):
            names = "revision", "quantity", "status", "effective", "effective_at"
            heard.setdefault(channel, {})[sku] = dict(zip(names, known, strict=True))
        return {
            "inventory": dict(self._db.execute("select sku, quantity from inventory").fetchall()),
            "heard": heard,
            "messages": dict(self._db.execute("select id, times from messages").fetchall()),
            "counts": dict(self._db.execute("select name, value from counts").fetchall()),
            "traces": [parent for (parent,) in self._db.execute("select parent from traces")],
        }
