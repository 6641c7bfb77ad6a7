"""Find or fetch the Pulumi CLI, and print the folder to put first on PATH.

    PATH=$(python scripts/get_pulumi.py):$PATH

The first way that works is taken:

1. a `pulumi` on PATH that is new enough and has its Python parts;
2. $PULUMI_ARCHIVE, a file laid out like the official release archive;
3. the official release, its checksum verified ($PULUMI_DOWNLOAD_URL names a mirror);
4. a build from the Go module proxy, as golang.py does it.

What ways 2 to 4 bring lands in .tools/pulumi and serves the next runs that find none on PATH; they
then say nothing.
Stdout gets the folder alone; what happens meanwhile is said on stderr.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import platform
import re
import shutil
import sys
import tarfile
import time
import urllib.request
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import golang

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WANTED = "3.259.0"  # the newest whose source the Go module proxy serves
MINIMUM = (3, 254, 0)  # since then `pulumi import --file` needs no Read
ON_PATH = f"put pulumi {'.'.join(map(str, MINIMUM))} or newer on PATH"
RELEASES = "https://github.com/pulumi/pulumi/releases/download"
CONNECT_SECONDS = 5  # a closed network must not hold up the next way
STALL_SECONDS = 30
SIGN_OF_LIFE_SECONDS = 20

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "scripts" / "pulumi-build"
TOOLS = ROOT / ".tools"
FOLDER = TOOLS / "pulumi"
ORIGIN = FOLDER / "origin"  # one line: the wanted version and where it came from
PART = TOOLS / "pulumi.part"  # becomes FOLDER when it is whole
OLD = TOOLS / "pulumi.old"
BUILD = TOOLS / "pulumi.build"  # Go's caches; kept after a failure, so that a repeat is shorter

LANGUAGE_HOST = "pulumi-language-python"
EXECUTOR = "pulumi-language-python-exec"
DYNAMIC_PROVIDER = "pulumi-resource-pulumi-python"
PROGRAMS = ("pulumi", LANGUAGE_HOST, EXECUTOR, DYNAMIC_PROVIDER)

Version = tuple[int, int, int]


class PulumiMissing(Exception):
    """No CLI, and no use in trying further; the message is one sentence for the user."""


class NotThisWay(Exception):
    """This way is closed; the message says why, and the next one is tried."""


def pulumi_directory() -> Path:
    """The folder with the CLI, fetched or built first if need be; raises PulumiMissing.

    Safe to call from several processes at once: one works, the others wait for it.
    """
    closed = []
    try:
        return _from_path()
    except NotThisWay as reason:
        closed.append(str(reason))
    if _installed():
        return FOLDER
    _say(closed[0])
    try:
        with golang.alone(TOOLS / "pulumi.lock", _wait):
            if _installed():
                return FOLDER
            for way in (_from_archive, _from_release, _from_source):
                try:
                    way()
                except (NotThisWay, golang.NotBuilt) as reason:
                    _say(str(reason))
                    closed.append(str(reason))
                else:
                    shutil.rmtree(BUILD, ignore_errors=True)
                    return FOLDER
    except OSError as error:
        raise PulumiMissing(
            f"the Pulumi CLI cannot be put into {FOLDER} ({error}): make room and let it be "
            f"written, or {ON_PATH}"
        ) from error
    raise PulumiMissing(
        f"no Pulumi CLI to be had ({'; '.join(closed)}): {ON_PATH}, set PULUMI_ARCHIVE to a "
        f"release archive, or let this machine reach the release download or the Go module proxy"
    )


def _from_path() -> Path:
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        raise NotThisWay("no pulumi on PATH")
    version = _version(pulumi)
    if version is None:
        raise NotThisWay(f"{pulumi} does not tell its version")
    if version < MINIMUM:
        raise NotThisWay(f"{pulumi} is {_dotted(version)}, older than {_dotted(MINIMUM)}")
    beside = Path(pulumi).resolve().parent
    for name in (LANGUAGE_HOST, DYNAMIC_PROVIDER):
        if shutil.which(name) is None and not os.access(beside / name, os.X_OK):
            raise NotThisWay(f"{pulumi} has no {name} on PATH or beside it")
    _say(f"using {pulumi} {_dotted(version)} from PATH")
    return Path(pulumi).absolute().parent


def _from_archive() -> None:
    archive = os.environ.get("PULUMI_ARCHIVE")
    if not archive:
        raise NotThisWay("PULUMI_ARCHIVE is not set")
    _say(f"unpacking PULUMI_ARCHIVE {archive}")
    try:
        _install(lambda folder: _unpack(Path(archive), folder), origin=_identity(archive))
    except NotThisWay as problem:
        # Whoever names an archive wants that one, so no other way is tried.
        raise PulumiMissing(
            f"PULUMI_ARCHIVE {archive} is of no use: {problem}; name another, unset it to "
            f"have the release downloaded or built, or {ON_PATH}"
        ) from problem


def _from_release() -> None:
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system())
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower()
    )
    if system is None or machine is None:
        raise NotThisWay(f"no release for {platform.system()} on {platform.machine()}")
    base = os.environ.get("PULUMI_DOWNLOAD_URL") or RELEASES
    folder = f"{base.rstrip('/')}/v{WANTED}"
    name = f"pulumi-v{WANTED}-{system}-{machine}.tar.gz"
    download = TOOLS / "pulumi.download"
    _say(f"looking for the release {folder}/{name}")
    try:
        expected = _checksum(f"{folder}/pulumi-{WANTED}-checksums.txt", name)
        found = _download(f"{folder}/{name}", download)
        if found != expected:
            raise PulumiMissing(
                f"{folder}/{name} has the checksum {found} but should have {expected}: nothing was "
                f"unpacked; try again, or set PULUMI_ARCHIVE to an archive that you trust"
            )
        try:
            _install(lambda part: _unpack(download, part), origin=folder)
        except NotThisWay as problem:
            raise NotThisWay(f"{folder}/{name} is of no use: {problem}") from problem
    finally:
        download.unlink(missing_ok=True)


def _from_source() -> None:
    """Build the CLI; the Python parts are files of its SDK, the language host is our own."""
    go = golang.Go(RECIPE, BUILD, _say)
    stamp = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={WANTED}"

    def build(folder: Path) -> None:
        _say(
            f"building Pulumi {WANTED} from the Go module proxy: about 5 minutes on two cores, "
            f"and 5 GB below {TOOLS} meanwhile"
        )
        go.build("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", folder / "pulumi", stamp)
        sdk = go.folder("github.com/pulumi/pulumi/sdk/v3")
        for source in ("python/cmd/" + EXECUTOR, "python/dist/" + DYNAMIC_PROVIDER):
            _copy(sdk / source, folder)
        for source in (LANGUAGE_HOST, "language_host.py"):
            # Links, so that a change to our host needs no new build.
            (folder / source).symlink_to(Path("../../scripts/pulumi-build") / source)

    _install(build, origin="the Go module proxy")


def _installed() -> bool:
    """Whether .tools/pulumi is whole, of the wanted version, and from $PULUMI_ARCHIVE if set."""
    if not ORIGIN.is_file() or not all(os.access(FOLDER / name, os.X_OK) for name in PROGRAMS):
        return False
    version, _, origin = ORIGIN.read_text().strip().partition(" ")
    archive = os.environ.get("PULUMI_ARCHIVE")
    return version == WANTED and (not archive or origin == _identity(archive))


def _identity(archive: str) -> str:
    """Tells one archive from another, and from its own next version, without reading it."""
    try:
        status = Path(archive).stat()
    except OSError as error:
        return f"{archive}: {error.strerror}"
    return f"{Path(archive).resolve()} {status.st_size} {status.st_mtime_ns}"


def _install(fill: Callable[[Path], None], origin: str) -> None:
    """Fill a folder beside .tools/pulumi, see that it works, and only then put it in place."""
    for leftover in (PART, OLD):
        shutil.rmtree(leftover, ignore_errors=True)
    PART.mkdir()
    try:
        fill(PART)
        for name in PROGRAMS:
            if not os.access(PART / name, os.X_OK):
                raise NotThisWay(f"it holds no pulumi/{name}")
        version = _version(str(PART / "pulumi"))
        if version is None:
            raise NotThisWay("its pulumi does not run on this machine")
        if version < MINIMUM:
            raise NotThisWay(f"it is {_dotted(version)}, older than {_dotted(MINIMUM)}")
        (PART / ORIGIN.name).write_text(f"{WANTED} {origin}\n")
        if FOLDER.exists():
            FOLDER.rename(OLD)
        PART.rename(FOLDER)
    finally:
        shutil.rmtree(PART, ignore_errors=True)
        shutil.rmtree(OLD, ignore_errors=True)
    _say(f"Pulumi {_dotted(version)} is in {FOLDER}")


def _unpack(archive: Path, folder: Path) -> None:
    """Take what Python needs out of an archive whose files stand in one folder `pulumi/`.

    Each file is written under its last name into the folder given, so that no archive can write
    anywhere else; one that tries is refused as a whole.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                parts = member.name.removeprefix("./").split("/")
                if ".." in parts or parts[0] == "":
                    raise NotThisWay(f"it names a file outside of itself, {member.name!r}")
                wanted = parts[-1] == "pulumi" or "python" in parts[-1]
                if len(parts) != 2 or parts[0] != "pulumi" or not wanted:
                    continue
                content = tar.extractfile(member) if member.isfile() else None
                if content is not None:
                    with (folder / parts[1]).open("wb") as target:
                        shutil.copyfileobj(content, target)
                    (folder / parts[1]).chmod(0o755)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "no tar archive, or a damaged one"
        raise NotThisWay(f"it cannot be unpacked ({reason})") from error


def _checksum(url: str, name: str) -> str:
    with _opened(url, CONNECT_SECONDS) as answer:
        text = answer.read().decode(errors="replace")
    for line in text.splitlines():
        checksum, _, file = line.partition(" ")
        if file.strip().lstrip("*") == name:
            return checksum.lower()
    raise NotThisWay(f"{url} has no checksum for {name}")


def _download(url: str, target: Path) -> str:
    """Fetch a file and return its sha256."""
    digest = hashlib.sha256()
    with _opened(url, STALL_SECONDS) as answer, target.open("wb") as file:
        size = int(answer.headers.get("Content-Length") or 0)
        done, said = 0, time.monotonic()
        while chunk := answer.read(1 << 20):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if time.monotonic() - said > SIGN_OF_LIFE_SECONDS:
                said = time.monotonic()
                _say(f"{done >> 20} of {size >> 20} MB")
        if done < size:
            raise NotThisWay(f"{url} ended after {done} of {size} bytes")
    return digest.hexdigest()


@contextmanager
def _opened(url: str, timeout_seconds: float) -> Iterator[http.client.HTTPResponse]:
    try:
        with urllib.request.urlopen(url, timeout=timeout_seconds) as answer:
            yield answer
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = str(error).removeprefix("<urlopen error ").removesuffix(">")
        raise NotThisWay(f"{url} cannot be had ({reason})") from error


def _version(pulumi: str) -> Version | None:
    """The version a CLI tells, without what follows the numbers, as in v3.259.0-dev."""
    printed = golang.output([pulumi, "version"], {"PULUMI_SKIP_UPDATE_CHECK": "true"})
    found = re.search(r"^v?(\d+)\.(\d+)\.(\d+)", printed, re.MULTILINE)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _copy(source: Path, folder: Path) -> None:
    shutil.copyfile(source, folder / source.name)
    (folder / source.name).chmod(0o755)


def _wait() -> None:
    _say("waiting for another run that is fetching the Pulumi CLI")


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def _say(text: str) -> None:
    print(f"pulumi: {text}", file=sys.stderr, flush=True)


def main() -> int:
    try:
        print(pulumi_directory())
    except PulumiMissing as problem:
        _say(str(problem))
        return 1
    except KeyboardInterrupt:
        _say("interrupted; nothing was installed")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
