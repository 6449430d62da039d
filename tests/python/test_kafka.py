"""Loading from Kafka through the command line: nothing lost, nothing twice, every message kept.

Against the demo shop's own broker, which Maven fetches: without Java, Maven or a registry these tests are left out.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from conftest import ROOT, Workspace

from ingestion.errors import KindError
from ingestion.sources.stream import first_wanted

TOPIC = "inventory-events"
STREAM = ("--source", "stream")
HELD = "select kafka_partition, kafka_offset, record, read_error from raw_stream.inventory_events order by all"


@dataclass
class Broker:
    """A broker and the workspace that loads from it."""

    space: Workspace
    servers: str

    def send(self, *values: bytes | None, partition: int = 0) -> None:
        """Put messages into the topic."""
        producer = Producer({"bootstrap.servers": self.servers})
        for value in values:
            producer.produce(TOPIC, value, partition=partition)
        assert producer.flush(30) == 0

    def load(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        """Load the topic."""
        return self.space.ingest(*STREAM, *arguments, **options)

    def committed(self) -> int:
        """What the group has committed of the first partition."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "storehouse"})
        (found,) = consumer.committed([TopicPartition(TOPIC, 0)], timeout=10)
        consumer.close()
        return found.offset

    def held(self) -> list[tuple]:
        """What the warehouse has."""
        return self.space.warehouse(HELD)


@pytest.fixture(scope="module")
def broker(warm_workspace: Workspace, workspace: Workspace) -> Iterator[Broker]:
    """A broker with the topic; the warehouse does not have it yet."""
    kafka = (sys.executable, "-m", "demo_shop.kafka")
    started = workspace.run(*kafka, "start", check=False)
    # Kafka is an option, and its broker needs Java and Maven, which the project cannot install.
    # Where both are there, a broker that does not start is a failure, whatever the cause.
    if "needs Java" in started.stderr:
        pytest.skip(f"no broker: {started.stderr.strip()}")
    assert started.returncode == 0, started.stderr
    servers = started.stdout.split("BOOTSTRAP_SERVERS=")[1].strip()
    workspace.settings["SOURCES__STREAM__BOOTSTRAP_SERVERS"] = servers
    yield Broker(workspace, servers)
    workspace.run(*kafka, "stop")


def test_without_kafka_the_table_is_empty(workspace: Workspace) -> None:
    workspace.ingest(*STREAM, SOURCES__STREAM__BOOTSTRAP_SERVERS="")
    assert workspace.warehouse("select count(*) from raw_stream.inventory_events") == [(0,)]


def test_every_message_is_kept(broker: Broker) -> None:
    broker.send(b'{"event_id": "a"}', '{"event_id": "ü"}'.encode())
    broker.send(b'{"event_id": "b"}', partition=1)
    # Poison is kept with its reason and stops nothing.
    broker.send(b"caf\xe9", b"a\0b", None, b"{", b"")
    told = broker.load().stdout
    assert f"{TOPIC} is loaded, 0 messages behind" in told
    held = [(record, error) for partition, _, record, error in broker.held() if partition == 0][-7:]
    assert held == [
        ('{"event_id": "a"}', None),
        ('{"event_id": "ü"}', None),
        ("caf\\xe9", "no UTF-8: byte 0xe9 at position 4"),
        ("a\\x00b", "a NUL byte"),
        (None, "the message is empty"),
        ("{", None),
        ("", None),
    ]
    assert [record for partition, _, record, _ in broker.held() if partition == 1] == ['{"event_id": "b"}']


def test_offsets_are_committed_after_the_load_and_never_trusted(broker: Broker) -> None:
    before = broker.held()
    loaded = 1 + max(offset for partition, offset, *_ in before if partition == 0)
    assert broker.committed() == loaded
    warehouse = broker.space.data_dir / "warehouse.duckdb"
    yesterday = warehouse.read_bytes()
    broker.send(b'{"event_id": "c"}')
    broker.load("--dry-run")
    assert broker.committed() == loaded
    # A commit that is too far, by whatever hand, loses nothing.
    consumer = Consumer({"bootstrap.servers": broker.servers, "group.id": "storehouse"})
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, loaded + 1)], asynchronous=False)
    broker.load()
    expected = broker.held()
    assert len(expected) == len(before) + 1
    # One that is too early doubles nothing, and a restored warehouse catches up.
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, 0)], asynchronous=False)
    consumer.close()
    warehouse.write_bytes(yesterday)
    broker.load()
    assert broker.held() == expected
    assert broker.committed() == loaded + 1


def test_killed_loads_heal(broker: Broker) -> None:
    before = len(broker.held())
    for seconds in (1.5, 2.2):
        broker.send(*(b'{"event_id": "k%d"}' % number for number in range(500)), partition=2)
        process = subprocess.Popen(
            [sys.executable, "-m", "ingestion", *STREAM],
            cwd=ROOT,
            env=broker.space.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        broker.load()
        before += 500
        assert len(broker.held()) == before
        assert len({(partition, offset) for partition, offset, *_ in broker.held()}) == before


def test_days_can_be_read_again(broker: Broker) -> None:
    expected = broker.held()
    told = broker.load("--from", "2020-01-01").stdout
    assert f"{len(expected):,}" in told
    assert broker.held() == expected


def test_messages_that_expired_unread_are_not_passed_over_in_silence(broker: Broker) -> None:
    assert first_wanted("t/0", (0, 4), 5, 9, False) == 5
    with pytest.raises(KindError, match=r"no longer has the messages 5 to 6 of t/0"):
        first_wanted("t/0", (0, 4), 7, 9, False)
    assert first_wanted("t/0", (0, 4), 7, 9, True) == 7
    with pytest.raises(KindError, match="made anew"):
        first_wanted("t/0", (0, 4), 0, 3, True)
    broker.send(b"1", b"2", b"3", partition=1)
    end = 1 + max(offset for partition, offset, *_ in broker.held() if partition == 1)
    admin = AdminClient({"bootstrap.servers": broker.servers})
    [done] = admin.delete_records([TopicPartition(TOPIC, 1, end + 2)]).values()
    done.result()
    told = broker.load(check=False)
    assert told.returncode == 1
    assert f"no longer has the messages {end} to {end + 1}" in told.stderr
    told = broker.load("--full-refresh", check=False)
    assert told.returncode == 1
    assert "a full refresh would lose" in told.stderr
    broker.load(SOURCES__STREAM__ACCEPT_GAPS="true")
    assert (1, end + 2, "3", None) in broker.held()


def test_errors_are_told_in_one_line(broker: Broker) -> None:
    told = broker.load(check=False, SOURCES__STREAM__BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert told.returncode == 1
    assert told.stderr.startswith("Error: Kafka cannot be reached")
    assert told.stderr.count("\n") == 1
    told = broker.load(check=False, SOURCES__STREAM__TOPICS='{"inventory_events": "no-such-topic"}')
    assert told.returncode == 1
    assert "Kafka has no topic 'no-such-topic'" in told.stderr
