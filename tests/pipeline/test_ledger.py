"""What a run says of itself as it goes: tokens a second, and an audit's questions."""

import asyncio
import time

from rlkd_cli.models.usage import Spent
from rlkd_cli.pipeline.audit import Audit
from rlkd_cli.pipeline.ledger import Ledger
from rlkd_cli.records.schema import Step
from rlkd_cli.reward.judges.exact import ExactJudge


def test_progress_says_tokens_a_second_of_this_run_alone() -> None:
    ledger = Ledger(started=time.monotonic() - 10)
    ledger.carry_over({"hf/x": [5, 0, 10, 1_000_000]}, ledger.rejects, 60.0)
    ledger.settle({"hf/x": Spent(2, 0, 10, 20_000)}, None)
    words = ledger.note().split(", ")
    rate = float(words[1].removesuffix(" tokens/s").replace(",", "")) if len(words) > 1 else 0.0
    assert 1500 < rate <= 2000 and ledger.facts()["seconds"] >= 70


def test_an_audit_shows_how_far_it_is() -> None:
    step = Step(meta_reasoning="choose 1", sub_problem="what is 1?", answer="2")
    seen = list[tuple[int, int]]()
    audit = Audit(ExactJudge())
    asyncio.run(audit.run([([step], [step])], lambda done, total: seen.append((done, total))))
    totals = {total for _, total in seen}
    assert len(totals) == 1 and [done for done, _ in seen] == list(range(1, totals.pop() + 1))
