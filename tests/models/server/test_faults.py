"""What a server's answer means: cases of each kind, of many servers, written from their
documentation."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from rlkd_cli.models.server import faults
from rlkd_cli.models.server.faults import AWAY, END, REJECT, RETRY, SLOW, fault_of
from tests.conftest import COLLECTED

# (status, body, what it means, the reject's code where it is one)
CASES = [
    # Every further request would be refused alike
    (403, {"code": "insufficient_user_quota", "message": "no more"}, END, None),
    (
        429,
        {"error": {"message": "Quota used up", "type": "exceeded_current_quota_error"}},
        END,
        None,
    ),
    (429, {"error": {"message": "You have run out of credits.", "code": "1113"}}, END, None),
    (
        400,
        {"error": {"message": "Access denied: your account is in arrears.", "code": "Arrearage"}},
        END,
        None,
    ),
    (
        400,
        [
            {
                "error": {
                    "code": 400,
                    "status": "INVALID_ARGUMENT",
                    "message": "API key not valid.",
                    "details": [{"reason": "API_KEY_INVALID"}],
                }
            }
        ],
        END,
        None,
    ),
    (
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Incorrect API key provided: xai",
        },
        END,
        None,
    ),
    (
        400,
        {"error": {"message": "The model `x` has been decommissioned and is no longer supported."}},
        END,
        None,
    ),
    (
        404,
        {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError"},
        END,
        None,
    ),
    (404, b"<html><title>404 Not Found</title><body>nginx</body></html>", END, None),
    (405, {"detail": "Method Not Allowed"}, END, None),
    (403, {"error": {"message": "Country, region, or territory not supported"}}, END, None),
    (
        402,
        {
            "error": {
                "message": "This request requires more credits, or fewer max_tokens.",
                "code": 402,
            }
        },
        END,
        None,
    ),
    (
        412,
        {"error": "Account x is suspended, possibly for reaching the monthly spending limit"},
        END,
        None,
    ),
    (
        403,
        {"error": {"message": "Your account was suspended for violating our usage policies"}},
        END,
        None,
    ),
    (200, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, END, None),
    (200, {"error": {"message": "Insufficient credits"}}, END, None),
    (200, {"error": {"message": "No auth credentials found", "code": 401}}, END, None),
    (
        429,
        {
            "error": {
                "code": 429,
                "message": "You exceeded your current quota",
                "status": "RESOURCE_EXHAUSTED",
                "details": [
                    {"violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]},
                    {"retryDelay": "30s"},
                ],
            }
        },
        END,
        None,
    ),
    (
        429,
        {"error": {"message": "Rate limit exceeded: free-models-per-day.", "code": 429}},
        END,
        None,
    ),
    # This record alone
    (
        403,
        {
            "error": {
                "code": 403,
                "message": "Your chosen model requires moderation and your input was flagged",
                "metadata": {"reasons": ["violence"], "flagged_input": "…"},
            }
        },
        REJECT,
        "content_filter",
    ),
    (
        400,
        {
            "error": {
                "message": "The response was filtered",
                "code": "content_filter",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
        REJECT,
        "content_filter",
    ),
    (
        400,
        {"code": "DataInspectionFailed", "message": "Input data may contain…"},
        REJECT,
        "content_filter",
    ),
    (
        400,
        {"error": {"message": "Content Exists Risk", "type": "invalid_request_error"}},
        REJECT,
        "content_filter",
    ),
    (
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, your "
            "request has 5000 input tokens.",
            "type": "BadRequestError",
            "code": 400,
        },
        REJECT,
        "too_long",
    ),
    (
        422,
        {
            "error": (
                "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000"
            ),
            "error_type": "validation",
        },
        REJECT,
        "too_long",
    ),
    (
        400,
        {"error": {"message": "litellm.ContextWindowExceededError: x", "code": "400"}},
        REJECT,
        "too_long",
    ),
    (
        400,
        {
            "object": "error",
            "message": "Prompt contains 40000 tokens, too large for model with 32768 maximum "
            "context length",
        },
        REJECT,
        "too_long",
    ),
    (
        413,
        {"error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}},
        REJECT,
        "too_long",
    ),
    (500, {"error": {"message": "prompt is too long for the context window"}}, REJECT, "too_long"),
    (
        400,
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {
                    "raw": json.dumps(
                        {"error": {"message": "too much", "code": "context_length_exceeded"}}
                    )
                },
            }
        },
        REJECT,
        "too_long",
    ),
    (
        429,
        {
            "error": {
                "message": (
                    "Request too large for m on tokens per min (TPM): Limit 300, Requested 400."
                ),
                "type": "tokens",
                "code": "rate_limit_exceeded",
            }
        },
        REJECT,
        "too_long",
    ),
    (
        422,
        {
            "detail": [
                {"loc": ["body", "messages"], "msg": "field required", "input": {"a": "quota"}}
            ]
        },
        REJECT,
        "http_422",
    ),
    (400, {"error": {"message": ["a", {"message": "b"}], "type": None}}, REJECT, "http_400"),
    (400, {"error": None}, REJECT, "http_400"),
    (400, b"", REJECT, "http_400"),
    (418, [1, None, []], REJECT, "http_418"),
    # What passes
    (429, {"message": "Requests rate limit exceeded"}, SLOW, "http_429"),
    (
        429,
        {
            "error": {
                "message": "Rate limit reached for m on tokens per min: Limit 30000. You can "
                "increase it "
                "by adding a payment method: billing",
                "type": "tokens",
                "code": "rate_limit_exceeded",
            }
        },
        SLOW,
        "http_429",
    ),
    (
        429,
        {
            "error": {
                "code": 429,
                "message": "You exceeded your current quota, check your plan and billing",
                "status": "RESOURCE_EXHAUSTED",
                "details": [{"retryDelay": "7s"}],
            }
        },
        SLOW,
        "http_429",
    ),
    (
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        RETRY,
        "http_529",
    ),
    (400, {"error": {"type": "overloaded_error", "message": "Overloaded"}}, RETRY, "http_400"),
    (
        503,
        {"error": {"message": "The model is not available right now", "code": 503}},
        RETRY,
        "http_503",
    ),
    (
        503,
        {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
        AWAY,
        "loading",
    ),
    (200, {"error": {"message": "Upstream has too much to do", "code": 429}}, RETRY, "http_429"),
    (200, {"error": {"message": "Upstream idle", "code": 504}}, RETRY, "http_504"),
    (200, {"error": "it broke"}, RETRY, "server_error"),
]


@pytest.mark.parametrize(("status", "body", "kind", "code"), CASES)
def test_what_an_answer_means(status: int, body: object, kind: str, code: str | None) -> None:
    raw = body if isinstance(body, bytes) or status < 400 else json.dumps(body).encode()
    fault = fault_of(status, raw)
    assert (fault.kind, code or fault.code) == (kind, fault.code), (fault.text, fault.said)
    assert fault.text and (status < 400 or str(status) in fault.text)


def test_no_shape_of_an_error_body_escapes() -> None:
    shapes: list[object] = [
        None,
        0,
        "x",
        [],
        {},
        [[]],
        {"error": [{"error": [None]}]},
        {"detail": {"a": 1}},
    ]
    shapes += [
        {"error": {"message": {"message": None}}},
        {"errors": [{"code": 7}]},
        {"message": [["deep"]]},
    ]
    nested: object = "end"
    for _ in range(60):
        nested = {"error": nested}
    for shape in [*shapes, nested]:
        for status in (400, 403, 429, 500):
            assert fault_of(status, json.dumps(shape).encode()).text
    assert fault_of(400, b'{"error": ' + b"[" * 5000).kind == REJECT
    assert fault_of(400, b"\xff\xfe").kind == REJECT


def test_retry_after_is_seconds_a_date_a_field_or_words() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert faults.retry_after({"Retry-After": "2.5"}) == 2.5
    assert 27 < (faults.retry_after({"Retry-After": later}) or 0) <= 30
    assert faults.retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert faults.retry_after({"Retry-After": "soon"}) is None
    assert faults.retry_after({"Retry-After-Ms": "1500"}) == 1.5
    assert (
        fault_of(429, b'{"error": {"message": "x", "details": [{"retryDelay": "36s"}]}}').after
        == 36
    )
    for words, seconds in (
        ("Please try again in 1m12.5s.", 72.5),
        ("Please retry after 6 seconds", 6),
        ("try again in 450ms", 0.45),
        ("Rate limit reached: Limit 60.", None),
    ):
        assert fault_of(429, {"error": {"message": words}}).after == seconds, words


def test_a_key_that_is_a_word_changes_no_decision(monkeypatch) -> None:
    from rlkd_cli.models.masks import hide_keys

    monkeypatch.setenv("NEWCOMER_API_KEY", "quota\n")
    fault = fault_of(429, b'{"error": {"message": "insufficient quota"}}')
    assert fault.kind == END and hide_keys(fault.text) == "HTTP 429: insufficient ***"
    assert hide_keys("quotas of others") == "quotas of others"  # no word of its own
    monkeypatch.setenv("NEWCOMER_API_KEY", "sk-newcomer-123")
    assert hide_keys("Bearersk-newcomer-1234") == "Bearer***4"


ANSWERS = COLLECTED / "faults/endpoint.jsonl"
MUST = {
    "quota": (END,),
    "no balance": (END,),
    "limit's name": (REJECT,),
    "temperature refused": (REJECT,),
    "limit too large": (REJECT,),
    "error inside 200": (RETRY,),
    "no message": (REJECT, "http_400"),
    "too long 1": (REJECT, "too_long"),
    "too long 2": (REJECT, "too_long"),
    "too long 3": (REJECT, "too_long"),
    "rate of 60 a minute, no Retry-After": (SLOW,),
    "key quoted": (END,),
}


@pytest.mark.skipif(
    not ANSWERS.exists(), reason="RLKD_TEST_CASES names no folder of servers' answers"
)
def test_the_collected_answers_of_servers() -> None:
    rows = [json.loads(line) for line in ANSWERS.read_text("utf-8").splitlines()]
    for row in rows:
        if row["case"] in MUST:
            fault = fault_of(row["status"], row["body"])
            assert (fault.kind, fault.code)[: len(MUST[row["case"]])] == MUST[row["case"]], row[
                "case"
            ]
