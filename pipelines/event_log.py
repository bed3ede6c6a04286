"""Dagster's SQLite event log with connections that stay open.

Dagster opens and closes one per event, and closing SQLite's last connection folds the log into the file and waits for
the disk. A night reports a thousand checks: that took most of its time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from dagster import DagsterEventType
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event, func, select

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

    def newest_runs(self) -> set[str]:
        """Runs that say last what an asset or a check came to; without them the UI would know nothing of it."""
        events, checks = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
        made = events.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value
        last_made = select(func.max(events.id)).where(made).group_by(events.asset_key)
        last_checked = select(func.max(checks.id)).group_by(checks.asset_key, checks.check_name)
        with self.index_connection() as connection:
            of_assets = connection.execute(select(events.run_id).where(events.id.in_(last_made)))
            of_checks = connection.execute(select(checks.run_id).where(checks.id.in_(last_checked)))
            return {run_id for (run_id,) in (*of_assets, *of_checks)}

    def forget(self, run_ids: Sequence[str]) -> None:
        """Remove all that is known of runs, with their files.

        Dagster's own `delete_events` leaves a file of the same size and the results of checks.
        """
        with self.index_connection() as connection:
            for run_id in run_ids:
                self.delete_events_for_run(connection, run_id)
            connection.execute(
                AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id.in_(run_ids))
            )
        for run_id in run_ids:
            with self._db_lock:
                if engine := self._engines.pop(run_id, None):
                    engine.dispose()
                self._initialized_dbs.discard(run_id)
            for path in Path(self._base_dir).glob(f"{run_id}.db*"):
                path.unlink(missing_ok=True)

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
