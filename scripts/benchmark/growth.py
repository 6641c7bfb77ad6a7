"""The picture of docs/benchmarks.md: seconds by the number of machines, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 50, 150, 20, 50
COLORS = ("#4c6ef5", "#adb5bd", "#e8590c", "#868e96")
Points = Sequence[tuple[int, float]]


def draw(lines: Mapping[str, Points]) -> str:
    """One straight line in it is linear growth: both axes are linear, from 0 on."""
    points = [point for line in lines.values() for point in line]
    most_x = max((x for x, _ in points), default=1)
    most_y = _round_up(max((y for _, y in points), default=1.0))

    def at(x: float, y: float) -> tuple[float, float]:
        across = LEFT + x / most_x * (WIDTH - LEFT - RIGHT)
        return round(across, 1), round(HEIGHT - BOTTOM - y / most_y * (HEIGHT - TOP - BOTTOM), 1)

    body = [_text(WIDTH / 2 - 60, HEIGHT - 12, "VMs in the stack"), _text(8, 14, "seconds")]
    for part in range(5):
        y = most_y * part / 4
        left, height = at(0, y)
        body.append(
            f'<path d="M{left} {height}H{WIDTH - RIGHT}" stroke="#8888" stroke-width=".5"/>'
        )
        body.append(_text(left - 8, height + 4, f"{y:g}", "end"))
    for count in sorted({x for x, _ in points}):
        across, height = at(count, 0)
        body.append(_text(across, height + 18, str(count), "middle"))
    for color, (name, line) in zip(COLORS, lines.items(), strict=False):
        path = " ".join(f"{across},{height}" for across, height in (at(x, y) for x, y in line))
        across, height = at(*line[-1])
        body.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5"/>')
        body.append(_text(across + 8, height + 4, name, fill=color))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="13"><title>Seconds by the number of VMs</title>'
        + "".join(body)
        + "</svg>\n"
    )


def _round_up(most: float) -> float:
    """The next number that four steps divide well."""
    return next(top for top in (1, 2, 4, 8, 12, 20, 40, 80, 120, 200, 400, 800) if top >= most)


def _text(x: float, y: float, words: str, anchor: str = "start", fill: str = "#868e96") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{fill}">{escape(words)}</text>'
