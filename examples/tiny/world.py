"""A toy problem: sums over named things, where the hard part is to choose the next sub-problem.

A problem gives some values and defines other things as sums (`gems = eggs + cups`), in random
order, and asks for one of them. Several definitions can be worked out at any moment, and most
problems need only some of them. All sums are modulo 10, so that an answer is one digit and the
arithmetic is easy.

* The teacher works out only what the goal needs, left operand first, each thing before its use.
* The sloppy solver makes the teacher's choice most of the time, otherwise it takes any thing that
  can be worked out next; sometimes it miscalculates or stops before the goal.

    python examples/tiny/world.py --seed 1 --train 2000 --test 200 --out DIR

writes DIR/teacher.jsonl (the teacher's reasoning paths with their steps), DIR/test.jsonl (held-out
problems), DIR/test_teacher.jsonl (the teacher's paths for these) and DIR/gsrm.jsonl (sloppy paths
with their steps, to train a segmenting model on).
"""

import argparse
import json
import random
from dataclasses import dataclass
from pathlib import Path

NAMES = [
    "eggs",
    "cups",
    "gems",
    "hats",
    "pens",
    "jars",
    "pans",
    "keys",
    "maps",
    "nuts",
    "figs",
    "bags",
    "toys",
    "rugs",
    "beds",
    "cars",
    "dogs",
    "cats",
    "owls",
    "bees",
]
MAX_STEPS = 4  # of a path, goal included: too few to solve a problem by working out everything


@dataclass(frozen=True)
class Problem:
    values: dict[str, int]  # the given things
    sums: dict[
        str, tuple[str, str]
    ]  # thing -> its two operands, names or digits; each uses earlier things only
    goal: str
    text: str

    def teacher_order(self) -> list[str]:
        """What the goal needs, depth first, left operand first, the goal last."""
        order: list[str] = []

        def visit(name: str) -> None:
            if name in self.sums and name not in order:
                for operand in self.sums[name]:
                    visit(operand)
                order.append(name)

        visit(self.goal)
        return order

    def next_choices(self, done: list[str]) -> list[str]:
        """Everything that can be worked out next: its operands are known and it is not done yet."""

        def known(name: str) -> bool:
            return name not in self.sums or name in done

        return [
            name
            for name, operands in self.sums.items()
            if name not in done and all(map(known, operands))
        ]


def make_problem(
    rng: random.Random, given: int = 2, derived: int = 5, needs: tuple[int, ...] = (2, 3)
) -> Problem:
    """A random problem whose goal needs as many sums as one of `needs` says (chosen evenly)."""
    wanted = rng.choice(needs)
    while True:
        names = rng.sample(NAMES, given + derived)
        values = {name: rng.randrange(10) for name in names[:given]}
        sums: dict[str, tuple[str, str]] = {}
        for i, name in enumerate(names[given:], start=given):
            left = rng.choice(names[:i])
            right = (
                str(rng.randrange(10))
                if rng.random() < 0.4
                else rng.choice([n for n in names[:i] if n != left])
            )
            sums[name] = (left, right)
        for goal in rng.sample(names[given:], derived):
            problem = Problem(values, sums, goal, "")
            if len(problem.teacher_order()) == wanted:
                facts = [f"{name} = {value}." for name, value in values.items()]
                facts += [f"{name} = {left} + {right}." for name, (left, right) in sums.items()]
                rng.shuffle(facts)
                return Problem(values, sums, goal, " ".join([*facts, f"What is {goal}?"]))


def write_path(
    problem: Problem, order: list[str], rng: random.Random, slip: float = 0.0
) -> tuple[str, list[dict]]:
    """The path that works out `order`, and its steps; a sum is wrong with probability `slip`."""
    values = dict(problem.values)
    sentences, steps = [], []
    for i, name in enumerate(order):
        left, right = problem.sums[name]
        a, b = (int(x) if x.isdigit() else values[x] for x in (left, right))
        values[name] = (a + b) % 10 if rng.random() >= slip else rng.randrange(10)
        sentences.append(
            f"{'Then' if i else 'First'} {name}: {left} + {right} = {a} + {b} = {values[name]}."
        )
        steps.append(
            {
                "meta_reasoning": f"Choose {name}.",
                "sub_problem": f"What is {left} + {right}?",
                "answer": f"{name} = {values[name]}",
            }
        )
    sentences.append(f"So the answer is \\boxed{{{values[order[-1]]}}}.")
    return " ".join(sentences), steps


def sloppy_order(problem: Problem, rng: random.Random, good: float, stop: float) -> list[str]:
    """The teacher's choice with probability `good`, else a random one; `stop`: to end early."""
    done: list[str] = []
    while len(done) < MAX_STEPS and problem.goal not in done and not (done and rng.random() < stop):
        best = next(name for name in problem.teacher_order() if name not in done)
        done.append(best if rng.random() < good else rng.choice(problem.next_choices(done)))
    return done


def record(
    problem: Problem, number: str, path: str | None = None, steps: list[dict] | None = None
) -> dict:
    """One JSONL record: a problem, a path, or a segmentation, as `rlkd` reads them."""
    _, true_steps = write_path(problem, problem.teacher_order(), random.Random(0))
    answer = true_steps[-1]["answer"].split()[-1]
    out = {"id": number, "problem": problem.text, "answer": answer, "domain": "math"}
    return out | ({"path": path} if path else {}) | ({"steps": steps} if steps else {})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--train", type=int, default=2000, help="problems with a teacher's path")
    parser.add_argument("--test", type=int, default=200, help="held-out problems")
    parser.add_argument(
        "--gsrm", type=int, default=1000, help="segmentations to train the segmenting model on"
    )
    args = parser.parse_args()
    rng = random.Random(args.seed)

    def teacher(problem: Problem, number: str) -> dict:
        return record(problem, number, *write_path(problem, problem.teacher_order(), rng))

    def segmentation(i: int) -> dict:
        problem = make_problem(rng)
        return record(
            problem,
            f"gsrm-{i}",
            *write_path(problem, sloppy_order(problem, rng, 0.5, 0.05), rng, 0.05),
        )

    tests = [make_problem(rng) for _ in range(args.test)]
    files = {
        "test": [record(problem, f"test-{i}") for i, problem in enumerate(tests)],
        "test_teacher": [teacher(problem, f"test-{i}") for i, problem in enumerate(tests)],
        "teacher": [teacher(make_problem(rng), f"train-{i}") for i in range(args.train)],
        "gsrm": [segmentation(i) for i in range(args.gsrm)],
    }
    args.out.mkdir(parents=True, exist_ok=True)
    for name, records in files.items():
        (args.out / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))


if __name__ == "__main__":
    main()
