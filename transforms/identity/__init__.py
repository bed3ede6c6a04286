"""Who is who: which records of the sources are one person, and the lasting id that the person goes by.

`resolve` groups records, `assign` keeps customer ids steady from night to night, `link` does both and obeys what
people decided, which `settle` brings into agreement, and `explain` says why. `accounts` does the same for companies.
Products and staff are matched in SQL, under `transforms/model/identity/`.
"""

from transforms.identity.assignment import assign
from transforms.identity.decided import settle
from transforms.identity.linkage import Linked, accounts, link, resolve
from transforms.identity.reasons import Explainer, Explanation, Weight, explain, explaining
from transforms.identity.workbench import IdentityError

__all__ = [
    "Explainer",
    "Explanation",
    "IdentityError",
    "Linked",
    "Weight",
    "accounts",
    "assign",
    "explain",
    "explaining",
    "link",
    "resolve",
    "settle",
]
