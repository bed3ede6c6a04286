"""Commands about who is who: review goes through uncertain pairs of records, explain-match says why of any pair."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from pipelines.cli.app import app, fail, out, plain_errors, the_company

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.matching import Matches, Question
    from transforms.identity import Explainer, Explanation
    from warehouse.company import Company
    from warehouse.decisions import Decision, Verdict

#: Fields of a record that are compared by eye, in this order.
FIELDS = (
    *("full_name", "email", "phone", "company_name", "external_id", "birth_date", "street", "postcode", "city"),
    "country",
)
#: What is told of each without comparing.
FACTS = ("record_id", "created_at", "updated_at", "customer_id", "customer_records", "orders", "net_revenue_base")
ANSWERS: Mapping[str, Verdict] = {"s": "same", "d": "different", "l": "later"}
ASK = "\\[s]ame person, \\[d]ifferent, \\[l]ater, \\[u]ndo the last, \\[q]uit; a note may follow"


@app.command()
def review(
    pair: Annotated[
        list[str] | None,
        typer.Argument(help="Two records or customers; with --undo also a decision's number. Default: the queue."),
    ] = None,
    same: Annotated[bool, typer.Option("--same", help="Decide that the two are one person.")] = False,
    different: Annotated[bool, typer.Option("--different", help="Decide that they are two.")] = False,
    later: Annotated[bool, typer.Option("--later", help="Put the two to the end of the queue.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take a decision back.")] = False,
    note: Annotated[str | None, typer.Option(help="Why, for whoever reads it later.")] = None,
    by: Annotated[str | None, typer.Option(help="Who decides; default: the user of this machine.")] = None,
    show: Annotated[bool, typer.Option("--list", help="List the queue, and decide nothing.")] = False,
    decided: Annotated[bool, typer.Option("--decided", help="List what was decided, with numbers.")] = False,
    limit: Annotated[int, typer.Option(help="Pairs or decisions listed at most.")] = 20,
) -> None:
    """Decide whether uncertain pairs of records are one person.

    Without a pair it goes through the queue, shows both records side by side with what speaks for and against, and
    asks. Decisions overrule the records from the next refresh on, for good, until they are undone.

    Example: millpond review contact:crm:17 contact:shop:9 --same --note "same birthday, moved house"
    """
    chosen: dict[Verdict, bool] = {"same": same, "different": different, "later": later}
    verdicts = [verdict for verdict, is_chosen in chosen.items() if is_chosen]
    if len(verdicts) + undo + show + decided > 1:
        fail("Choose one of --same, --different, --later, --undo, --list and --decided.")
    from pipelines.matching import published_matches

    company, names = the_company(), pair or []
    with plain_errors(), published_matches(company.home) as matches:
        if show:
            _list(matches.queue(), limit)
        elif decided:
            _list_decided(company, matches, limit)
        elif undo:
            _undo(company, matches, names, by)
        elif verdicts:
            left, right = matches.pair(*_two(names))
            made = _decide(company, left, right, verdicts[0], by, note)
            _say(made)
            _next(company, [made])
        else:
            _walk(company, matches, _questions(matches, names), by)


@app.command(name="explain-match")
def explain_match(
    one: Annotated[str, typer.Argument(help="A record or a customer.")],
    other: Annotated[str, typer.Argument(help="Another record or customer, or a customer again for all its records.")],
) -> None:
    """Say what speaks for and against two records being one person, and how much.

    Every comparison counts so many bits: each doubles the odds, or halves them below 0. For customers the strongest
    pair is explained and the others are listed.

    Example: millpond explain-match contact:crm:17 contact:shop:9
    """
    from pipelines.matching import published_matches
    from transforms.identity import IdentityError

    company = the_company()
    with plain_errors(), published_matches(company.home) as matches:
        pairs = _pairs_between(matches, one, other)
        with out.status("Learning from all records what agreement says …"), matches.explainer() as explainer:
            try:
                told = sorted((explainer.explain(*pair) for pair in pairs), key=lambda e: -_total(e))
            except IdentityError as error:
                fail(str(error))
        _explain(matches, told[0])
        if len(told) > 1:
            out.print(_others(told[1:]))


def _questions(matches: Matches, names: Sequence[str]) -> list[tuple[str, str]]:
    if names:
        return [matches.pair(*_two(names))]
    return [(q.left, q.right) for q in matches.queue()]


def _two(names: Sequence[str]) -> tuple[str, str]:
    if len(names) != 2:
        fail("Name two records or customers, such as `millpond review contact:crm:17 contact:shop:9 --same`.")
    return names[0], names[1]


def _walk(company: Company, matches: Matches, questions: Sequence[tuple[str, str]], by: str | None) -> None:
    """Ask about each pair until there are no more or somebody has enough."""
    if not questions:
        out.print("No pair waits for a decision.")
        return
    made: list[Decision] = []
    at = 0
    with ExitStack() as open_while_asking:
        with out.status("Learning from all records what agreement says …"):
            explainer = open_while_asking.enter_context(matches.explainer())
        while at < len(questions):
            left, right = questions[at]
            out.rule(f"{at + 1} of {len(questions)}")
            _show(matches, explainer, left, right)
            answer, note = _answer()
            if answer == "q":
                break
            if answer == "u":
                at = _step_back(company, made, by, at)
                continue
            made.append(_decide(company, left, right, ANSWERS[answer], by, note))
            _say(made[-1])
            at += 1
    _next(company, made)


def _step_back(company: Company, made: list[Decision], by: str | None, at: int) -> int:
    from warehouse import decisions

    if not made:
        out.print("Nothing was decided yet that could be undone here; see `millpond review --decided`.")
        return at
    undone = decisions.undo(company.home, made.pop().decision_id, by=_user(by), at=_now())
    out.print(f"Decision {undone.decision_id} is undone.")
    return at - 1


def _answer() -> tuple[str, str | None]:
    """The letter of the answer and the note after it; the end of the input is an answer too."""
    while True:
        out.print(ASK)
        try:
            words = typer.prompt(">", prompt_suffix=" ").split(maxsplit=1)
        except typer.Abort:
            return "q", None
        letter = words[0][0].lower() if words else ""
        if letter in (*ANSWERS, "u", "q"):
            return letter, words[1] if len(words) > 1 else None
        out.print("Answer with one of these letters.")


def _decide(company: Company, left: str, right: str, verdict: Verdict, by: str | None, note: str | None) -> Decision:
    from warehouse import decisions

    held = decisions.standing(decisions.read(company.home)).get((min(left, right), max(left, right)))
    if verdict == "later" and held and held.verdict != "later":
        fail(f"Decision {held.decision_id} says that they are {held.verdict}; undo it first.")
    return decisions.decide(company.home, left, right, verdict, by=_user(by), at=_now(), note=note)


def _undo(company: Company, matches: Matches, names: Sequence[str], by: str | None) -> None:
    from warehouse import decisions

    if len(names) == 1 and names[0].isdecimal():
        number = int(names[0])
    else:
        one, other = _two(names)
        found = [d for d in matches.decided_about(one, other) if not d.undone_at]
        if not found:
            fail(f"Nothing is decided about {one} and {other}; `millpond review --decided` lists what is.")
        if len(found) > 1:
            numbers = ", ".join(str(d.decision_id) for d in found)
            fail(f"There are several decisions about {one} and {other}; undo one by its number: {numbers}.")
        number = found[0].decision_id
    undone = decisions.undo(company.home, number, by=_user(by), at=_now())
    told = f"Decision {number} is undone: {undone.record_left} and {undone.record_right}, {undone.verdict}."
    out.print(escape(told), soft_wrap=True)
    _next(company, [undone])


def _now() -> datetime:
    from warehouse import clock

    return clock.now().replace(microsecond=0)


def _user(by: str | None) -> str:
    import getpass

    try:
        return by or getpass.getuser()
    except (KeyError, OSError):
        fail("This machine does not know who you are; say it with --by NAME.")


def _say(made: Decision) -> None:
    told = {"same": "are one person", "different": "are two people", "later": "wait at the end of the queue"}
    out.print(
        f"Decision {made.decision_id}: {escape(made.record_left)} and {escape(made.record_right)} "
        f"{told[made.verdict]}.",
        soft_wrap=True,
    )


def _next(company: Company, changed: Sequence[Decision]) -> None:
    if any(decision.verdict != "later" for decision in changed):
        out.print(f"Takes effect with the next refresh: millpond --company {company.root} run", soft_wrap=True)


def _list(questions: Sequence[Question], limit: int) -> None:
    if not questions:
        out.print("No pair waits for a decision.")
        return
    table = Table(*_ids("one record", "the other"), "one person", "for", "against", box=None)
    for q in questions[:limit]:
        now = " (they are now)" if q.left_customer == q.right_customer else ""
        row = (q.left, q.right, f"{q.probability:.0%}{now}", q.for_evidence, q.against_evidence)
        table.add_row(*map(escape, row))
    out.print(table)
    if len(questions) > limit:
        out.print(f"… {len(questions) - limit:,} more; raise --limit. `millpond review` goes through them.")


def _list_decided(company: Company, matches: Matches, limit: int) -> None:
    from warehouse import decisions

    log = decisions.read(company.home)
    if not log:
        out.print("Nothing was decided yet.")
        return
    standing = set(decisions.standing(log).values())
    ids = _ids("one record", "the other")
    table = Table("number", *ids, "verdict", "state", "by", "at (UTC)", "note", box=None)
    for d in reversed(log[-limit:]):
        state = matches.state_of(d) if d in standing or d.undone_at else "overruled"
        row = (str(d.decision_id), d.record_left, d.record_right, d.verdict, state, d.decided_by)
        table.add_row(*map(escape, (*row, f"{d.decided_at:%Y-%m-%d %H:%M}", d.note or "")))
    out.print(table)


def _ids(*headers: str) -> list[Column]:
    """Columns of ids, which stay whole so that they can be copied."""
    return [Column(header, overflow="fold") for header in headers]


def _show(matches: Matches, explainer: Explainer, left: str, right: str) -> None:
    one, other = matches.record(left), matches.record(right)
    out.print(_side_by_side(one, other))
    out.print(_evidence(explainer.explain(left, right)))
    if one["customer_id"] == other["customer_id"]:
        out.print("They are one customer now.")


def _side_by_side(one: Mapping[str, Any], other: Mapping[str, Any]) -> Table:
    table = Table("", "one record", "", "the other", box=None)
    for name in (*FIELDS, *FACTS):
        left, right = _text(one[name]), _text(other[name])
        if not left and not right:
            continue
        mark = ""
        if name in FIELDS and left and right:
            mark = "[green]=[/green]" if left.casefold() == right.casefold() else "[red]≠[/red]"
        table.add_row(name.replace("_", " "), escape(left), mark, escape(right))
    return table


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    return "" if value is None else str(value)


def _explain(matches: Matches, told: Explanation) -> None:
    one, other = matches.record(told.left), matches.record(told.right)
    out.print(_side_by_side(one, other))
    out.print(_evidence(told))
    left, right = one["customer_id"], other["customer_id"]
    out.print(f"They are one customer: {left}." if left == right else f"They are two customers: {left} and {right}.")
    found = matches.decided_about(left, right)
    for d in found:
        who = f"by {d.decided_by}, {d.decided_at:%Y-%m-%d}{f' ({d.note})' if d.note else ''}"
        what = f"Decision {d.decision_id}: {d.record_left} and {d.record_right} {d.verdict}, {who}"
        out.print(escape(f"{what}; {matches.state_of(d)}."), soft_wrap=True)
    if not found and (left == right) != (_total(told) > 0):
        out.print("Other records of theirs join them." if left == right else "Other records of theirs keep them apart.")


def _evidence(told: Explanation) -> Table:
    """What speaks for and against, the strongest first, adding up to the odds."""
    table = Table("", "one record", "the other", "", "bits", box=None)
    for row in sorted(told.rows, key=lambda row: -row.bits):
        if round(row.bits, 1):
            cells = (row.name, row.left_value or "", row.right_value or "", row.says)
            table.add_row(*map(escape, cells), _bits(row.bits))
    table.add_row("any two records", "", "", "before they are compared", _bits(told.prior_bits))
    table.add_section()
    table.add_row("together", "", "", f"one person with {told.probability:.1%}", _bits(_total(told)))
    return table


def _bits(value: float) -> str:
    return f"[{'green' if value > 0 else 'red'}]{value:+.1f}[/]"


def _total(told: Explanation) -> float:
    return told.prior_bits + sum(row.bits for row in told.rows)


def _pairs_between(matches: Matches, one: str, other: str) -> list[tuple[str, str]]:
    left, right = matches.named(one), matches.named(other)
    pairs = {(min(a, b), max(a, b)) for a in left.records for b in right.records if a != b}
    if not pairs:
        fail(f"{one} and {other} are one record; name two.")
    return sorted(pairs)


def _others(told: Sequence[Explanation]) -> Table:
    table = Table(*_ids("other pairs", ""), "bits", "one person", box=None)
    for e in told[:20]:
        table.add_row(escape(e.left), escape(e.right), _bits(_total(e)), f"{e.probability:.1%}")
    return table
