"""Open every page of the built documentation in a headless Chromium at two widths, and say what does not fit.

    python3 -m venv /tmp/browser && /tmp/browser/bin/pip install selenium==4.51.0 requests
    make docs
    /tmp/browser/bin/python benchmarks/browser_docs.py [--out FOLDER] [--widths 390 1280]

A page is in order when its heading is there, each picture has arrived, nothing makes the page wider than the window
(tables and code may scroll within themselves), and the browser reports no error. Pictures of the pages go to FOLDER
where one is given, the figure to mlruns/hardening. The exit status is 1 if one is not in order.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from browser_check import browser
from selenium import webdriver

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "docs" / "_build" / "html"
KEPT = ROOT / "mlruns" / "hardening" / "browser.json"
LOOK = """
return {
  heading: document.querySelector('h1') ? document.querySelector('h1').innerText : '',
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  missing: Array.from(document.images).filter(i => !i.complete || !i.naturalWidth).map(i => i.src),
}
"""
_GENERATED = re.compile(r"^(genindex|py-modindex|search)\.html$")


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, *_: object) -> None:
        """Keep still."""


def faults(driver: webdriver.Chrome, url: str) -> list[str]:
    """Open a page and name what is wrong with it."""
    driver.get(url)
    seen = driver.execute_script(LOOK)
    found = [] if seen["heading"] else ["no heading"]
    if seen["wide"] > 0:
        found.append(f"{seen['wide']} pixels wider than the window")
    found += [f"no picture {source}" for source in seen["missing"]]
    errors = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    return found + [error for error in errors if "favicon" not in error]


def main() -> int:
    """Look at all pages at each width."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--widths", type=int, nargs="+", default=[390, 1280])
    given = parser.parse_args()
    pages = [p.relative_to(BUILT).as_posix() for p in sorted(BUILT.rglob("*.html")) if not _GENERATED.match(p.name)]
    if not pages:
        parser.error(f"{BUILT} must hold the built pages; run make docs first")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(BUILT)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wrong = 0
    for width in given.widths:
        with browser(width, 900) as driver:
            driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
            )
            for page in pages:
                found = faults(driver, f"http://127.0.0.1:{server.server_port}/{page}")
                wrong += bool(found)
                for fault in found:
                    print(f"{width:>5} {page}: {fault}")
                if given.out is not None:
                    given.out.mkdir(parents=True, exist_ok=True)
                    name = page.removesuffix(".html").replace("/", "-")
                    driver.save_screenshot(str(given.out / f"{width}-{name}.png"))
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps({"pages": len(pages), "widths": given.widths, "wrong": wrong}) + "\n", encoding="utf-8")
    print(f"{len(pages)} pages at {' and '.join(map(str, given.widths))} pixels: {wrong} not in order")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
