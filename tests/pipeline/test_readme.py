"""The README's programs run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from site_under_test import Site

from tests.reference_records import item

pytestmark = pytest.mark.stack
README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_readme_produces_a_scan_and_hears_of_it(crew: Site) -> None:
    """One block produces a scan, the other prints the channel's offer that follows."""
    subscribe, produce = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    environment = {
        **os.environ,
        "PYTHONPATH": str(README.parent),
        "PYTHONUNBUFFERED": "1",
        "STOCKSTREAM_BOOTSTRAP": crew.stack.bootstrap,
        "STOCKSTREAM_REGISTRY": crew.stack.registry_url,
    }
    crew.send("erp.items", "SKU-0001", item("SKU-0001"))
    crew.producer.flush(10)
    crew.start("worker")
    subprocess.run([sys.executable, "-c", produce], env=environment, check=True, timeout=30)
    crew.settle()
    with subprocess.Popen(
        [sys.executable, "-c", subscribe], env=environment, stdout=subprocess.PIPE, text=True
    ) as shop:
        try:
            heard = next(line for line in shop.stdout if line.startswith("SKU-0001 "))
        finally:
            shop.kill()

    sku, quantity, status, revision = heard.split()
    assert (sku, status, revision) == ("SKU-0001", "IN_STOCK", "1")
    assert int(quantity) > 0
