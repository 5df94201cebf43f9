"""Tests of colours on a session's page, by what the browser computes."""

from __future__ import annotations

import pytest

from ..browser import Browser, Opening
from ..serving import ServerProcess, wait_until

# The worst contrast of all runs, and how many there are. What is seen through opacity has the page's colour in it.
WORST = """
const parts = (color) => color.match(/[\\d.]+/g).map(Number);
const page = parts(getComputedStyle(document.body).backgroundColor);
const linear = (value) => (value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
const luminance = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
let [count, worst] = [0, { contrast: 21 }];
for (const span of document.querySelectorAll('.lines span')) {
  const { color, backgroundColor, opacity } = getComputedStyle(span);
  const seen = (color) => color.map((part, at) => Math.round(opacity * part + (1 - opacity) * page[at]));
  const back = parts(backgroundColor)[3] === 0 ? page : parts(backgroundColor);
  const values = [luminance(seen(parts(color))), luminance(seen(back))];
  const contrast = (Math.max(...values) + 0.05) / (Math.min(...values) + 0.05);
  if (contrast < worst.contrast) worst = { contrast, text: span.textContent, color, backgroundColor, opacity };
  count += 1;
}
return [count, worst];
"""

pytestmark = pytest.mark.parametrize("server", ["gunicorn"], indirect=True)


def test_each_colour_can_be_read_on_each(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """Pairs of 256 colours have a contrast of 4.5 or more, and so have all with the usual ones.

    These are a quarter of all pairs, with each colour in front of and behind 64 others; all are tried in Node.
    """
    ways = [f"{front};{back}" for front in range(30, 38) for back in (*range(40, 48), *range(100, 108))]
    ways += [f"{attribute};{base + index}" for attribute in "27" for base in (30, 40, 90, 100) for index in range(8)]
    ways += [f"{attribute};{base};5;{index}" for attribute in "0127" for base in (38, 48) for index in range(256)]
    lines = [
        "".join(f"\x1b[38;5;{fore};48;5;{back}m{fore},{back}" for back in range(fore % 4, 256, 4))
        for fore in range(256)
    ]
    lines += [f"\x1b[{way}m{way}" for way in ways]
    # All of them have scrolled off the screen, where a line that wraps is cut into rows.
    server.log("pairs").write_text("".join(f"{line}\x1b[0m\n" for line in lines) + "\n" * 30)
    open_page("pairs")
    browser.await_so("document.querySelectorAll('.lines span').length >= values[0]", 16_384 + len(ways))
    for scheme in ("light", "dark"):
        browser.emulate(scheme)
        _, worst = browser.run(WORST)
        assert worst["contrast"] >= 4.5, (scheme, worst)


def test_hidden_text_is_hidden(open_page: Opening, server: ServerProcess) -> None:
    """Whatever colours it has; it stays where it is."""
    styles = ["8", "8;31", "8;31;44", "8;7", "8;2", "8;4"]
    server.log("hidden").write_text("".join(f"\x1b[{style}msecret {style}\x1b[0m seen\n" for style in styles))
    page = open_page("hidden")
    page.await_text("".join(f"secret {style} seen\n" for style in styles))
    for style in styles:
        assert page.style(f"secret {style}")["color"] == "rgba(0, 0, 0, 0)", style


def test_the_reader_chooses_light_or_dark(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """On every page, from the beginning, until the system's colours are chosen again; runs follow at once."""
    back = "return getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(255, 255, 255)", "rgb(22, 24, 29)"
    server.log("chosen").write_text("\x1b[31mred\x1b[0m\n")
    page = open_page("chosen")
    page.await_text("red\n")

    def choose(value: str) -> None:
        browser.driver.find_element("css selector", f"#theme option[value='{value}']").click()

    choose("dark")
    assert browser.run(back) == dark
    assert page.style("red")["color"] == "rgb(240, 105, 111)"
    browser.driver.refresh()
    assert browser.run(back) == dark
    assert browser.run("return document.documentElement.dataset.theme") == "dark"
    assert browser.run("return document.querySelector('#theme').value") == "dark"
    browser.driver.find_element("link text", "Sessions").click()
    wait_until(lambda: browser.driver.title == "Sessions")
    assert browser.run(back) == dark
    browser.emulate("dark")
    choose("light")
    assert browser.run(back) == light
    choose("")
    assert browser.run(back) == dark
    browser.driver.refresh()
    assert browser.run("return document.cookie") == ""
    assert browser.run(back) == dark


def test_only_colours_that_there_are_can_be_chosen(server: ServerProcess) -> None:
    """A cookie that somebody made up is not put into the page."""
    for value, shown in (("dark", ' data-theme="dark"'), ("light", ' data-theme="light"'), ("x", ""), ("", "")):
        answer = server.fetch("/", headers={"Cookie": f"logstream_theme={value}"})
        assert f'<html lang="en"{shown}>' in answer.body.decode()
