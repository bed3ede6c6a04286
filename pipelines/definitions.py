"""The code location: everything that Dagster shows and runs for one company.

Loading it needs no secret, no network and no database; without a company folder there are no sources to load.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.assemble import build_definitions
from warehouse.company import Company, CompanyConfig, find_company, load_company
from warehouse.home import Home
from warehouse.settings import settings, silence_telemetry


def _company() -> Company:
    root = find_company()
    if root:
        return load_company(root)
    nobody = CompanyConfig(name="no company folder", base_currency="EUR", timezone="UTC", country="DE")
    home = settings().home or Path("lake")
    return Company(root=Path.cwd(), home=Home(home.resolve()), config=nobody)


silence_telemetry()
defs = build_definitions(_company())
