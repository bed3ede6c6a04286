"""What millpond.toml says of a system that needs no code: where its records are, how it pages, who may ask.

Words and limits only; how they are acted upon is in `endpoints`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors._api.options import ApiOptions


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BearerAuth(_Part):
    """A token in the Authorization header."""

    kind: Literal["bearer"]
    token: SecretStr


class BasicAuth(_Part):
    """User and password in the Authorization header."""

    kind: Literal["basic"]
    user: str
    password: SecretStr


class HeaderAuth(_Part):
    """A key in a header of its own."""

    kind: Literal["header"]
    name: str
    value: SecretStr


class OAuthAuth(_Part):
    """Access tokens from a token endpoint: by refresh token where there is one, else by client credentials."""

    kind: Literal["oauth2"]
    token_url: str = Field(pattern=r"^https?://")
    client_id: str
    client_secret: SecretStr
    refresh_token: SecretStr | None = None
    scope: str | None = None


class NoAuth(_Part):
    """Anybody may ask."""

    kind: Literal["none"] = "none"


Auth = Annotated[BearerAuth | BasicAuth | HeaderAuth | OAuthAuth | NoAuth, Field(discriminator="kind")]


class CursorPaging(_Part):
    """The answer holds a token (at the dotted path `next`) that the next request sends as `param`."""

    kind: Literal["cursor"]
    next: str
    param: str


class LinkPaging(_Part):
    """The answer holds the address of the next page: at the dotted path `next`, or in the Link header without it."""

    kind: Literal["link"]
    next: str | None = None


class NumberPaging(_Part):
    """Pages are counted: by page number from `first`, or by the number of records before (`offset`)."""

    kind: Literal["page", "offset"]
    param: str
    first: int = 1


class OnePage(_Part):
    """All records come at once."""

    kind: Literal["none"] = "none"


Paging = Annotated[CursorPaging | LinkPaging | NumberPaging | OnePage, Field(discriminator="kind")]


class Since(_Part):
    """The parameter that asks for what changed since a moment."""

    param: str
    format: Literal["iso", "seconds", "milliseconds", "date"] = "iso"


class Endpoint(_Part):
    """`[sources.<name>.endpoints.<table>]`: one list of records, and the raw table that it becomes."""

    path: str = Field(description="Path below base_url.")
    records: str | None = Field(default=None, description="Dotted path to the list; default: the answer is the list.")
    key: str | list[str] = Field(default="id", description="Dotted path to the id, or several that make it together.")
    modified: str | None = Field(default=None, description="Dotted path to the time of the last change.")
    clock: Literal["iso", "seconds", "milliseconds"] = "iso"
    deleted: str | None = Field(default=None, description="Dotted path to a boolean: true for deleted records.")
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters of every request.")
    size: int | None = Field(default=None, ge=1, description="Records a page.")
    size_param: str | None = None
    paging: Paging = Field(default_factory=OnePage)
    since: Since | None = None
    lookback_minutes: int = Field(default=60, ge=0)
    count: str | None = Field(default=None, description="Dotted path to the number of all records, if answers tell it.")

    @model_validator(mode="after")
    def _complete(self) -> Endpoint:
        if self.since is not None and self.modified is None:
            raise ValueError("since needs modified, the path to the time of the last change, to know where it stands")
        if self.paging.kind in ("page", "offset") and self.size is None:
            raise ValueError(f"paging by {self.paging.kind} needs size, the number of records a page")
        if (self.size is None) != (self.size_param is None) and self.paging.kind not in ("page", "offset"):
            raise ValueError("size and size_param go together")
        return self


class Limit(_Part):
    """How often the system may be asked."""

    requests: float = Field(gt=0)
    seconds: float = Field(default=1.0, gt=0)


class RestOptions(ApiOptions):
    """`[sources.<name>]` with `connector = "rest"`."""

    base_url: str = Field(pattern=r"^https?://", description="Address that the paths of the endpoints follow.")
    auth: Auth = Field(default_factory=NoAuth)
    headers: dict[str, str] = Field(default_factory=dict)
    rate: Limit = Field(default_factory=lambda: Limit(requests=5))
    endpoints: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")], Endpoint] = Field(min_length=1)
