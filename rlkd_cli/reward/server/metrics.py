"""What a reward server counts, as Prometheus reads it."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator

from rlkd_cli.reward.engine import Engine

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)  # seconds
TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Requests by path and status, and how long they took."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()

    def add(self, path: str, status: int, seconds: float) -> None:
        """One request, answered."""
        self._requests[path, status] += 1
        buckets = self._buckets.setdefault(path, [0] * (len(BOUNDS) + 1))
        buckets[bisect_left(BOUNDS, seconds)] += 1
        self._seconds[path] += seconds  # type: ignore[assignment]

    def text(self, engine: Engine, waiting: int) -> str:
        """All of it, with what the engine counts; `waiting`: samples taken in and not answered."""
        lines = [*self._of_requests(), *_metric("rlkd_queue", "gauge", "Samples.", [("", waiting)])]
        lines += _of_engine(engine)
        return "\n".join(lines) + "\n"

    def _of_requests(self) -> Iterator[str]:
        requests = [
            (f'path="{path}",status="{status}"', count)
            for (path, status), count in sorted(self._requests.items())
        ]
        yield from _metric("rlkd_requests_total", "counter", "Requests answered.", requests)
        name = "rlkd_request_seconds"
        yield f"# HELP {name} Seconds from a request to its answer."
        yield f"# TYPE {name} histogram"
        for path, buckets in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*BOUNDS, float("inf")), buckets, strict=True):
                total += count
                least = "+Inf" if bound == float("inf") else f"{bound:g}"
                yield f'{name}_bucket{{path="{path}",le="{least}"}} {total}'
            yield f'{name}_sum{{path="{path}"}} {self._seconds[path]}'
            yield f'{name}_count{{path="{path}"}} {total}'


def _of_engine(engine: Engine) -> Iterator[str]:
    """Missing rewards by reason, verdicts by where they came from, tokens by model."""
    failures = [(f'reason="{code}"', count) for code, count in sorted(engine.failures.items())]
    yield from _metric("rlkd_missing_rewards_total", "counter", "By reason.", failures)
    verdicts = [(f'from="{name}"', count) for name, count in sorted(engine.verdicts.items())]
    said = (
        "Verdicts by where they came from: no model, the cache, a question under way, a question."
    )
    yield from _metric("rlkd_verdicts_total", "counter", said, verdicts)
    bill = sorted(engine.bill.items())
    asked = [(f'model="{_safe(name)}"', spent.requests) for name, spent in bill]
    yield from _metric("rlkd_model_requests_total", "counter", "Requests to models.", asked)
    tokens = [
        (f'model="{_safe(name)}",direction="{way}"', getattr(spent, f"tokens_{way}"))
        for name, spent in bill
        for way in ("in", "out")
    ]
    yield from _metric("rlkd_model_tokens_total", "counter", "Tokens in and out.", tokens)


def _metric(name: str, kind: str, said: str, rows: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP {name} {said}"
    yield f"# TYPE {name} {kind}"
    for labels, value in rows:
        yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"


def _safe(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
