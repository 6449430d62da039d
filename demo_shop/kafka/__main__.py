"""Command line of the demo shop's Kafka broker: one node on loopback, whose topic gets the stock movements.

The broker is Kafka itself. Maven brings its libraries by their coordinates in `pom.xml`; each must have the checksum in
`jars.sha256`. They stay under the data folder.
"""

import argparse
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from demo_shop import files
from demo_shop.state import ShopError, choose_port, shop_dir

HERE = Path(__file__).parent
TOPIC = "inventory-events"
PARTITIONS = 3
PROPERTIES = """
process.roles=broker,controller
node.id=1
listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=BROKER://127.0.0.1:{port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
log.dirs={folder}/log
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def folder() -> Path:
    """Everything the broker writes."""
    return shop_dir() / "kafka"


def load_state() -> dict:
    """The broker's port and process, and what was published."""
    path = folder() / "state.json"
    return json.loads(path.read_text()) if path.exists() else {"port": 0, "pid": 0, "started": "", "published": {}}


def save_state(state: dict) -> None:
    """Remember it, whole or not at all."""
    draft = folder() / "state.new"
    draft.write_text(json.dumps(state))
    draft.replace(folder() / "state.json")


def process_started(pid: int) -> str:
    """When a process began, which tells it from a later one with the same number; empty when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def is_running(state: dict) -> bool:
    """Whether the broker that was started here is still there."""
    return bool(state["pid"]) and process_started(state["pid"]) == state["started"] != ""


def tool(name: str) -> str:
    """A program that must be installed."""
    found = shutil.which(name)
    if not found:
        raise ShopError(
            "The Kafka broker of the demo shop needs Java 17 or newer and Maven (the commands java and mvn). Install "
            "both, or let SOURCES__STREAM__BOOTSTRAP_SERVERS name a broker of your own."
        )
    return found


def jars() -> Path:
    """The folder of Kafka's libraries, fetched and checked."""
    target = folder() / "jars"
    wanted = dict(reversed(line.split()) for line in (HERE / "jars.sha256").read_text().splitlines())
    if any(not (target / name).exists() for name in wanted):
        print(f"kafka: fetching {len(wanted)} libraries with Maven", flush=True)
        command = [tool("mvn"), "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies"]
        done = subprocess.run([*command, f"-DoutputDirectory={target}"], capture_output=True, text=True)
        if done.returncode:
            (folder() / "maven.log").write_text(done.stdout + done.stderr)
            raise ShopError(f"Maven could not fetch Kafka's libraries; it says why in {folder() / 'maven.log'}.")
    for name, checksum in wanted.items():
        if hashlib.sha256((target / name).read_bytes()).hexdigest() != checksum:
            raise ShopError(
                f"{target / name} is not the file it should be (wrong checksum). Delete it and start again."
            )
    return target


def start() -> None:
    """Start the broker, with a topic; harmless when it runs."""
    java = tool("java")
    folder().mkdir(parents=True, exist_ok=True)
    state = load_state()
    if not is_running(state):
        run = [java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars()}/*"]
        state["port"] = choose_port(None, state["port"], "--port")
        controller_port = choose_port(None, 0, "--port")
        properties = folder() / "server.properties"
        settings = {"port": state["port"], "controller_port": controller_port, "folder": folder()}
        properties.write_text(PROPERTIES.format(**settings))
        if not (folder() / "log" / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            prepare = [*run, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(properties)]
            done = subprocess.run(prepare, capture_output=True, text=True)
            if done.returncode:
                raise ShopError(f"Kafka could not be set up: {(done.stderr or done.stdout).strip().splitlines()[-1]}.")
        with (folder() / "server.log").open("w") as log:
            process = subprocess.Popen(
                [*run, "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        state |= {"pid": process.pid, "started": process_started(process.pid)}
        save_state(state)
    create_topic(state)
    print(f"kafka: topic {TOPIC} at 127.0.0.1:{state['port']}")
    print(f"export SOURCES__STREAM__BOOTSTRAP_SERVERS=127.0.0.1:{state['port']}")


def client(state: dict) -> dict:
    """How to reach the broker."""
    return {"bootstrap.servers": f"127.0.0.1:{state['port']}", "log_level": 0}


def create_topic(state: dict) -> None:
    """Wait until the broker answers, and make the topic if it is not there."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient(client(state))
    deadline = time.monotonic() + 60
    while True:
        try:
            known = admin.list_topics(timeout=1).topics
            break
        except KafkaException:
            if not is_running(state) or time.monotonic() > deadline:
                raise ShopError(f"Kafka did not start; see the end of {folder() / 'server.log'}.") from None
    if TOPIC not in known:
        admin.create_topics([NewTopic(TOPIC, PARTITIONS)])[TOPIC].result()


def stop() -> None:
    """Stop the broker; its messages stay."""
    state = load_state()
    if is_running(state):
        os.kill(state["pid"], signal.SIGTERM)
        deadline = time.monotonic() + 30
        while is_running(state) and time.monotonic() < deadline:
            time.sleep(0.1)
        if is_running(state):
            os.kill(state["pid"], signal.SIGKILL)


def publish() -> None:
    """Send the lines of the stock movement files to the topic, those that were not sent before."""
    from confluent_kafka import Producer

    state = load_state()
    if not is_running(state):
        raise ShopError("Kafka does not run. Start it: python -m demo_shop.kafka start.")
    producer = Producer(client(state) | {"enable.idempotence": True})
    sent = 0
    for path in sorted((files.folder() / "inventory_events").rglob("*.jsonl")):
        name = str(path.relative_to(files.folder()))
        lines = path.read_bytes().splitlines()
        for line in lines[state["published"].get(name, 0) :]:
            while True:
                try:
                    producer.produce(TOPIC, line)
                    break
                except BufferError:
                    producer.poll(1)
            sent += 1
        state["published"][name] = len(lines)
    if producer.flush(60):
        raise ShopError("Kafka did not take all messages within a minute; publish again.")
    save_state(state)
    print(f"kafka: {sent:,} messages sent to {TOPIC}")


def main() -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo_shop.kafka", description=__doc__.splitlines()[0])
    commands = {"start": start, "stop": stop, "publish": publish}
    parser.add_argument("command", choices=commands)
    options = parser.parse_args()
    try:
        commands[options.command]()
    except ShopError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except ImportError:
        print("Error: Kafka needs one more package. Install it: uv pip install --group kafka.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
