#!/usr/bin/env python3
"""The pages in a real Chromium: what they look like, that they follow, by keyboard, without a script, under load.

usage: browser_test.py BIN_DIR PAGE_SERVER PICTURES
Screenshots are left in PICTURES. Exits 77 without Chromium, unless CI is set.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from scene import MIB, Scene, a_map  # noqa: E402
from peers import CheckFailed, Process, expect  # noqa: E402

try:
    from browser import DESKTOP, PHONE, Browser, By, Keys
except ImportError:
    Browser = None

FOLLOW_S = 15.0


def pictures(browser: Browser, address: str, folder: Path) -> None:
    """Phone and desktop, light and dark; nothing sticks out."""
    for name, path in (("overview", "/"), ("region", "/backends/gpu0/regions/2")):
        browser.get(address + path)
        for size in (PHONE, DESKTOP):
            for scheme in ("light", "dark"):
                browser.look(size, scheme)
                browser.check_fits(f"{name} at {size[0]} px")
                browser.shoot(folder / f"{name}-{size[0]}-{scheme}.png")
        light, dark = (background(browser, scheme) for scheme in ("light", "dark"))
        if sum(light) < 600 or sum(dark) > 200:
            raise CheckFailed(f"colours follow the scheme: light {light}, dark {dark}")


def background(browser: Browser, scheme: str) -> list[int]:
    browser.look(DESKTOP, scheme)
    color = browser.run("getComputedStyle(document.body).backgroundColor")
    return [int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(",")]


CONTRAST = """(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; })
      .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const weak = new Set();
  for (const one of document.querySelectorAll('body *:not(svg *)')) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.nodeValue.trim());
    if (!own || !one.getClientRects().length || one.closest('noscript')) continue;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) weak.add(`${one.nodeName}.${one.className}: ${ratio.toFixed(2)}`);
  }
  return [...weak];
})()"""


def contrast(browser: Browser, address: str) -> None:
    """All text at least 4.5 to 1, as WCAG 2 AA asks."""
    for path in ("/", "/backends/gpu0/regions/2"):
        browser.get(address + path)
        for scheme in ("light", "dark"):
            browser.look(DESKTOP, scheme)
            expect(f"weak contrast of {path}, {scheme}", browser.run(CONTRAST), [])


def at_a_glance(browser: Browser, address: str) -> None:
    """The full region, the leak, the dangerous mapping and who is gone, each named once and linked."""
    browser.look(DESKTOP, "light")
    browser.get(address + "/")
    said = browser.text(".concerns")
    for words in ("gpu0 region 0 is full", "gpu0 region 2 10 MiB are unsafe to touch: beyond the end of a file",
                  "net0 region 0 16 MiB are unsafe to touch: their owner may be gone", "leak0 region 0 only grows",
                  "cam0 is DISCONNECTED", "net0 is DISCONNECTED"):
        if words not in " ".join(said.split()):
            raise CheckFailed(f"needs attention: expected {words!r}, got {said!r}")
    for link in browser.driver.find_elements(By.CSS_SELECTOR, ".concerns a"):
        anchor = link.get_attribute("href").partition("#")[2]
        expect(f"places called {anchor}", browser.run(f"document.querySelectorAll('[id=\"{anchor}\"]').length"), 1)
    ids = browser.run("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    expect("ids that stand twice", [one for one in ids if ids.count(one) > 1], [])


def rects(browser: Browser, region: str) -> int:
    return browser.run(f"document.querySelectorAll('#{region} svg.map rect').length")


def follows(browser: Browser, scene: Scene) -> None:
    """A mapping comes and goes, a back-end comes and goes: the page shows it, and what a person did stays."""
    script = ("regions: {0: 64MiB}\nsteps:\n" + a_map(0, 0, 4 * MIB)
              + "  - repeat:\n    - wait: 2500ms\n  " + a_map(0, 16 * MIB, 8 * MIB)
              + "    - wait: 2500ms\n    - unmap: {shmid: 0, shm_offset: 0x1000000, len: 0x800000}\n    times: forever\n")
    socket = scene.backend("late0", script=script)
    scene.daemon.ctl("attach", "late0", "--frontend", str(socket))
    browser.until("late0 on the page", lambda: browser.count("#b-late0"), FOLLOW_S)
    browser.run("document.querySelector('#b-late0 details').open = true; document.querySelector('#r-late0-0 th a').focus();"
                "document.querySelector('#r-late0-0').scrollIntoView(); window.mark = document.querySelector('#r-late0-0')")
    browser.run("""const line = document.createElement('p'); line.className = 'readout'; line.textContent = 'of no map';
        document.querySelector('.concerns').append(line)""")
    scrolled = browser.run("Math.round(scrollY)")
    if scrolled < 100:
        raise CheckFailed(f"the page is long enough to be scrolled: {scrolled}")
    seen = [rects(browser, "r-late0-0")]
    for _ in range(2):
        seen.append(browser.until("another number of segments", lambda: (now := rects(browser, "r-late0-0")) != seen[-1]
                                  and now, FOLLOW_S))
    expect("words of a map that is gone", browser.count(".concerns .readout"), 0)
    expect("segments, with every change", sorted(set(seen)), [1, 2])
    expect("the opened details stay open", browser.run("document.querySelector('#b-late0 details').open"), True)
    expect("the focus stays", browser.run("document.activeElement.closest('tbody').id"), "r-late0-0")
    expect("elements are changed, not replaced", browser.run("window.mark.isConnected"), True)
    if abs(browser.run("Math.round(scrollY)") - scrolled) > 200:
        raise CheckFailed("the scroll position stays")
    scene.daemon.ctl("detach", "late0")
    browser.until("late0 gone from the page", lambda: browser.count("#b-late0") == 0, FOLLOW_S)


def pauses(browser: Browser, address: str) -> None:
    browser.get(address + "/")
    button = browser.driver.find_element(By.CSS_SELECTOR, "#live button")
    button.click()
    expect("the status when paused", browser.text("#live").split()[0], "Paused")
    button.click()
    # Paused in the moment after a request has left: its answer does not make a page that stands still "Live".
    browser.run("""window.ended = 0; window.send = XMLHttpRequest.prototype.send;
        XMLHttpRequest.prototype.send = function () {
          this.addEventListener('loadend', () => { window.ended += 1; });
          window.send.call(this);
          document.querySelector('#live button').click();
        }""")
    browser.until("the end of the request", lambda: browser.run("window.ended"), FOLLOW_S)
    expect("the status when paused while asking", browser.text("#live").split()[0], "Paused")
    browser.run("XMLHttpRequest.prototype.send = window.send")
    button.click()
    browser.until("live again", lambda: browser.text("#live").startswith("Live, checked"))


def by_keyboard(browser: Browser, address: str) -> None:
    """Everything that can be clicked is reached by Tab; arrows go through a map, and its words are there to read."""
    browser.get(address + "/")
    wanted = browser.run("""[...document.querySelectorAll('a[href], button, summary, svg.map')]
        .filter((one) => one.getClientRects().length && (one.nodeName !== 'svg' || one.querySelector('rect')) &&
                         !(one.nodeName === 'SUMMARY' ? one.parentElement.parentElement : one).closest('details:not([open])'))
        .length""")
    browser.run("document.activeElement.blur(); window.scrollTo(0, 0); window.reached = new Set();"
                "document.addEventListener('focusin', (event) => window.reached.add(event.target))")
    browser.press(*[Keys.TAB] * (wanted + 3))
    reached = browser.run("window.reached.size")
    if reached < wanted:
        raise CheckFailed(f"reached by Tab: {reached} of {wanted}")
    browser.run("document.querySelector('#r-gpu0-2 svg.map').focus()")
    expect("words of the first segment", browser.text("#r-gpu0-2 .readout"),
           "0x0 to 0x800000 (8 MiB), read-write, MAPPED, memfd from 0x0 of 8 MiB")
    browser.press(Keys.ARROW_RIGHT)
    expect("words of the second", browser.text("#r-gpu0-2 .readout").partition(" (")[0], "0xc00000 to 0x1000000")
    browser.press(Keys.END)
    if "beyond the end of its file: an access is SIGBUS" not in browser.text("#r-gpu0-2 .readout"):
        raise CheckFailed(f"words of the last: {browser.text('#r-gpu0-2 .readout')!r}")
    browser.press(Keys.ESCAPE)
    browser.driver.find_element(By.CSS_SELECTOR, "#r-gpu0-2 th a").send_keys(Keys.ENTER)
    browser.until("the region's page", lambda: browser.driver.current_url.endswith("/backends/gpu0/regions/2"))
    expect("rows of its table", browser.count(".mappings tbody tr"), 3)


def after_the_end(browser: Browser, scene: Scene, address: str) -> None:
    """A shmemd that is gone is said; what is shown is marked as old."""
    browser.get(address + "/")
    scene.daemon.process.kill()
    browser.until("the status says so", lambda: browser.text("#live").startswith("No answer since"), FOLLOW_S)
    expect("the table is still there", browser.count("#r-gpu0-0"), 1)
    browser.driver.get_log("browser")  # that nobody answers is what this is about


def without_script(address: str, folder: Path) -> None:
    with Browser(script=False) as browser:
        for size in (PHONE, DESKTOP):
            browser.look(size, "light")
            browser.get(address + "/")
            expect("no button that does nothing", browser.count("#live button"), 0)
            for selector in (".concerns li", ".backend", "svg.map rect title", ".finding", ".events tr", "noscript p"):
                if browser.count(selector) == 0:
                    raise CheckFailed(f"without a script: no {selector}")
            browser.shoot(folder / f"overview-{size[0]}-no-script.png")
        browser.driver.find_element(By.LINK_TEXT, "Hold it still").click()
        expect("it is held still", browser.driver.current_url, address + "/?refresh=off")
        summary = browser.driver.find_element(By.CSS_SELECTOR, ".finding summary")
        summary.send_keys(Keys.ENTER)
        expect("a finding opens", summary.find_element(By.XPATH, "..").get_attribute("open"), "true")
        browser.check_quiet(address)


def crowded(server: Path, folder: Path) -> None:
    """256 regions and 100,000 mappings, and nothing at all."""
    for arguments, selector, count in ((("256", "100000"), ".region", 256), (("0", "0"), ".empty", 1)):
        with Process([str(server), *arguments]) as process, Browser() as browser:
            address = process.next_line("http://", 30).strip()
            browser.look(DESKTOP, "light")
            took_s = browser.get(address + "/")
            expect(f"{selector} on the page", browser.count(selector), count)
            print(f"{' regions, '.join(arguments)} mappings: loaded in {took_s * 1000:.0f} ms, "
                  f"{browser.run('performance.getEntriesByType(`navigation`)[0].decodedBodySize')} bytes, "
                  f"{browser.run('performance.getEntriesByType(`navigation`)[0].encodedBodySize')} sent")
            if took_s > 3:
                raise CheckFailed(f"loading took {took_s:.1f} s")
            browser.until("followed", lambda: browser.text("#live").startswith("Live, checked"), FOLLOW_S)
            for size in (PHONE, DESKTOP):
                browser.look(size, "light")
                browser.check_fits(f"{arguments[0]} regions at {size[0]} px")
                browser.shoot(folder / f"regions-{arguments[0]}-{size[0]}.png")
            browser.check_quiet(address)


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    programs, server, folder = map(Path, sys.argv[1:])
    if Browser is None or not shutil.which("chromium") or not shutil.which("chromedriver"):
        sys.exit("no Chromium: scripts/setup.sh check installs it" if os.environ.get("CI") else 77)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, Scene(programs, Path(directory) / "stage") as scene:
        address = scene.show()
        without_script(address, folder)
        with Browser() as browser:
            pictures(browser, address, folder)
            contrast(browser, address)
            at_a_glance(browser, address)
            follows(browser, scene)
            pauses(browser, address)
            by_keyboard(browser, address)
            browser.check_quiet(address)
            after_the_end(browser, scene, address)
    crowded(server, folder)


if __name__ == "__main__":
    main()
