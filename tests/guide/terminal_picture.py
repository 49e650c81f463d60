"""What a terminal shows, as an SVG that needs nothing from anywhere else."""

import io

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

THEME = TerminalTheme(
    (22, 27, 34),
    (208, 215, 222),
    [(72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34), (88, 166, 255), (188, 140, 255), (57, 197, 207),
     (177, 186, 196)],
    [(110, 118, 129), (255, 161, 152), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255),
     (86, 212, 221), (240, 246, 252)],
)
# Of rich's own format without the fonts that it fetches and the buttons of a window. Placeholders are rich's.
FORMAT = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px "DejaVu Sans Mono", "Liberation Mono", Menlo, Consolas, monospace; white-space: pre }}
{styles}
</style>
<rect width="100%" height="100%" rx="8" fill="#161b22"/>
<g transform="translate({terminal_x}, 20)">{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def svg(ansi: str, columns: int, name: str) -> str:
    console = Console(record=True, width=columns, file=io.StringIO(), color_system="truecolor", force_terminal=True,
                      legacy_windows=False)
    console.print(Text.from_ansi(ansi, no_wrap=True), overflow="ignore", crop=False)
    return console.export_svg(theme=THEME, code_format=FORMAT, unique_id=name)
