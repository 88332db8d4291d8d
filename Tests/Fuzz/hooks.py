"""What the document cannot say: whose token the tests have, and why a request that fits its schema may be refused."""

import re

import schemathesis

USER = "fuzz"

# Rules about the clock, earlier answers and what is stored, which JSON Schema has no words for,
CODES = {"bad-cursor", "clock-skew", "conflict", "not-numeric", "precondition-failed", "resync-required"}
# and those between two members, about bytes, or in a bulk, where each item has its own.
DETAILS = re.compile(
    r"give .* or .*, not both|(key|prefix) needs a collection|must be (1 to|at most) \d+ bytes"
    r"|expires_at must be in the next ten years|max_numeric needs|ahead of the server"
)


@schemathesis.hook
def map_body(context, body):
    """Writes for the user that the token speaks for; a user_id that is none stays what it is."""
    if not isinstance(body, dict):
        return body
    body = {name: int(value) if is_whole(name, value) else value for name, value in body.items()}
    if "/admin/" in context.operation.path:
        return body
    if isinstance(body.get("items"), list):
        body["items"] = [map_body(context, item) for item in body["items"]]
    user = body.get("user_id")
    if isinstance(user, str) and re.fullmatch(r"[^\x00-\x1f\x7f]+", user) and bytes_of(user) <= 128:
        body["user_id"] = USER
    return body


def is_whole(name, value):
    """Whether it is an integer to JSON Schema, such as 1.0, and to the server none."""
    return name in ("exp", "ttl_seconds") and isinstance(value, float) and value.is_integer()


def bytes_of(text):
    return len(text.encode("utf-8", "surrogatepass"))


@schemathesis.hook
def filter_case(context, case):
    """Leaves the tests' own user alone: its token must stay good."""
    return not ("/admin/" in case.path and (case.path_parameters or {}).get("id") == USER)


@schemathesis.check
def refused_for_a_reason(ctx, response, case):
    """A request that fits the document is refused only for what the document cannot say."""
    generation = case.meta.generation if case.meta else None
    if generation is None or not generation.mode.is_positive or response.status_code not in (400, 410, 412, 422):
        return
    problem = response.json()
    faults = [error["detail"] for error in problem.get("errors", [])]
    if not faults and problem["code"] in CODES:
        return
    for fault in faults or [problem["detail"]]:
        if not DETAILS.search(fault):
            raise AssertionError(f"refused although it fits the document: {problem['code']}: {fault}")
