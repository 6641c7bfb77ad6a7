"""`make picture`: the terminal of README.md, drawn from a real `pulumi up` on the emulator."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import sys
import tempfile
import termios
from fcntl import ioctl
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyte
from demo import KEYS, Demo, Receiver, emulator
from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "up.svg"
COLUMNS, ROWS = 108, 34
COMMAND = ["pulumi", "up", "--yes", "--skip-preview", "--suppress-permalink=true"]


def record(demo: Demo) -> pyte.Screen:
    """Run the command in a terminal of its own; the screen at its end."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    process, terminal = pty.fork()
    if process == 0:
        words = ["--stack", "demo", "--config-file", str(demo.folder / "Pulumi.demo.yaml")]
        os.chdir(PICTURE.parent.parent)
        os.execvpe(  # noqa: S606 - the recorded command itself
            COMMAND[0], [*COMMAND, *words], {**demo.environment, "TERM": "xterm-256color"}
        )
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    while True:
        select.select([terminal], [], [])
        try:
            read = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not read:
            break
        stream.feed(read)
    _, status = os.waitpid(process, 0)
    if status:
        sys.exit(f"record: {' '.join(COMMAND)} ended with {status}")
    return screen


def draw(screen: pyte.Screen) -> str:
    """The screen as SVG, without the fonts that the picture would fetch from elsewhere."""
    text = Text("$ pulumi up\n")
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    for row, line in enumerate(lines):
        styles = [_style(screen.buffer[row][column]) for column in range(len(line))]
        for style, run in groupby(zip(styles, line, strict=True), key=itemgetter(0)):
            text.append("".join(letter for _, letter in run), style)
        text.append("\n")
    console = Console(record=True, width=COLUMNS, file=Path(os.devnull).open("w"))  # noqa: SIM115
    console.print(text, end="")
    drawn = console.export_svg(title="two GPU machines, an inference cluster and a webhook")
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)


def _style(cell: pyte.screens.Char) -> str:
    return ("bold " if cell.bold else "") + _color(cell.fg)


def _color(name: str) -> str:
    if re.fullmatch("[0-9a-f]{6}", name):
        return f"#{name}"
    return {"default": "default", "brown": "yellow"}.get(name, name.replace("bright", "bright_"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, emulator() as url:
        demo = Demo(Path(folder), url)
        demo.start(webhookUrl=Receiver().url, **KEYS)
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(draw(record(demo)))
        print(f"record: {PICTURE}")


if __name__ == "__main__":
    main()
