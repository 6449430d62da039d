"""The Java libraries that pyspark does not bring, by the Maven coordinates in `pom.xml`, pinned in `jars.sha256`."""

import hashlib
import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from ingestion.errors import KindError
from warehouses.settings import ROOT, data_dir

HERE = ROOT / "warehouses"


def java() -> str:
    """The Java that runs Spark."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if not found:
        raise KindError("Spark needs Java 17 or 21 and none was found: install it, or set JAVA_HOME.")
    return found


def check_java() -> None:
    """Refuse a Java that is too old for Spark."""
    said = subprocess.run([java(), "-version"], capture_output=True, text=True).stderr
    version = re.search(r'version "(\d+)', said)
    if not version or int(version[1]) < 17:
        raise KindError(f"Spark needs Java 17 or 21, and {java()} is another: install it, or set JAVA_HOME.")


def spark_home() -> Path:
    """The folder of Spark, which comes with pyspark."""
    found = find_spec("pyspark")
    if not found:
        raise KindError("Spark is not installed: run `make spark-setup`, or use another target.")
    return Path(found.origin).parent


def ready() -> list[Path]:
    """The jars, fetched if they are not there yet, with the right checksums."""
    check_java()
    folder = data_dir() / "warehouses" / "jars"
    wanted = dict(reversed(line.split()) for line in (HERE / "jars.sha256").read_text().splitlines())
    if any(not (folder / name).exists() for name in wanted):
        fetch(folder)
    for name, checksum in wanted.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != checksum:
            raise KindError(
                f"{folder / name} is not the file it should be (wrong checksum). Delete it and start again."
            )
    return [folder / name for name in wanted]


def fetch(folder: Path) -> None:
    """Let Maven fetch the jars, without what the Postgres driver needs to compile."""
    by_hand = f"Put the jars that {HERE / 'jars.sha256'} names into {folder}, or use another target."
    maven = shutil.which("mvn")
    if not maven:
        raise KindError(f"Spark's libraries come with Maven (the command mvn), which was not found. {by_hand}")
    print("Fetching Spark's libraries with Maven ...", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "maven.log"
    with log.open("w") as stream:
        done = subprocess.run(
            [
                *(maven, "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies"),
                *("-DexcludeTransitive=true", f"-DoutputDirectory={folder}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    if done.returncode:
        raise KindError(f"Maven could not fetch Spark's libraries; it says why in {log}. {by_hand}")
