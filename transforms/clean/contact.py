"""Ways to reach somebody: e-mail addresses, phone numbers, web addresses and domains.

Syntax only: nothing here asks the network whether an address exists.
"""

from __future__ import annotations

import functools
import re
from urllib.parse import urlsplit

import polars as pl

from transforms.clean.base import PLACEHOLDERS, Job, Mended, Outcome, as_text, start
from transforms.clean.text import INVISIBLE

_WORD = r"[a-z0-9_%+'&=~-]+"
#: A strict subset of what email-validator accepts and leaves as it is.
_GOOD_EMAIL = rf"^{_WORD}(?:\.{_WORD})*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{{2,24}}$"
_CHECKED_TLD = r"\.(?:arpa|invalid|local|localhost|onion|test)$"
_MORE_EMAIL_PLACEHOLDERS = frozenset(
    [
        "test@test.com",
        "test@test.de",
        "test@test.test",
        "a@a.com",
        "a@a.de",
        "x@x.com",
        "x@x.de",
        "na@na.com",
        "none@none.com",
        "no@no.com",
        "no@email.com",
        "none@email.com",
        "noemail@noemail.com",
        "email@email.com",
        "n/a@n/a.com",
        "asdf@asdf.com",
        "@",
    ]
)
_ANGLE = re.compile(r"^[^<>]*<\s*([^<>]+?)\s*>[\s,;]*$")
_GOOD_URL = r"^https?://(?:[a-z0-9-]+\.)+[a-z0-9-]{2,}(?::\d{1,5})?(?:[/?#]\S*)?$|^/[^\s/]\S*$|^/$"
_GOOD_DOMAIN = r"^(?:[a-z0-9]+(?:-+[a-z0-9]+)*\.)+[a-z]{2,24}$"
_HOST = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{1,30}")


def email_rule(values: pl.Series, job: Job) -> Outcome:
    """Lower case, bare, and right in its syntax; otherwise rejected."""
    work = start(as_text(values))
    bad_tld = work.values.str.contains(_CHECKED_TLD)
    odd = ~work.values.str.contains(_GOOD_EMAIL) | bad_tld | (work.values.str.len_bytes() > 80)
    if odd.any():
        low = work.values.str.to_lowercase()
        cased = odd & low.str.contains(_GOOD_EMAIL) & ~bad_tld & (low.str.len_bytes() <= 80)
        work.swap(pl.select(pl.when(cased).then(low).otherwise(work.values)).to_series(), "case")
        odd = odd & ~cased
    odd = odd | work.values.is_in(list(_MORE_EMAIL_PLACEHOLDERS))
    work.mend(odd, mend_email)
    return work.outcome()


def url_rule(values: pl.Series, job: Job) -> Outcome:
    """With scheme, the host in lower case. A path of one's own site (/shop) is a URL too."""
    work = start(as_text(values))
    work.mend(~work.values.str.contains(_GOOD_URL), mend_url)
    return work.outcome()


def domain_rule(values: pl.Series, job: Job) -> Outcome:
    """The host without www., from a domain, URL or e-mail address."""
    work = start(as_text(values))
    odd = ~work.values.str.contains(_GOOD_DOMAIN) | work.values.str.starts_with("www.")
    work.mend(odd, mend_domain)
    return work.outcome()


@functools.lru_cache(maxsize=20_000)
def mend_email(text: str) -> Mended:
    """One odd address: unwrapped, typing errors mended where only one reading is left, then checked."""
    bare = INVISIBLE.sub("", text.lower())
    if bare in PLACEHOLDERS or bare in _MORE_EMAIL_PLACEHOLDERS:
        return Mended(None, "placeholder")
    angle = _ANGLE.match(bare)
    bare = (angle[1] if angle else bare).removeprefix("mailto:").partition("?")[0]
    unwrapped = bare.strip(" \t\r\n<>\"'()[];:")
    # White space between two words may part a name, or another word, from the address.
    mended = re.sub(r"\s*([@.,])\s*", r"\1", unwrapped).strip(".,;")
    mended = re.sub(r"@{2,}", "@", mended)
    mended = re.sub(r",(?=(?:com|de|net|org|fr|es|nl|br|uk|it|eu|at|ch|pl)$|com?\.)", ".", mended)
    mended = re.sub(r"\.{2,}", ".", mended) if "@" in mended else mended
    mended = mended.replace("@.", "@").replace(".@", "@")
    checked = _checked_email(mended)
    if checked is None:
        return Mended(None, "invalid_email")
    if checked in _MORE_EMAIL_PLACEHOLDERS:
        return Mended(None, "placeholder")
    reason = "typing_error" if mended != unwrapped else "wrapping" if unwrapped != text.lower() else "case"
    return Mended(checked, None if checked == text else reason)


def _checked_email(text: str) -> str | None:
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(text, check_deliverability=False).normalized.lower()
    except (EmailNotValidError, UnicodeError, ValueError):
        return None


@functools.lru_cache(maxsize=20_000)
def mend_url(text: str) -> Mended:
    """One odd URL."""
    if text.lower() in PLACEHOLDERS or text.lower() in ("http://", "https://"):
        return Mended(None, "placeholder")
    whole = text if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) else "https://" + text.removeprefix("//")
    try:
        parts = urlsplit(whole)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return Mended(None, "invalid_url")
    bad = parts.scheme.lower() not in ("http", "https") or not _HOST.fullmatch(host) or re.search(r"\s", text)
    if bad or "@" in parts.netloc or (text.startswith("/") and not text.startswith("//")):
        return Mended(None, "invalid_url")
    rest = whole.split("://", 1)[1][len(parts.netloc) :]
    mended = f"{parts.scheme.lower()}://{host.lower()}{f':{port}' if port else ''}{rest}"
    return Mended(mended, None if mended == text else "url_form")


@functools.lru_cache(maxsize=20_000)
def mend_domain(text: str) -> Mended:
    """One odd domain."""
    if text.lower() in PLACEHOLDERS:
        return Mended(None, "placeholder")
    host = text.rpartition("@")[2] if "@" in text and "//" not in text else text
    host = re.sub(r"^[a-z][a-z0-9+.-]*://", "", host.strip().lower())
    host = re.split(r"[/?#:]", host, maxsplit=1)[0].rstrip(".")
    while host.startswith("www.") and host.count(".") > 1:
        host = host.removeprefix("www.")
    if not _HOST.fullmatch(host):
        return Mended(None, "invalid_domain")
    return Mended(host, None if host == text else "domain_form")
