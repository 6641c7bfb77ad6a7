"""The page in a real browser: light and dark, phone and desktop, without an error."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from get_browser import browser
from playwright.sync_api import Browser, Page, sync_playwright

from pulumi_openrelay.policies.message import Kind, Message, Severity
from pulumi_openrelay.policies.message import format as text_of
from pulumi_openrelay.review import markdown, page
from pulumi_openrelay.review.report import Review

from . import told
from .told import SECRET, vm

SCREENS = {"phone": (390, 844), "desktop": (1440, 900)}
VERDICTS = ("pass", "warn", "block")


def blocked() -> Review:
    """A review with something in every section."""
    policies = [
        told.policy(
            text_of(Message(Kind.VIOLATION, Severity.HIGH, "is open to everyone", "set `public`")),
            "web",
            rule="no-public-machines",
        ),
        told.policy(
            text_of(Message(Kind.USED_EXEMPTION, Severity.HIGH, "until 2030: a demo", "")),
            "demo",
            "advisory",
            rule="used-exemptions",
        ),
        told.policy(
            text_of(Message(Kind.NOT_EVALUATED, Severity.LOW, "not known yet", "")),
            "web",
            "advisory",
        ),
    ]
    return told.review(
        told.replaced("trainer", vm(cloud_init=SECRET), vm(gpu_count=2)),
        told.deleted(
            "a-machine-with-a-name-that-is-longer-than-any-phone-is-wide-" + "x" * 60, vm()
        ),
        told.created("web", vm(public=True, rate_cents_per_hour=None)),
        told.created("<script>alert(1)</script>", vm(gpu_count=3)),
        told.updated("tuner", vm(), vm(public=True)),
        told.refreshed("tuner", vm(), vm(public=False)),
        *(told.same(f"same{n}", vm()) for n in range(30)),
        policies=policies,
    )


REVIEWS = {
    "pass": lambda: told.review(told.created("trainer", vm())),
    "warn": lambda: told.review(told.deleted("trainer", vm(), status="stopped")),
    "block": blocked,
}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The pages, behind a web server as a pipeline's artifacts are."""
    folder = tmp_path_factory.mktemp("pages")
    for verdict, review in REVIEWS.items():
        (folder / f"{verdict}.html").write_text(page.render(review()), encoding="utf-8")
    handler = functools.partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    found = browser()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=found.executable,
            args=list(found.arguments),
            env={**os.environ, **found.environment},
        )
        yield started
        started.close()


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=sorted(SCREENS))
def opened(
    request: pytest.FixtureRequest, chromium: Browser, scheme: Any
) -> Iterator[tuple[Page, list[str]]]:
    """A page on one of the screens, and what its console and its network had to complain of."""
    width, height = SCREENS[request.param]
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    tab, complaints = context.new_page(), []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("requestfailed", lambda request: complaints.append(request.url))
    tab.on("response", lambda r: complaints.append(r.url) if r.status >= 400 else None)
    yield tab, complaints
    context.close()


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_page_opens_without_a_complaint_and_fits(
    opened: tuple[Page, list[str]], site: str, verdict: str, scheme: str
) -> None:
    tab, complaints = opened
    tab.goto(f"{site}/{verdict}.html", wait_until="networkidle")
    assert complaints == []
    assert tab.locator("h1 strong").inner_text().lower() == verdict
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert tab.evaluate(overflow) <= 0
    lightness = tab.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3)"
        ".reduce((sum, part) => sum + Number(part), 0) / 3"
    )
    assert lightness < 64 if scheme == "dark" else lightness > 192
    tab.screenshot(full_page=True)


CONTRAST = """
() => {
  const numbers = color => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = numbers(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll("body *")].filter(e =>
    [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
  return Math.min(...texts.map(e => {
    const [a, b] = [light(numbers(getComputedStyle(e).color)), light(ground(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }));
}
"""


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_text_can_be_read(opened: tuple[Page, list[str]], site: str, verdict: str) -> None:
    tab, _ = opened
    tab.goto(f"{site}/{verdict}.html")
    assert tab.evaluate(CONTRAST) >= 4.5


def test_the_page_says_what_the_comment_folds_away(
    opened: tuple[Page, list[str]], site: str
) -> None:
    tab, _ = opened
    tab.goto(f"{site}/block.html")
    text = tab.locator("main").inner_text()
    for said in (
        "Changed by hand",
        "is replaced because of",
        "BLOCK: trainer: it is replaced because of",
        "data loss: its disk ends with it",
        "The rate of web is unknown",
        "no-public-machines",
        "until 2030: a demo",
        "Unchanged: 30",
    ):
        assert said in text, said
    assert tab.locator("script").count() == 0


def test_the_page_counts_as_the_comment_does_and_hides_what_is_no_resource_of_the_users() -> None:
    owner = ("openrelay", dict[str, Any](), "openrelay:Owner")
    review = told.review(told.created(*owner), told.created("trainer", vm()))
    html = page.render(review)
    assert "Created: 1<" in html
    assert "Owner" not in html
    assert [each["resource"] for each in review.as_json()["creations"]] == ["trainer"]
    ended = told.review(told.deleted(*owner), told.deleted("trainer", vm()))
    assert "Owner" not in page.render(ended) + markdown.render(ended)
    assert [each["resource"] for each in ended.as_json()["deletions"]] == ["trainer"]


def test_the_page_says_how_long_the_balance_lasts_as_the_comment_does() -> None:
    known = told.review(told.same("trainer", vm()), told.created("new", vm()))
    unknown = told.review(
        told.same("trainer", vm()), told.created("new", vm(rate_cents_per_hour=None))
    )
    for review, lasts in ((known, "718 days, before 3 years"), (unknown, "at most 3 years")):
        assert f"lasts {lasts}<" in page.render(review)
        assert f" lasts {lasts}\n" in markdown.render(review)


def test_the_page_bounds_a_rate_as_the_comment_does_and_tells_of_altered_rules() -> None:
    review = told.review(
        told.updated("a", vm(replica_count=1, rate_cents_per_hour=None), vm(replica_count=2))
    )
    for said in ("before at least $0.00, change", "at most +$0.29"):
        assert said in page.render(review)
        assert said in markdown.render(review)
    altered = "This change alters <code>openrelay-policy.json</code>."
    assert altered not in page.render(review)
    assert altered in page.render(replace(review, policy_changed=True))


def test_the_page_needs_nothing_from_elsewhere() -> None:
    html = page.render(blocked())
    assert "http://" not in html
    assert "https://" not in html
    assert "<script" not in html


def test_without_a_browser_one_sentence_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import get_browser

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(get_browser, "FOLDER", tmp_path / "tools" / "browser")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(get_browser.BrowserMissing, match=r"install Chromium, or name one"):
        browser()
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "none"))
    with pytest.raises(get_browser.BrowserMissing, match="which is no file"):
        browser()
