"""The plot in the README: duration of a scrape by number of series, both on logarithmic scales."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 30, 50
SERVERS: Mapping[str, tuple[str, str]] = {
    "client_python": ("prometheus-client", "#d62728"),
    "client_golang": ("client_golang", "#1f77b4"),
    "ours": ("this exporter", "#2ca02c"),
    "static": ("static file", "#8a8a8a"),
}
UNITS = {-4: "0.1 ms", -3: "1 ms", -2: "10 ms", -1: "100 ms", 0: "1 s", 1: "10 s", 2: "100 s"}

Points = Sequence[tuple[float, float]]


def plot(rows: Sequence[Mapping[str, Any]]) -> str:
    """An SVG that is the same for the same results, and readable on a light and on a dark background."""
    lines = {
        server: [
            (float(row["series"]), float(row["after_pause_seconds"]["median"]))
            for row in rows
            if row["server"] == server and row["encoding"] == "gzip"
        ]
        for server in SERVERS
    }
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="13" fill="#808080">',
            f'<text x="{LEFT}" y="18">Duration of a scrape (gzip) by number of series</text>',
            *grid(),
            *(part for server, points in lines.items() if points for part in line(server, points)),
            "</svg>\n",
        ]
    )


def x(series: float) -> float:
    """The scale is from a thousand to a million."""
    return LEFT + (math.log10(series) - 3) / 3 * (WIDTH - LEFT - RIGHT)


def y(seconds: float) -> float:
    """The scale is from 0.1 ms to 100 s."""
    return HEIGHT - BOTTOM - (math.log10(seconds) + 4) / 6 * (HEIGHT - TOP - BOTTOM)


def grid() -> Iterator[str]:
    for power, label in UNITS.items():
        at = y(10.0**power)
        yield (
            f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#808080" stroke-opacity="0.3"/>'
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{label}</text>'
        )
    for power in range(3, 7):
        at = x(10.0**power)
        yield f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 22}" text-anchor="middle">{10**power:,}</text>'


def line(server: str, points: Points) -> Iterator[str]:
    name, colour = SERVERS[server]
    path = "L".join(f"{x(series):.1f} {y(seconds):.1f}" for series, seconds in points)
    yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for series, seconds in points:
        yield f'<circle cx="{x(series):.1f}" cy="{y(seconds):.1f}" r="3" fill="{colour}"/>'
    series, seconds = points[-1]
    below = 14 if server == "static" else 4
    yield f'<text x="{x(series) + 10:.1f}" y="{y(seconds) + below:.1f}" fill="{colour}">{name}</text>'
