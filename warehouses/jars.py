"""The Java libraries of Spark, by Maven coordinates, each pinned by its checksum.

They are fetched with Ivy, which Spark itself brings. Machines with a mirror name it the way Ivy knows: by a settings
file, in STOREHOUSE_IVY_SETTINGS. Machines without any network: put the jars into the folder by hand.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ingestion.errors import KindError
from warehouses.settings import data_dir


@dataclass(frozen=True)
class Jar:
    """One library and the SHA-256 of the only file accepted for it."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.artifact}-{self.version}.jar"


# The Iceberg runtime must fit the minor version of pyspark (4.1) and Spark's Scala (2.13).
JARS = (
    Jar(
        "org.apache.iceberg",
        "iceberg-spark-runtime-4.1_2.13",
        "1.11.0",
        "d6ea6c5d099288daeb7d5a92061bd3d7d8f296492632b42378e5f2f0e3066242",
    ),
    Jar(
        "org.postgresql",
        "postgresql",
        "42.7.8",
        "2a32a9dcbc42d67a50ad3a0de5efd102c8d2be46720045f2cbd6689f160ab7c7",
    ),
)


def java() -> str:
    """The Java that runs Spark."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if not found:
        raise KindError("Spark needs Java 17 or 21 and none was found: install it, or set JAVA_HOME.")
    return found


def spark_home() -> Path:
    """The folder of Spark, which comes with pyspark."""
    try:
        import pyspark
    except ImportError:
        raise KindError(
            "pyspark is not installed: run `.venv/bin/uv pip install --group spark`, or use another target."
        ) from None
    return Path(pyspark.__file__).parent


def ready() -> list[Path]:
    """The jars, fetched if they are not there yet."""
    folder = data_dir() / "warehouses" / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    return [fetch(jar, folder) for jar in JARS]


def fetch(jar: Jar, folder: Path) -> Path:
    """One jar with the right checksum: the one in the folder, else from the Maven repository."""
    path = folder / jar.file_name
    if not path.exists():
        print(f"Fetching {jar.group}:{jar.artifact}:{jar.version} ...", flush=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            fetched = Path(scratch) / jar.file_name
            output = ask_ivy(jar, Path(scratch))
            if not fetched.exists():
                log = folder / "ivy.log"
                log.write_text(output)
                raise KindError(
                    f"Spark cannot start: {jar.group}:{jar.artifact}:{jar.version} could not be fetched from "
                    f"a Maven repository (see {log}). Put the file into {folder}, or use another target."
                )
            fetched.replace(path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != jar.sha256:
        raise KindError(f"{path} is not the file it should be (wrong checksum). Delete it and start again.")
    return path


def ask_ivy(jar: Jar, folder: Path) -> str:
    """Let Ivy fetch one file without its dependencies, which both libraries bring inside or do not need."""
    ivy = next((spark_home() / "jars").glob("ivy-*.jar"))
    settings = os.environ.get("STOREHOUSE_IVY_SETTINGS")
    command = [java(), "-jar", str(ivy), "-cache", str(folder / "cache"), "-notransitive", "-confs", "default", "-warn"]
    command += ["-settings", settings] if settings else []
    command += ["-dependency", jar.group, jar.artifact, jar.version]
    command += ["-retrieve", str(folder / "[artifact]-[revision].[ext]")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return "Ivy gave no answer within ten minutes."
    return done.stdout + done.stderr
