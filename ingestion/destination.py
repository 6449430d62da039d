"""dlt's own destinations, with jobs that take over whole files as Postgres wrote them, and keep every value exactly."""

import csv
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from typing import Any

import duckdb as duck
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import LoadJob, PreparedTableSchema
from dlt.common.storages.file_storage import FileStorage
from dlt.common.storages.load_package import ParsedLoadJobFileName
from dlt.destinations import duckdb, postgres
from dlt.destinations.exceptions import DatabaseException, DatabaseTerminalException
from dlt.destinations.impl.duckdb.duck import DuckDbClient, DuckDbCopyJob
from dlt.destinations.impl.postgres.postgres import PostgresClient, PostgresCsvCopyJob
from dlt.destinations.job_client_impl import ModelLoadJob

from ingestion.errors import KindError, first_line, reading_failed
from ingestion.sources.copy import EARLY, literal, quote
from ingestion.sources.fill import BUFFER_BYTES, TEXTS, attached, join, source_name
from ingestion.sources.snapshot import Snapshot

LOAD_ID = "_dlt_load_id"
# A longer line stops the load, here as in Arrow's reader.
LINE_BYTES = 32 << 20


def header(file_path: str) -> list[str]:
    """The columns of a CSV file."""
    with FileStorage.open_zipsafe_ro(file_path, "r", encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


@contextmanager
def one_thread(connection: duck.DuckDBPyConnection) -> Iterator[None]:
    """Let DuckDB use one thread: when one stream feeds them all, others wait by spinning, which costs as much again."""
    connection.execute("set threads = 1")
    try:
        yield
    finally:
        connection.execute("reset threads")


class ScanJob(ModelLoadJob):
    """A query of the shop that DuckDB runs by itself, in the snapshot in which all is read and in one transaction."""

    def run(self) -> None:
        """Read and load the table."""
        client, snapshot = self._job_client.sql_client, self._job_client.snapshot
        connection, source = client.native_connection, source_name(self.load_table_name)
        try:
            # The reader that the snapshot waits for.
            with (
                snapshot.reader(),
                one_thread(connection),
                attached(connection, snapshot.url, source),
                client.begin_transaction(),
            ):
                join(connection, source, snapshot)
                super().run()
        except (DatabaseException, duck.Error) as error:
            # In the middle of its answer DuckDB only says that it was interrupted.
            told = "the connection was lost" if "Interrupted" in str(error) else first_line(error)
            raise DatabaseTerminalException(KindError(reading_failed(told))) from error


class CsvReadJob(DuckDbCopyJob):
    """Reads a CSV file of COPY by the types that the table has, in one statement."""

    def __init__(self, file_path: str, load_id: str) -> None:
        super().__init__(file_path)
        self._load_id = load_id

    def run(self) -> None:
        """Load the file."""
        client, mapper = self._job_client.sql_client, self._job_client.type_mapper
        columns = self._load_table["columns"]
        types = {
            name: mapper.to_destination_type(columns[name], self._load_table)
            for name in header(self._file_path)
            if name != EARLY
        }
        with one_thread(client.native_connection):
            try:
                client.execute_sql(self.statement(types, as_text=()))
            except DatabaseException:
                times = [name for name, type_ in types.items() if type_.startswith(("TIMESTAMP", "DATE"))]
                client.execute_sql(self.statement(types, as_text=[*times, EARLY]))

    def statement(self, types: dict[str, str], as_text: Collection[str]) -> str:
        """What loads the file with columns of these types, some read as text and then cast."""
        read_as = {
            name: "VARCHAR" if name in as_text else type_
            for name, type_ in (types | {EARLY: "BIGINT"}).items()
            if name in header(self._file_path)
        }
        # What says BC is no number, so this fails; a column that nobody looks at would not be read.
        condition = f"where {EARLY} is null" if read_as.get(EARLY) == "BIGINT" else ""
        # DuckDB has another way of writing times before the year 1.
        values = (
            rf"regexp_replace({quote(name)}, '^(\S+)(.*) BC$', '\1 (BC)\2')::{type_}"
            if name in as_text
            else quote(name)
            for name, type_ in types.items()
        )
        options = f"""
            auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
            columns = {{{", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in read_as.items())}}},
            nullstr = ['', 'NaN'], allow_quoted_nulls = false, max_line_size = {LINE_BYTES}, buffer_size = {LINE_BYTES}
        """
        return (
            f"insert into {self._job_client.sql_client.make_qualified_table_name(self.load_table_name)} "
            f"({', '.join(map(quote, types))}, {quote(LOAD_ID)}) "
            f"select {', '.join(values)}, {literal(self._load_id)} "
            f"from read_csv({literal(self._file_path)}, {options}) {condition}"
        )


class ResolvedOnce:
    """Works out the settings of a destination once: dlt asks at every step, a quarter of a run without news."""

    @cached_property
    def _known(self) -> dict[Any, Any]:
        return {}

    def configuration(self, initial_config: Any, accept_partial: bool = False) -> Any:
        """The settings of a dataset."""
        settings = {name: value for name, value in (initial_config or {}).items() if name != "credentials"}
        key = f"{settings} {accept_partial}"
        if key not in self._known:
            self._known[key] = super().configuration(initial_config, accept_partial)
        return self._known[key]

    def capabilities(self, config: Any = None, naming: Any = None) -> DestinationCapabilitiesContext:
        """What the destination can do."""
        key = type(naming), getattr(naming, "max_length", None)
        if key not in self._known:
            self._known[key] = super().capabilities(config, naming)
        # A step may set some for itself.
        return copy(self._known[key])


class ExactDuckDBClient(DuckDbClient):
    """Chooses these ways for models and CSV files."""

    snapshot: Snapshot

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """The job that loads one file."""
        match ParsedLoadJobFileName.parse(file_path).file_format:
            case "model":
                return ScanJob(file_path)
            case "csv":
                return CsvReadJob(file_path, load_id)
        return super().create_load_job(table, file_path, load_id, restore)


class ExactDuckDB(ResolvedOnce, duckdb):
    """The destination; `snapshot` is the one in which it reads by itself."""

    snapshot: Snapshot | None = None

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        """What it can take."""
        capabilities = super()._raw_capabilities()
        capabilities.supported_loader_file_formats = [*capabilities.supported_loader_file_formats, "csv"]
        return capabilities

    @property
    def client_class(self) -> type[DuckDbClient]:
        """The client that does the work."""
        return ExactDuckDBClient

    def client(self, *arguments: Any, **options: Any) -> DuckDbClient:
        """A client that knows the snapshot."""
        client = super().client(*arguments, **options)
        client.snapshot = self.snapshot
        return client


class ExactCsvCopyJob(PostgresCsvCopyJob):
    """Copies a file in which a text, also an empty one, has quotes, and a null has none; dlt makes nulls of both."""

    def run(self) -> None:
        """Copy the file in one transaction."""
        client = self._job_client.sql_client
        table = client.make_qualified_table_name(self.load_table_name)
        copy = f"copy {table} ({', '.join(map(quote, header(self._file_path)))}) from stdin (format csv, header)"
        with FileStorage.open_zipsafe_ro(self._file_path, "rb") as file, client.begin_transaction():
            client.native_connection.cursor().copy_expert(copy, file, BUFFER_BYTES)


class FillJob(PostgresCsvCopyJob):
    """Copies a file of `Postgres.copy_out` into a table, which fills in the load that the shop does not know."""

    def __init__(self, file_path: str, load_id: str) -> None:
        super().__init__(file_path)
        self._load_id = load_id

    @classmethod
    def can_load(cls, file_path: str) -> bool:
        """Whether the file is one of these."""
        with FileStorage.open_zipsafe_ro(file_path, "rb") as file:
            return file.read(1) == b"{"

    def run(self) -> None:
        """Copy the file in one transaction."""
        client = self._job_client.sql_client
        table = client.make_qualified_table_name(self.load_table_name)
        default = f"alter table {table} alter {quote(LOAD_ID)}"
        with FileStorage.open_zipsafe_ro(self._file_path, "rb") as file, client.begin_transaction():
            types = json.loads(file.readline())
            names, options = ", ".join(map(quote, types)), ["format binary"]
            # From here on the table is locked.
            client.execute_sql(f"{default} set default {literal(self._load_id)}")
            target = table if self.fits(types, table) else self.table_like(types)
            if not client.execute_sql(f"select 1 from {target} limit 1"):
                # A table that is new to its transaction costs less: no log where the server keeps a minimal one, and
                # rows that are marked as seen by all from the beginning.
                client.execute_sql(f"truncate {target}")
                options.append("freeze")
            copy = f"copy {target} ({names}) from stdin ({', '.join(options)})"
            client.native_connection.cursor().copy_expert(copy, file, BUFFER_BYTES)
            if target != table:
                client.execute_sql(f"insert into {table} ({names}) select {names} from {target}")
            client.execute_sql(f"{default} drop default")

    def fits(self, types: dict[str, int], table: str) -> bool:
        """Whether the columns of a table have the types of the file, where all texts are alike."""
        held = dict(
            self._job_client.sql_client.execute_sql(
                "select attname, atttypid::bigint from pg_attribute where attrelid = %s::regclass", table
            )
        )
        return all(held[name] == type_ or {held[name], type_} <= set(TEXTS) for name, type_ in types.items())

    def table_like(self, types: dict[str, int]) -> str:
        """A table for this transaction with the types of the file: into an older one they must be cast."""
        client = self._job_client.sql_client
        columns = (
            f"{quote(name)} {client.execute_sql('select %s::regtype', type_)[0][0]}" for name, type_ in types.items()
        )
        client.execute_sql(f"create temporary table filled ({', '.join(columns)}) on commit drop")
        return "filled"


class ExactPostgresClient(PostgresClient):
    """Chooses that way for CSV files."""

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """The job that loads one file."""
        job = super().create_load_job(table, file_path, load_id, restore)
        if not isinstance(job, PostgresCsvCopyJob):
            return job
        return FillJob(file_path, load_id) if FillJob.can_load(file_path) else ExactCsvCopyJob(file_path)


class ExactPostgres(ResolvedOnce, postgres):
    """The destination."""

    @property
    def client_class(self) -> type[PostgresClient]:
        """The client that does the work."""
        return ExactPostgresClient
