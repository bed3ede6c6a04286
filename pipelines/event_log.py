"""Dagster's SQLite event log with connections that stay open.

Dagster opens and closes one per event, and closing SQLite's last connection folds the log into the file and waits for
the disk. A night reports a thousand checks: that took most of its time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event

#: Files kept open: the index, the run that is being written, and some that people look at.
MOST_OPEN = 8


class EventLogStorage(SqliteEventLogStorage):
    """The same files and tables as Dagster's own storage, which can take over at any time."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Any:
        """Called by Dagster with the configuration in dagster.yaml."""
        return cls(inst_data=inst_data, **config_value)

    @cached_property
    def _engines(self) -> OrderedDict[str, Engine]:
        return OrderedDict()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engines.pop(shard, None) or self._new_engine(shard)
            self._engines[shard] = engine
            while len(self._engines) > MOST_OPEN:
                self._engines.popitem(last=False)[1].dispose()
            with engine.begin() as connection:
                yield connection

    def _new_engine(self, shard: str) -> Engine:
        engine = create_engine(
            self.conn_string_for_shard(shard),
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
        )
        # In WAL mode this can lose the last events of a power cut, never the file.
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = NORMAL"))
        self._initdb(engine)
        self._initialized_dbs.add(shard)
        return engine
