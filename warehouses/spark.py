"""A Spark standalone cluster on loopback: one master, some workers, and a catalog of Iceberg tables in Postgres.

Spark's own configuration folder says everything a driver must know. dbt reads it through SPARK_CONF_DIR, so a cluster
elsewhere takes this one's place when that variable names another folder.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.errors import KindError
from warehouses import jars, postgres
from warehouses.settings import folder, free_port, new_secret, read_state, write_private

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PACKAGE = "org.apache.spark.deploy"
READY = {"Master": "New state: ALIVE", "Worker": "Successfully registered with master"}
# On few rows Spark spends most of its time on the programs that it writes and compiles for each query.
FOR_LITTLE = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": 2,
}


def start(workers: int, cores: int, memory: str, small: bool) -> None:
    """Start what is not running: the catalog's Postgres, the master, the workers."""
    home = folder("spark")
    jars.spark_home()
    jars.ready()
    postgres.start()
    state = read_state(home / "state.json")
    alive = running(state)
    if alive and len(alive) == 1 + state["workers"]:
        # The catalog's address may be another than before.
        write_private(home / "conf" / "spark-defaults.conf", spark_defaults(state, **state["size"]))
        print(f"Spark is running already: {state['url']}.")
        return
    stop_processes(state)
    port = free_port(state.get("port"))
    state = {
        "url": f"spark://127.0.0.1:{port}",
        "port": port,
        "workers": workers,
        "size": {"workers": workers, "cores": cores, "memory": memory, "small": small},
        "secret": state.get("secret") or new_secret(),
        "pids": [],
    }
    conf = home / "conf"
    conf.mkdir(exist_ok=True)
    write_private(conf / "spark-defaults.conf", spark_defaults(state, **state["size"]))
    (conf / "log4j2.properties").write_text(LOGGING)
    launch(home, state, "master", "Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0")
    for number in range(1, workers + 1):
        work = home / "work" / str(number)
        work.mkdir(parents=True, exist_ok=True)
        options = ["--host", "127.0.0.1", "--cores", str(cores), "--memory", memory, "--webui-port", "0"]
        launch(home, state, f"worker{number}", "Worker", *options, "--work-dir", str(work), state["url"])
    print(f"Spark is running: {state['url']}, {workers} workers with {cores} core(s) and {memory} each.")


def stop() -> None:
    """End the processes of the cluster; its tables and its catalog stay."""
    home = folder("spark")
    state = read_state(home / "state.json")
    if not running(state):
        print("Spark is not running.")
        return
    stop_processes(state)
    write_private(home / "state.json", json.dumps(state | {"pids": []}, indent=2))
    print("Spark is stopped.")


def status() -> str:
    """One line about the cluster."""
    state = read_state(folder("spark") / "state.json")
    alive = running(state)
    if not alive:
        return "Spark: not running"
    pids = ", ".join(map(str, alive))
    return f"Spark: {state['url']}, {len(alive) - 1} of {state['workers']} workers, processes {pids}"


def environment() -> dict[str, str]:
    """What a driver and dbt need to know to use the cluster."""
    home = folder("spark")
    if not (home / "conf" / "spark-defaults.conf").exists():
        raise KindError("There is no Spark cluster yet: run `python -m warehouses start spark`.")
    small = read_state(home / "state.json").get("size", {}).get("small")
    return {
        "STOREHOUSE_TARGET": "spark",
        "SPARK_CONF_DIR": str(home / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "JAVA_HOME": str(Path(jars.java()).resolve().parents[1]),
        # Else Spark's own commands ask another Python where they are.
        "SPARK_HOME": str(jars.spark_home()),
        "PYSPARK_PYTHON": sys.executable,
        # Few rows are written anew in less time than it takes to find out which of them changed.
        "STOREHOUSE_LAKE_BUILDS": os.environ.get("STOREHOUSE_LAKE_BUILDS") or ("full" if small else "changes"),
    }


def spark_defaults(state: dict, workers: int, cores: int, memory: str, small: bool) -> str:
    """The configuration of the driver and the executors."""
    catalog = postgres.connection("lake")
    libraries = ":".join(map(str, jars.ready()))
    settings = {
        "spark.master": state["url"],
        "spark.app.name": "storehouse",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": memory,
        "spark.executor.memory": memory,
        "spark.executor.cores": cores,
        "spark.cores.max": workers * cores,
        "spark.authenticate": "true",
        "spark.authenticate.secret": state["secret"],
        "spark.ui.enabled": "false",
        # Nor are plans and stages kept, a thousand each, for a page that nobody can open.
        "spark.sql.ui.retainedExecutions": 10,
        "spark.ui.retainedJobs": 100,
        "spark.ui.retainedStages": 100,
        "spark.ui.showConsoleProgress": "false",
        # Every process of this cluster sees these files: nothing is sent around.
        "spark.driver.extraClassPath": libraries,
        "spark.executor.extraClassPath": libraries,
        "spark.local.dir": folder("spark") / "scratch",
        "spark.sql.warehouse.dir": (folder("spark") / "unused").as_uri(),
        # The lake has a catalog of its own: spark-sql would begin one for Hive where it is called.
        "spark.sql.catalogImplementation": "in-memory",
        # Times are UTC everywhere, as on the other engines.
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
        # Models of several threads share the cores fairly.
        "spark.scheduler.mode": "FAIR",
        # Some tasks per core: the default of 200 suits a cluster of hundreds of cores.
        "spark.sql.shuffle.partitions": max(4, 2 * workers * cores),
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.defaultCatalog": "lake",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "jdbc",
        "spark.sql.catalog.lake.uri": f"jdbc:postgresql://{catalog['host']}:{catalog['port']}/{catalog['database']}",
        "spark.sql.catalog.lake.jdbc.user": catalog["user"],
        "spark.sql.catalog.lake.jdbc.password": catalog["password"],
        "spark.sql.catalog.lake.jdbc.schema-version": "V1",  # the version of the catalog that knows views
        # Else every task keeps a file open for each partition, and a year of days fills its memory.
        "spark.sql.catalog.lake.table-default.write.spark.fanout.enabled": "false",
        "spark.sql.catalog.lake.warehouse": folder("lake").as_uri(),
    }
    return "".join(f"{name} {value}\n" for name, value in (settings | (FOR_LITTLE if small else {})).items())


def check() -> None:
    """Refuse to go on when Spark, its cluster or its catalog is not there."""
    jars.spark_home()
    environment()
    if not running(read_state(folder("spark") / "state.json")):
        raise KindError("The Spark cluster is not running: run `python -m warehouses start spark`.")
    try:
        postgres.connect("lake").close()
    except KindError:
        raise KindError(
            "Spark's catalog of tables, a Postgres database, cannot be reached: run `python -m warehouses start spark`."
        ) from None


@contextmanager
def session() -> Iterator["SparkSession"]:
    """A driver in this process, as long as it is needed; the one that runs here already goes on running."""
    check()
    from pyspark.sql import SparkSession

    running_here = SparkSession.getActiveSession()
    opened = running_here or driver()
    try:
        yield opened
    finally:
        if not running_here:
            opened.stop()


def driver() -> "SparkSession":
    """A driver for the rest of this process: each start costs half a minute."""
    os.environ.update(environment())
    from pyspark.sql import SparkSession

    return SparkSession.builder.getOrCreate()


LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex{short}
# What a start waits for: READY above.
logger.master.name = org.apache.spark.deploy.master
logger.master.level = info
logger.worker.name = org.apache.spark.deploy.worker
logger.worker.level = info
# Said of every process or query, and of no use to anybody.
logger.hadoop.name = org.apache.hadoop.util.NativeCodeLoader
logger.hadoop.level = error
logger.conf.name = org.apache.spark.SparkConf
logger.conf.level = error
logger.window.name = org.apache.spark.sql.execution.window.WindowExec
logger.window.level = error
logger.plan.name = org.apache.spark.sql.catalyst.util.SparkStringUtils
logger.plan.level = error
"""


def launch(home: Path, state: dict, name: str, kind: str, *arguments: str) -> None:
    """Start one daemon that outlives this command, write down its process at once, and wait until it is ready."""
    environment = os.environ | {
        "SPARK_CONF_DIR": str(home / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",  # the status pages, too, listen on loopback only
        "SPARK_DAEMON_MEMORY": "512m",
        "JAVA_HOME": str(Path(jars.java()).resolve().parents[1]),
    }
    command = [str(jars.spark_home() / "bin" / "spark-class"), f"{PACKAGE}.{kind.lower()}.{kind}", *arguments]
    file = home / f"{name}.log"
    with file.open("w") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    state["pids"].append(process.pid)
    write_private(home / "state.json", json.dumps(state, indent=2))
    deadline = time.monotonic() + 60
    while READY[kind] not in file.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise KindError(f"Spark's {name} did not start; its log is {file}.")
        time.sleep(0.2)


def running(state: dict) -> list[int]:
    """The processes written down that still are what they were: numbers are used again by the system."""
    alive = []
    for pid in state.get("pids", []):
        with contextlib.suppress(OSError):
            command = subprocess.run(
                ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True
            ).stdout
            if PACKAGE in command:
                alive.append(pid)
    return alive


def stop_processes(state: dict) -> None:
    """End the daemons, workers first, and wait until they are gone."""
    for pid in reversed(running(state)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while running(state):
        if time.monotonic() > deadline:
            raise KindError(f"Spark's processes {running(state)} do not end; end them by hand and start again.")
        time.sleep(0.2)
