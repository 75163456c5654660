"""The published accuracies: complete, possible, and told apart from what was never published."""

import csv

import numpy as np
import pytest

from pythia_course import suite
from pythia_course.suite.zero_shot import FILE, MODELS, STEPS, TASKS, zero_shot

EVERY = [zero_shot(model, task) for model in MODELS for task in TASKS]


def test_the_table_has_16_models_6_tasks_and_27_steps_each_once():
    with open(FILE, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(line for line in file if not line.startswith("#"))
    assert header == ["model", "task", *map(str, STEPS)]
    assert [row[:2] for row in rows] == [[model, task] for model in MODELS for task in TASKS]
    assert (len(MODELS), len(TASKS), len(STEPS)) == (16, 6, 27) and {len(row) for row in rows} == {29}


def test_the_models_and_steps_are_those_of_the_suite():
    assert set(MODELS) <= set(suite.HUB_IDS) and set(STEPS) <= set(suite.PYTHIA_STEPS)


@pytest.mark.parametrize("task", TASKS)
def test_every_accuracy_is_a_whole_number_of_questions(task):
    questions = TASKS[task].questions
    accuracy = np.array([curve.accuracy for curve in EVERY if curve.task == task])
    assert accuracy.shape == (16, 27) and 0 <= accuracy.min() and accuracy.max() <= 1
    right = np.rint(accuracy * questions)
    assert np.abs(right / questions - accuracy).max() <= 0.5e-4 + 1e-9


def test_an_untrained_model_is_near_chance_and_a_trained_one_above_it():
    for curve in EVERY:
        chance = TASKS[curve.task].chance
        # An untrained model does not guess evenly, it prefers some wordings, hence the room.
        assert abs(curve.accuracy[0] - chance) < 0.15
        assert curve.accuracy[-1] > chance + 0.05 or curve.task in ("wsc", "winogrande") or "-70m" in curve.model


def test_larger_models_end_higher_on_lambada():
    for suffix in ("", "-deduped"):
        ends = [zero_shot(name + suffix).accuracy[-1] for name in suite.PYTHIAS[2:]]
        assert ends == sorted(ends)


def test_the_error_bar_is_the_published_one():
    curve = zero_shot("pythia-160m", "lambada_openai")
    at = STEPS.index(113_000)
    # evals/pythia-v1/pythia-160m/zero-shot/160m_step113000.json of EleutherAI/pythia
    assert curve.accuracy[at] == pytest.approx(0.3465942169609936, abs=0.5e-4)
    assert curve.stderr[at] == pytest.approx(0.006630010494388601, abs=1e-6)
    assert zero_shot("pythia-160m", "sciq").stderr[at] == pytest.approx(0.01419015011761203, abs=1e-6)


def test_pythia_160m_peaks_at_step_63000_and_falls_by_far_more_than_its_error():
    curve = zero_shot("pythia-160m", "lambada_openai")
    best = int(curve.accuracy.argmax())
    assert curve.steps[best] == 63_000
    assert (round(curve.accuracy[best], 3), round(curve.accuracy[-1], 3)) == (0.399, 0.328)
    apart = curve.accuracy[best] - curve.accuracy[-1]
    assert apart > 5 * np.hypot(curve.stderr[best], curve.stderr[-1])


def test_the_name_on_the_hub_is_as_good():
    assert repr(zero_shot("EleutherAI/Pythia-1.4B", "sciq")).startswith("<pythia-1.4b on sciq, 27 steps: ")


def test_a_curve_can_be_changed_without_changing_the_next_one():
    zero_shot("pythia-1b").accuracy[:] = 2
    assert zero_shot("pythia-1b").accuracy.max() < 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("pythia-14m",), "No zero-shot accuracies are published for 'pythia-14m'.*pythia-70m"),
        (("pythia-160",), "did you mean 'pythia-160m'"),
        (("gpt2",), "are published for 'gpt2'[.] There are for pythia-70m, pythia-160m"),
        ((7,), "are published for '7'"),
        (("pythia-1b", "lambada"), "No task here is called 'lambada'.*lambada_openai"),
        (("pythia-1b", "arc_esay"), "did you mean 'arc_easy'"),
        (("pythia-1b", None), "No task here is called None"),
    ],
    ids=["not in the paper", "mistyped", "another family", "a number", "a task in short", "a task mistyped", "none"],
)
def test_what_was_not_published_is_refused_in_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        zero_shot(*arguments)
