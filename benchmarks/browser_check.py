"""Open a study's pages in a headless Chromium, check that they render and that their pictures load, and file them.

    python3 -m venv /tmp/browser && /tmp/browser/bin/pip install selenium==4.51.0 requests
    make ui &
    /tmp/browser/bin/python benchmarks/browser_check.py STUDY [--url http://127.0.0.1:5000] [--out docs/screenshots]
        [--dashboard http://127.0.0.1:8080] [--trials 0 4 7]

An environment of its own, because nothing else here needs Selenium; Chromium and its driver are the system's
(``chromium`` and ``chromedriver`` on the path). A page is in order when the words that it is there to show are on it,
when each of its pictures has arrived, and when the browser reports no failed request to the server. The exit status is
1 if one is not.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

WORKFLOW = "workflowType=machine_learning"
WAIT_SECONDS = 40.0
SETTLE_SECONDS = 2.0
ASSISTANT = "//button[@aria-label='Close' or contains(@data-component-id, 'assistant.close')]"
# What MLflow's own page asks for although a server without accounts does not have it.
EXPECTED_FAILURE = "/mlflow/users/current"
# Nothing of the browser's own may go out; a page waits for none of it.
QUIET = ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run", "disable-quic")
SILENT = ("disable-background-networking", "disable-component-update", "disable-sync")


@dataclass(frozen=True)
class Page:
    """A page to look at.

    Args:
        name: of the picture.
        url: address.
        words: what must be on it.
        pictures: how many pictures it must have at least.
        clicks: XPaths of what to press first, in order; the first match of each, and none is no error.
        shown: XPath of what to scroll to before the picture is taken, its last match.
        frame: whether words and pictures are those of a frame in the page.
    """

    name: str
    url: str
    words: Sequence[str]
    pictures: int = 0
    clicks: Sequence[str] = ()
    shown: str = ""
    frame: bool = False


@dataclass
class Seen:
    """What a page turned out to have."""

    missing: list[str]
    pictures: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def faults(self, page: Page) -> list[str]:
        """Say what is wrong; empty if nothing is."""
        found = [f"does not show {word!r}" for word in self.missing]
        if len(self.pictures) < page.pictures:
            found.append(f"has {len(self.pictures)} pictures, not {page.pictures} or more")
        broken = sum(width == 0 for width in self.pictures)
        return [*found, *([f"{broken} pictures did not load"] if broken else []), *self.errors]


class Server:
    """What MLflow's REST interface tells of a study: its experiment, its own run and its scored trials by number."""

    def __init__(self, url: str, study: str) -> None:
        self.url = url
        listed = self._post("experiments/search", {"max_results": 1000})["experiments"]
        for experiment in listed:
            identity = experiment["experiment_id"]
            found = self._runs(identity, f"tags.study = '{study}' and tags.role = 'study'")
            if found:
                self.experiment, self.parent = identity, found[0]["info"]["run_id"]
                break
        else:
            raise SystemExit(f"no study {study!r} at {url}, whose experiments are {[one['name'] for one in listed]}")
        uid = _tags(found[0])["study_uid"]
        condition = f"tags.study_uid = '{uid}' and tags.role = 'trial' and tags.outcome = 'scored'"
        self.trials = {int(_tags(run)["trial"]): run for run in self._runs(self.experiment, condition)}
        if not self.trials:
            raise SystemExit(f"study {study!r} at {url} must have scored trials to look at; it has none")

    def _runs(self, experiment: str, condition: str) -> list[dict[str, Any]]:
        body = {"experiment_ids": [experiment], "filter": condition, "max_results": 1000}
        return list(self._post("runs/search", body).get("runs", []))

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = requests.post(f"{self.url}/api/2.0/mlflow/{path}", json=body, timeout=60)
        answer.raise_for_status()
        return dict(answer.json())


def _tags(run: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}


def pages(server: Server, chosen: Sequence[int]) -> list[Page]:
    """Return the pages of a study in MLflow's UI; ``chosen`` are the trials to compare."""
    root = f"{server.url}/#/experiments/{server.experiment}"
    runs, parent = f"{root}/runs", f"{root}/runs/{server.parent}"
    ids = [server.trials[number]["info"]["run_id"] for number in chosen]
    compared = quote(json.dumps(ids)), quote(json.dumps([server.experiment]))
    more = ("//*[text()='Show more']",)
    return [
        Page("trials", f"{runs}?viewStateShareKey=trials&{WORKFLOW}", ("trial-", "scored", "rows")),
        Page("studies", f"{runs}?viewStateShareKey=studies&{WORKFLOW}", ("hypervolume",)),
        Page("study", f"{parent}?{WORKFLOW}", ("on the front", "accuracy"), pictures=2, clicks=more),
        Page("curves", f"{parent}/model-metrics?{WORKFLOW}", ("best.accuracy",)),
        Page("front", f"{parent}/artifacts/plots/front.png?{WORKFLOW}", ("plots",), pictures=1),
        Page("report", f"{parent}/artifacts/report.html?{WORKFLOW}", ("accuracy",), pictures=1, frame=True),
        Page("trial", f"{runs}/{ids[0]}?{WORKFLOW}", ("accuracy", "rows"), pictures=1, clicks=more),
        Page(
            "samples",
            f"{runs}?viewStateShareKey=trials&{WORKFLOW}&compareRunsMode=CHART",
            ("trial-",),
            pictures=1,
        ),
        Page(
            "compare",
            f"{server.url}/#/compare-runs?runs={compared[0]}&experiments={compared[1]}&{WORKFLOW}",
            ("accuracy", "Parameters"),
            clicks=[f"(//button[@role='switch'])[{place}]" for place in (1, 2, 3)],  # Show diff only
            shown="//*[normalize-space(text())='Parameters']",
        ),
    ]


def dashboard_pages(url: str, study: str) -> list[Page]:
    """Return the pages of Optuna's dashboard; it numbers studies, so the one wanted is looked up by name."""
    listed = requests.get(f"{url}/api/studies", timeout=60).json()["study_summaries"]
    number = next((one["study_id"] for one in listed if one["study_name"] == study), None)
    if number is None:
        raise SystemExit(f"no study {study!r} at {url}; there are {[one['study_name'] for one in listed]}")
    return [
        Page("optuna-dashboard", f"{url}/dashboard/studies/{number}", (study, "Pareto")),
        Page("optuna-trials", f"{url}/dashboard/studies/{number}/trials", ("Trial",)),
    ]


@contextmanager
def browser(width: int, height: int) -> Iterator[webdriver.Chrome]:
    """A Chromium without a window and with nothing remembered."""
    found = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if None in found.values():
        raise SystemExit(f"chromium and chromedriver must be on the path; found {found}")
    with tempfile.TemporaryDirectory() as profile:
        options = Options()
        options.binary_location = str(found["chromium"])
        for flag in (*QUIET, *SILENT, f"user-data-dir={profile}", f"window-size={width},{height}"):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(str(found["chromedriver"])))
        try:
            yield driver
        finally:
            driver.quit()


def open_first(driver: webdriver.Chrome, server: Server) -> None:
    """Close the assistant that MLflow opens beside the first page of a new browser."""
    driver.get(f"{server.url}/#/experiments/{server.experiment}/runs?{WORKFLOW}")
    time.sleep(3 * SETTLE_SECONDS)
    for element in driver.find_elements(By.XPATH, ASSISTANT)[:1]:
        driver.execute_script("arguments[0].click()", element)


def look(driver: webdriver.Chrome, page: Page, out: Path) -> Seen:
    """Open a page, wait for what it must show, and take its picture."""
    driver.get("about:blank")  # an address that differs behind its # alone would not be loaded anew
    driver.get_log("browser")
    driver.get(page.url)
    deadline = time.monotonic() + WAIT_SECONDS
    seen = read(driver, page)
    while seen.faults(page) and time.monotonic() < deadline:
        time.sleep(0.5)
        seen = read(driver, page)
    time.sleep(SETTLE_SECONDS)
    for path in page.clicks:
        for element in driver.find_elements(By.XPATH, path)[:1]:
            driver.execute_script("arguments[0].click()", element)
            time.sleep(SETTLE_SECONDS)
    if page.shown:
        for element in driver.find_elements(By.XPATH, page.shown)[-1:]:
            driver.execute_script("arguments[0].scrollIntoView()", element)
            time.sleep(SETTLE_SECONDS)
    seen = read(driver, page)
    origin = page.url.partition("/#")[0].partition("/dashboard")[0]
    logged = [one["message"] for one in driver.get_log("browser") if one["level"] == "SEVERE"]
    seen.errors = [
        f"browser: {line}"
        for line in logged
        if origin in line and "Failed to load" in line and EXPECTED_FAILURE not in line
    ]
    driver.save_screenshot(str(out / f"{page.name}.png"))
    return seen


def read(driver: webdriver.Chrome, page: Page) -> Seen:
    """Return what is there now."""
    frames = driver.find_elements(By.TAG_NAME, "iframe") if page.frame else []
    if page.frame and not frames:
        return Seen(list(page.words))
    if frames:
        driver.switch_to.frame(frames[0])
    try:
        text = driver.execute_script("return document.body ? document.body.innerText : ''") or ""
        widths = driver.execute_script(
            "return Array.from(document.images).filter(i => i.src).map(i => i.complete ? i.naturalWidth : 0)"
        )
    finally:
        driver.switch_to.default_content()
    return Seen([word for word in page.words if word not in text], widths)


def main() -> int:
    """Look at every page; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", help="name of a study")
    parser.add_argument("--url", default="http://127.0.0.1:5000", help="of MLflow's server")
    parser.add_argument("--dashboard", help="URL of optuna-dashboard; left out without it")
    parser.add_argument("--trials", type=int, nargs="+", help="scored trials to compare; the first three if left out")
    parser.add_argument("--out", type=Path, default=Path("docs/screenshots"))
    parser.add_argument("--pages", nargs="+", help="names of pages; all if left out")
    given = parser.parse_args()
    server = Server(given.url, given.study)
    listed = pages(server, given.trials or sorted(server.trials)[:3])
    listed += dashboard_pages(given.dashboard, given.study) if given.dashboard else []
    names = [page.name for page in listed]
    if unknown := set(given.pages or ()) - set(names):
        parser.error(f"--pages must be of {names}; got {sorted(unknown)}")
    given.out.mkdir(parents=True, exist_ok=True)
    wrong = 0
    with browser(1400, 1100) as driver:
        open_first(driver, server)
        for page in listed:
            if given.pages and page.name not in given.pages:
                continue
            seen = look(driver, page, given.out)
            faults = seen.faults(page)
            wrong += bool(faults)
            said = "; ".join(faults) or "in order"
            print(f"{page.name:18s} {len(seen.pictures):3d} pictures  {said}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
