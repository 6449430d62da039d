"""Kafka topics: every message as received, with its place in the topic.

What: the topics in `.dlt/config.toml`, from where the warehouse ends to where the topic ends now. Alone: `python -m
ingestion --source stream`. Without brokers in `sources.stream.bootstrap_servers` there is nothing to load.

The warehouse itself says where to go on: after the highest offset it holds of each partition. So rows and position
cannot disagree, whatever was killed or restored, and messages delivered again merge on topic, partition and offset. The
offsets are committed to Kafka as well, after the load, for those who watch the lag there, and never read. A message
that is no text is kept with the reason; staging judges the rest, as it does with the lines of files.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import dlt
import pyarrow as pa
from dlt.common.configuration import with_config
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.sources import DltResource

from ingestion.errors import KindError
from ingestion.sources import Days
from ingestion.sources.copy import arrow_schema, quote
from ingestion.sources.lines import decoded
from ingestion.sources.shop import MERGE
from ingestion.warehouse import Warehouse

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition

DATASET = "raw_stream"
KEY = ["topic", "kafka_partition", "kafka_offset"]
TABLE_COLUMNS: TTableSchemaColumns = {
    "topic": {"name": "topic", "data_type": "text", "nullable": False},
    "kafka_partition": {"name": "kafka_partition", "data_type": "bigint", "nullable": False},
    "kafka_offset": {"name": "kafka_offset", "data_type": "bigint", "nullable": False},
    "produced_at": {"name": "produced_at", "data_type": "timestamp"},
    "record": {"name": "record", "data_type": "text"},
    "read_error": {"name": "read_error", "data_type": "text"},
}
CALL_SECONDS = 10
BATCH_MESSAGES = 20_000


def open_consumer(bootstrap_servers: str, group_id: str, options: dict[str, str]) -> "Consumer":
    """A consumer that commits nothing by itself."""
    try:
        from confluent_kafka import Consumer
    except ImportError:
        raise KindError(
            "Loading from Kafka needs one more package. Install it: uv pip install --group kafka."
        ) from None
    return Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group_id,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "log_level": 0,
            **options,
        }
    )


def partitions_of(consumer: "Consumer", topic: str) -> list["TopicPartition"]:
    """The partitions of a topic."""
    from confluent_kafka import KafkaException, TopicPartition

    try:
        found = consumer.list_topics(topic, timeout=CALL_SECONDS).topics[topic]
    except KafkaException as error:
        raise KindError(
            f"Kafka cannot be reached: {error.args[0].str()}. Start it, or correct SOURCES__STREAM__BOOTSTRAP_SERVERS."
        ) from error
    if found.error:
        raise KindError(f"Kafka has no topic {topic!r}: {found.error.str()}. Correct [sources.stream.topics].")
    return [TopicPartition(topic, number) for number in sorted(found.partitions)]


def first_wanted(partition: str, held: tuple[int, int] | None, low: int, high: int, accept_gaps: bool) -> int:
    """The offset to read from: after the last one held. Messages lost in between, or another topic, are errors."""
    if held is None:
        return low
    wanted = held[1] + 1
    if wanted > high:
        raise KindError(
            f"Kafka's {partition} ends before offset {high}, but {wanted} are loaded: it was made anew. Keep the old "
            "messages under another name (update the column topic in the warehouse) or drop them with --full-refresh."
        )
    if wanted < low and not accept_gaps:
        raise KindError(
            f"Kafka no longer has the messages {wanted} to {low - 1} of {partition}: they expired unread. "
            "To go on without them, set SOURCES__STREAM__ACCEPT_GAPS=true for one run."
        )
    return max(wanted, low)


def held_offsets(warehouse: Warehouse, table: str) -> dict[tuple[str, int], tuple[int, int]]:
    """The lowest and highest offset in the warehouse of each topic and partition."""
    if not warehouse.columns(f"{DATASET}.{table}"):
        return {}
    return {
        (topic, partition): (lowest, highest)
        for topic, partition, lowest, highest in warehouse.query(
            "select topic, kafka_partition, min(kafka_offset), max(kafka_offset) "
            f"from {DATASET}.{quote(table)} group by topic, kafka_partition"
        )
    }


def messages(
    consumer: "Consumer", partitions: list["TopicPartition"], ends: dict[int, int]
) -> Iterator[list["Message"]]:
    """Batches of messages up to the given end of each partition."""
    from confluent_kafka import KafkaError, KafkaException

    open_partitions = {part.partition for part in partitions if part.offset < ends[part.partition]}
    consumer.assign([part for part in partitions if part.partition in open_partitions])
    heard = time.monotonic()
    while open_partitions:
        batch = []
        for message in consumer.consume(BATCH_MESSAGES, timeout=1):
            heard = time.monotonic()
            number, error = message.partition(), message.error()
            if error and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            if not error and message.offset() < ends[number]:
                batch.append(message)
            # Offsets may be missing at the end, where Kafka itself made notes: then only this says so.
            if error or message.offset() >= ends[number] - 1:
                open_partitions.discard(number)
        if batch:
            yield batch
        elif time.monotonic() - heard > CALL_SECONDS * 3:
            raise KindError(f"Kafka sent nothing for {CALL_SECONDS * 3} seconds. Run again when it is well.")


def offsets_at(
    consumer: "Consumer", partitions: list["TopicPartition"], moment: datetime, ends: dict[int, int]
) -> dict[int, int]:
    """The first offset of each partition that was produced at a moment or later."""
    from confluent_kafka import TopicPartition

    milliseconds = int(moment.timestamp() * 1000)
    asked = [TopicPartition(part.topic, part.partition, milliseconds) for part in partitions]
    found = {part.partition: part.offset for part in consumer.offsets_for_times(asked, timeout=CALL_SECONDS)}
    return {number: found[number] if found[number] >= 0 else end for number, end in ends.items()}


def to_table(batch: list["Message"]) -> pa.Table:
    """Messages as rows."""
    rows = []
    for message in batch:
        _, produced = message.timestamp()
        value = message.value()
        line = decoded(message.offset(), value) if value is not None else None
        rows.append(
            (
                message.topic(),
                message.partition(),
                message.offset(),
                produced * 1000 if produced > 0 else None,
                line.record if line else None,
                line.error if line else "the message is empty",
            )
        )
    schema = arrow_schema(TABLE_COLUMNS)
    columns = zip(*rows, strict=True)
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


@dlt.source(name="stream", max_table_nesting=0)
def stream(
    warehouse: Warehouse,
    bootstrap_servers: str = dlt.config.value,
    topics: dict[str, str] = dlt.config.value,
    group_id: str = dlt.config.value,
    accept_gaps: bool = dlt.config.value,
    options: dict[str, str] | None = None,
    only: list[str] | None = None,
    full_refresh: bool = False,
    days: Days | None = None,
) -> Iterator[DltResource]:
    """The messages of every topic that the warehouse does not hold, or those of some days; `only` picks tables."""

    def new_messages(table: str, topic: str) -> Iterator[pa.Table]:
        # Also an empty table has its columns.
        yield arrow_schema(TABLE_COLUMNS).empty_table()
        if not bootstrap_servers:
            return
        consumer = open_consumer(bootstrap_servers, group_id, options or {})
        try:
            held = held_offsets(warehouse, table)
            partitions = partitions_of(consumer, topic)
            ends = {}
            for part in partitions:
                low, high = consumer.get_watermark_offsets(part, timeout=CALL_SECONDS, cached=False)
                name, before = f"{topic}/{part.partition}", held.get((topic, part.partition))
                if full_refresh:
                    check_nothing_is_lost(name, before, low)
                    before = None
                part.offset, ends[part.partition] = first_wanted(name, before, low, high, accept_gaps), high
            if days:
                begins = offsets_at(consumer, partitions, days.begin, ends)
                ends = offsets_at(consumer, partitions, days.end, ends)
                for part in partitions:
                    part.offset = begins[part.partition]
            for batch in messages(consumer, partitions, ends):
                yield to_table(batch)
        finally:
            consumer.close()

    for table, topic in topics.items():
        exists = warehouse.columns(f"{DATASET}.{table}")
        if (only is None or table in only) and (bootstrap_servers or not exists):
            yield dlt.resource(
                new_messages,
                name=table,
                columns=TABLE_COLUMNS,
                primary_key=KEY,
                write_disposition="replace" if full_refresh else MERGE,
            )(table, topic)


def check_nothing_is_lost(partition: str, held: tuple[int, int] | None, low: int) -> None:
    """Refuse to replace messages by fewer."""
    if held and held[0] < low:
        raise KindError(
            f"The warehouse holds messages of {partition} from offset {held[0]} on, Kafka only from {low} on: a full "
            "refresh would lose the difference. Leave --full-refresh away, or drop the table yourself first."
        )


def is_idle(warehouse: Warehouse) -> bool:
    """Whether there is no Kafka and its tables are there all the same, for the models that read them."""
    tables = (f"{DATASET}.{table}" for table in dlt.config["sources.stream.topics"])
    return not dlt.config["sources.stream.bootstrap_servers"] and all(map(warehouse.columns, tables))


@with_config(sections=("sources", "stream"))
def settle(
    warehouse: Warehouse,
    say: Callable[[str], None],
    bootstrap_servers: str = dlt.config.value,
    topics: dict[str, str] = dlt.config.value,
    group_id: str = dlt.config.value,
    options: dict[str, str] | None = None,
) -> None:
    """Commit to Kafka what the warehouse holds by now, and tell how far behind that is."""
    if not bootstrap_servers:
        return
    consumer = open_consumer(bootstrap_servers, group_id, options or {})
    try:
        for table, topic in topics.items():
            held = held_offsets(warehouse, table)
            behind = 0
            partitions = partitions_of(consumer, topic)
            for part in partitions:
                low, high = consumer.get_watermark_offsets(part, timeout=CALL_SECONDS, cached=False)
                part.offset = held[topic, part.partition][1] + 1 if (topic, part.partition) in held else low
                behind += max(high - part.offset, 0)
            consumer.commit(offsets=partitions, asynchronous=False)
            say(f"stream: {topic} is loaded, {behind:,} messages behind")
    finally:
        consumer.close()
