"""axe-core in a page: what it finds wrong for people who use a keyboard, a screen reader, or little contrast."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page

_SOURCE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
# WCAG 2.2 up to AA, and what axe-core holds for good practice beyond it.
_RUN = """async () => {
  const { violations, passes } = await axe.run(document, { resultTypes: ['violations', 'passes'] });
  const found = violations.map(({ id, nodes }) => [id, nodes.map(({ target, failureSummary }) => `${target}: ${failureSummary}`)]);
  return [found, passes.length];
}"""

_STILL = """() => {
  const roots = [document, ...[...document.querySelectorAll('*')].map(({ shadowRoot }) => shadowRoot).filter(Boolean)];
  const ending = roots.flatMap((root) => root.getAnimations()).filter((one) => Number.isFinite(one.effect.getTiming().iterations));
  return Promise.all(ending.map(({ finished }) => finished.catch(() => null)));
}"""


async def violations(page: Page) -> list[str]:
    """Each rule that is broken, with the elements and why; shadow trees are looked into.

    Waits for animations, in whose middle colours are not yet what they become.
    """
    await page.evaluate(_STILL)
    # By the debugger, since the page's policy rightly allows no such script.
    await page.evaluate(_SOURCE)
    found, passed = await page.evaluate(_RUN)
    assert passed > 20, "axe-core looked at nothing"
    return [f"{rule}: {node}" for rule, nodes in found for node in nodes]
