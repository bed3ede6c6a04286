"""Makes a connector of what a vendor's folder says: options, how to reach it, its resources, its version.

The one thing that such a folder has to call. Importing it loads neither dlt nor Arrow nor DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from connectors._api.auth import Auth, Static
from connectors._api.client import NOT_AS_DOCUMENTED, Answer, ApiError, Client, Manners, Patience
from connectors._api.options import ApiOptions, parse, sentences
from connectors._api.pace import Rate, pace_of
from connectors._api.resource import RAW_COLUMNS, Resource
from connectors.base import ApiVersion, Connector, ConnectorError, Extraction, Source, Workspace

#: A look at one scope of a source: yields one sentence per trouble, or raises ApiError with it.
Probe = Callable[[Client, Any], Iterator[str]]


def api_connector(
    *,
    name: str,
    title: str,
    description: str,
    options: type[ApiOptions],
    client: Callable[[Source, Any], Client],
    resources: Callable[[Any], Sequence[Resource]],
    version: ApiVersion,
    probe: Probe,
    mappings: Path | None = None,
    check: Callable[[Source, Any], list[str]] = lambda source, chosen: [],
) -> Connector:
    """Gives the connector.

    Args:
        client: makes the client of a source; see `client_of`.
        resources: what there is to read, given the options.
        probe: asks the vendor whether the key and its scopes will do.
        check: what else can be said against the options without asking anybody.
    """

    def build(source: Source, workspace: Workspace) -> Extraction:
        from connectors._api import extract

        chosen = _chosen(source)
        found = resources(chosen)
        return extract.build(
            source,
            workspace,
            options=chosen,
            api=client(source, chosen),
            resources=found,
            version=version.name,
        )

    def discover(source: Source) -> dict[str, dict[str, str]]:
        chosen = _chosen(source)
        return {r.name: dict(RAW_COLUMNS) for r in resources(chosen)}

    def problems(source: Source) -> list[str]:
        try:
            chosen = parse(source, options)
        except ValidationError as error:
            return sentences(source, error, title)
        known = [r.name for r in resources(chosen)]
        strange = [t for t in chosen.tables or [] if t not in known]
        return [
            *(
                f"millpond.toml: sources.{source.name}.tables: there is no table {table}; {title} has "
                f"{', '.join(known)}."
                for table in strange
            ),
            *check(source, chosen),
        ]

    def connect(source: Source) -> list[str]:
        chosen = _chosen(source)
        api = client(source, chosen)
        try:
            return list(probe(api, chosen))
        except ConnectorError as error:
            return [str(error)]
        except NOT_AS_DOCUMENTED as error:
            return [
                f"{title} (source '{source.name}'): an answer is not as documented ({type(error).__name__}: {error})."
            ]
        finally:
            api.close()

    def _chosen(source: Source) -> Any:
        try:
            return parse(source, options)
        except ValidationError as error:
            raise ConnectorError(" ".join(sentences(source, error, title))) from None

    return Connector(
        name=name,
        title=title,
        description=description,
        options=options,
        build=build,
        discover=discover,
        problems=problems,
        connect=connect,
        mappings=mappings,
        api=version,
    )


def client_of(
    source: Source,
    options: ApiOptions,
    *,
    title: str,
    base_url: str,
    auth: Auth,
    account: str,
    rate: Rate,
    manners: Manners | None = None,
    headers: Mapping[str, str] | None = None,
    narrow: Mapping[str, Rate] | None = None,
) -> Client:
    """Makes a source's client with the patience that its options say.

    Args:
        base_url: the vendor's own address; the options may name another.
        account: tells apart what has rate limits of its own, without secrets.
        rate: the documented limit.
        narrow: documented limits of some endpoints, by a part of their path.
    """
    address = options.base_url or base_url
    budget = f"{title} {address} {account}"
    return Client(
        source=source.name,
        title=title,
        base_url=address,
        auth=auth,
        pace=pace_of(budget, rate.times(options.rate_factor)),
        manners=manners or Manners(),
        patience=Patience(
            timeout_seconds=options.timeout_seconds,
            attempts=options.attempts,
            first_pause_seconds=options.first_pause_seconds,
            seconds=options.patience_seconds,
        ),
        headers=headers or {},
        narrow={
            part: pace_of(f"{budget} {part}", limit.times(options.rate_factor))
            for part, limit in (narrow or {}).items()
        },
    )


def token_endpoint(
    source: Source, options: ApiOptions, url: str, *, title: str, headers: Mapping[str, str] | None = None
) -> Callable[[Mapping[str, str]], Mapping[str, Any]]:
    """Makes what `OAuth2` asks for access tokens.

    Args:
        url: the token endpoint, which may lie on another host than the interface.
        headers: for vendors that want the client's id and secret there and not in the form.
    """
    asker = client_of(
        source,
        options.model_copy(update={"base_url": None}),
        title=title,
        base_url=url,
        auth=Static(headers or {}),
        account=f"{source.name} token",
        rate=Rate(requests=1),
        manners=Manners(explain=_explain_grant),
    )

    def ask(form: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            return asker.ask("POST", url, form=form)
        finally:
            asker.close()

    return ask


def _explain_grant(answer: Answer, path: str) -> str | None:
    """What is wrong with a grant, by the error codes of RFC 6749, section 5.2."""
    meanings = {
        "invalid_grant": "the refresh token was refused; it was revoked, has ended or was used elsewhere. Connect anew "
        "and put the new one into .env.",
        "invalid_client": "the client id or secret was refused; compare them with the vendor's settings.",
        "unauthorized_client": "the client may not use this grant; allow it in the vendor's settings.",
        "invalid_scope": "a scope is not known or not granted.",
    }
    return next((text for code, text in meanings.items() if code.encode() in answer.body), None)


def refusals(*asks: Callable[[], Any]) -> Iterator[str]:
    """Asks one thing after the other; gives the sentence of each that is refused."""
    for ask in asks:
        try:
            ask()
        except ApiError as error:
            yield str(error)
            if error.status in (0, 401):
                return
