"""`make picture`: the pictures of a review in README.md, its comment and its page.

They are of the demo's pull request that is blocked, reviewed on the real engine and the emulator;
the comment is laid out as a forge does.
"""

from __future__ import annotations

import base64
import os
import sys
import tempfile
from pathlib import Path

from demo import KEYS, Demo, Receiver, emulator, propose_a_bad_change
from get_browser import BrowserMissing, browser, picture_fonts
from markdown_it import MarkdownIt
from playwright.sync_api import sync_playwright

DOCS = Path(__file__).resolve().parent.parent / "docs"
WIDTH, MOST_BYTES = 900, 200_000
HEIGHT = 1000
"""Of the page, whose end is lists; the comment is shown whole."""
FRAME = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>A comment</title>
<style>
@font-face {{ font-family: Twemoji; src: url(data:font/woff2;base64,{pictographs}); }}
body {{ margin: 0; padding: 20px; background: #fff; color: #1f2328;
  font: 14px/1.5 "Open Sans", system-ui, "Segoe UI", Twemoji, "DejaVu Sans", sans-serif; }}
article {{ border: 1px solid #d1d9e0; border-radius: 6px; }}
header {{ padding: 8px 16px; background: #f6f8fa; border-bottom: 1px solid #d1d9e0;
  border-radius: 6px 6px 0 0; color: #59636e; }}
header b {{ color: #1f2328; }}
section {{ padding: 4px 16px 8px; }}
h3 {{ font-size: 1.25em; line-height: 1.35; margin: 12px 0 8px; }}
p {{ margin: 0 0 8px; }}
ul {{ margin: 0 0 12px; padding-left: 2em; }}
li {{ margin: 3px 0; }}
a {{ color: #0969da; }}
code {{ font: 85% "DejaVu Sans Mono", ui-monospace, Menlo, monospace; background: #818b981f;
  border-radius: 6px; padding: .2em .4em; }}
table {{ border-collapse: collapse; margin-bottom: 12px; }}
th, td {{ border: 1px solid #d1d9e0; padding: 4px 10px; text-align: left; }}
details summary {{ cursor: pointer; }}
</style>
<article><header><b>github-actions</b> bot commented</header><section>
{comment}
</section></article>
"""


def review(folder: Path) -> tuple[str, str]:
    """The comment and the page of the demo's bad change."""
    with emulator() as url:
        demo = Demo(folder, url)
        demo.start(**KEYS, webhookUrl=Receiver().url)
        demo.pulumi("up", "--yes", "--skip-preview")
        propose_a_bad_change(demo)
        files = [folder / "review.md", folder / "review.html"]
        done = demo.run(
            *("pulumi-openrelay", "review", "--stack", "demo"),
            *("--markdown", str(files[0]), "--html", str(files[1])),
        )
        if done.returncode != 3:
            sys.exit(f"record: the review should have ended with 3, and did with {done.returncode}")
        comment, page = (file.read_text(encoding="utf-8") for file in files)
    pictographs = base64.b64encode((picture_fonts() / "twemoji.woff2").read_bytes()).decode()
    html = MarkdownIt("gfm-like", {"linkify": False}).render(comment)
    return FRAME.format(comment=html, pictographs=pictographs), page


def draw(pages: dict[str, str], folder: Path) -> None:
    """Each page as a PNG of its name."""
    found = browser()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=found.executable,
            args=list(found.arguments),
            env={**os.environ, **found.environment},
        )
        for name, html in pages.items():
            source, picture = folder / f"{name}.html", DOCS / f"{name}.png"
            source.write_text(html, encoding="utf-8")
            tab = chromium.new_page(
                viewport={"width": WIDTH, "height": HEIGHT if name == "review-page" else 100}
            )
            tab.goto(source.as_uri())
            tab.screenshot(path=picture, full_page=name == "review-comment")
            size = picture.stat().st_size
            if size > MOST_BYTES:
                sys.exit(f"record: {picture} has {size} bytes, more than {MOST_BYTES}")
            print(f"record: {picture}, {size} bytes")
        chromium.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        comment, page = review(Path(name))
        draw({"review-comment": comment, "review-page": page}, Path(name))


if __name__ == "__main__":
    try:
        main()
    except BrowserMissing as why:
        sys.exit(str(why))
