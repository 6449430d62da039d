"""dlt's Postgres destination, which copies CSV files and keeps empty texts apart from nulls."""

from dlt.common.destination.client import LoadJob, PreparedTableSchema
from dlt.common.storages.file_storage import FileStorage
from dlt.destinations import postgres
from dlt.destinations.impl.postgres.postgres import PostgresClient, PostgresCsvCopyJob


class ExactCsvCopyJob(PostgresCsvCopyJob):
    """Copies a file in which a text, also an empty one, has quotes, and a null has none; dlt makes nulls of both."""

    def run(self) -> None:
        """Copy the file in one transaction."""
        client = self._job_client.sql_client
        table = client.make_qualified_table_name(self.load_table_name)
        with FileStorage.open_zipsafe_ro(self._file_path, "rb") as file, client.begin_transaction():
            columns = file.readline().decode().strip()
            with client.native_connection.cursor() as cursor:
                cursor.copy_expert(f"copy {table} ({columns}) from stdin with (format csv)", file)


class ExactPostgresClient(PostgresClient):
    """Chooses that way for CSV files."""

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """The job that loads one file."""
        job = super().create_load_job(table, file_path, load_id, restore)
        return ExactCsvCopyJob(file_path) if isinstance(job, PostgresCsvCopyJob) else job


class ExactPostgres(postgres):
    """The destination."""

    @property
    def client_class(self) -> type[PostgresClient]:
        """The client that does the work."""
        return ExactPostgresClient
