"""A real Chromium without a window, and what may be asked of a page in it."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path

from peers import CheckFailed, expect
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PHONE, DESKTOP = (360, 800), (1280, 900)
DEADLINE_S = 10.0
POLL_S = 0.05


class Browser:
    """One tab. Remembers every request and every complaint of the console until `check_quiet`."""

    def __init__(self, script: bool = True):
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        # The sandbox wants privileges that a build machine does not give; only our own page is loaded.
        for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "hide-scrollbars",
                     "no-first-run", "disable-background-networking", "disable-component-update", "no-proxy-server"):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        if not script:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_page_load_timeout(30)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_) -> None:
        self.driver.quit()

    def look(self, size: tuple[int, int], scheme: str) -> None:
        width, height = size
        self._cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=size == PHONE)
        self._cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def get(self, address: str) -> float:
        """Loads a page; the seconds it took."""
        begin = time.monotonic()
        self.driver.get(address)
        return time.monotonic() - begin

    def run(self, expression: str):
        return self._cdp("Runtime.evaluate", expression=expression, returnByValue=True,
                         awaitPromise=True)["result"].get("value")

    def text(self, selector: str) -> str:
        return self.driver.find_element(By.CSS_SELECTOR, selector).text

    def count(self, selector: str) -> int:
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def press(self, *keys: str) -> None:
        """To whatever has the focus, as a keyboard does."""
        actions = webdriver.ActionChains(self.driver)
        for key in keys:
            actions.send_keys(key)
        actions.perform()

    def until(self, what: str, ask: Callable, deadline_s: float = DEADLINE_S):
        end = time.monotonic() + deadline_s
        while not (got := ask()):
            if time.monotonic() > end:
                raise CheckFailed(f"{what}: not within {deadline_s:g} s, still {got!r}")
            time.sleep(POLL_S)
        return got

    def shoot(self, file: Path) -> None:
        """All of the page, also what lies below the window."""
        size = self._cdp("Page.getLayoutMetrics")["cssContentSize"]
        image = self._cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                          clip={"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1})
        file.write_bytes(base64.b64decode(image["data"]))

    def shoot_window(self, file: Path) -> None:
        """What the window shows without scrolling."""
        file.write_bytes(base64.b64decode(self._cdp("Page.captureScreenshot", format="png")["data"]))

    def check_fits(self, what: str) -> None:
        """Nothing has to be scrolled sideways; what does stick out is named."""
        wide = self.run("""(() => {
            const width = document.documentElement.clientWidth;
            const out = [...document.querySelectorAll('body *')].filter((one) => {
              const box = one.getBoundingClientRect();
              return box.width && box.height && (box.right > width + 0.5 || box.left < -0.5) &&
                     !one.closest('pre, svg, .vh, .skip, thead');
            }).map((one) => `${one.nodeName}.${one.getAttribute('class') || ''}`);
            return [document.documentElement.scrollWidth - width, out.slice(0, 5)];
        })()""")
        expect(f"{what}: what is wider than the window", wide, [0, []])

    def check_quiet(self, origin: str) -> None:
        """No complaint on the console, no violation of the policy, nothing asked of anybody else."""
        complaints = [entry for entry in self.driver.get_log("browser") if "/readyz" not in entry["message"]]
        expect("messages on the console", complaints, [])
        asked = set()
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked.add(message["params"]["request"]["url"])
        foreign = {url for url in asked if not url.startswith(origin + "/") and not url.startswith(("data:", "chrome"))}
        expect("requests to somewhere else", foreign, set())

    def _cdp(self, command: str, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)


__all__ = ["DESKTOP", "PHONE", "Browser", "By", "Keys"]
