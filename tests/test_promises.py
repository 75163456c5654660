"""What the pages promise, and the test that shows each: a sentence with "always", "never" or "every" needs one here."""

import os
import re
import tomllib
from pathlib import Path

import pytest

from pythia_course import suite
from pythia_course.hub.addresses import find
from pythia_course.tiny import corpus, logs, train

ROOT = Path(__file__).resolve().parents[1]
LARGE = r"always|never|cannot|safe|guarantees?|guaranteed|whatever|whenever|nothing|any moment"
STRONG = {
    "README.md": rf"{LARGE}|any|every|all|unchanged",
    "CONTRIBUTING.md": LARGE,
    "docs/api.md": rf"{LARGE}|every",
    "docs/architecture.md": rf"{LARGE}|any|every|all",
    "docs/hosting.md": rf"{LARGE}|any",
    "pythia_course/commands/lab.py": LARGE,
    "pythia_course/commands/progress.py": LARGE,
    "pythia_course/commands/prefetch.py": LARGE,
    "pythia_course/commands/free.py": LARGE,
    "pythia_course/commands/doctor.py": LARGE,
    "pythia_course/commands/listing.py": LARGE,
}

# page -> {words of it: the tests that show them, "file: name, name; file: …" under tests/}
SHOWN = {
    "README.md": {
        "new versions of lessons come *beside* those that you changed and never over them": (
            "commands/test_lab_command.py: what_was_changed_stays_and_the_new_version_comes_beside_it_once, "
            "work_in_the_copy_beside_is_not_written_over_either; "
            "test_lab_installed.py: after_an_upgrade_the_learner_s_own_stays_and_the_new_is_beside"
        ),
        "which open in a second with no network": "inside/test_loading.py: the_shipped_models_open_within_a_second",
        "What you do with `tiny-pythia` you do in the same lines with": (
            "test_full_size.py: a_lesson_runs_on_a_full_size_model; suite/test_suite.py: steps; "
            "hub/test_fetching.py: a_step_of_a_pythia_is_a_branch; "
            "test_promises.py: every_step_of_every_pythia_is_found"
        ),
        "sets everything up and runs the tests, every notebook among them": (
            "test_promises.py: make_test_runs_notebooks"
        ),
        "compares every file with the hub's hash |": "commands/test_prefetch.py: flipped_bytes_in_the_cache_are_mended",
        "it compares every file with the hub's hash and fetches anew what differs": (
            "commands/test_prefetch.py: stopped_with_ctrl_c_it_goes_on_where_it_was, "
            "flipped_bytes_in_the_cache_are_mended; "
            "hub/test_damage.py: prefetch_mends_each_file"
        ),
        "every figure is there to read": (
            "test_notebooks.py: outputs_are_stored_and_none_is_an_error_or_a_warning, "
            "every_stored_figure_says_what_is_to_be_seen_on_it; widgets/test_reopened_browser.py: "
            "opened_again_without_a_kernel_nothing_is_lost_and_nothing_says_error"
        ),
        "one document in twenty, of every source but the weather, is never trained on": (
            "tiny/test_corpus.py: held_out_documents_are_never_in_a_batch"
        ),
        "every training log has the loss by source at each checkpoint": (
            "tiny/test_seeds.py: a_further_seed_has_a_row_every_hundred_steps_with_the_columns_of_the_first; "
            "test_promises.py: every_log_has_the_loss_by_source_at_each_checkpoint"
        ),
        "Stop it at any moment, the same command goes on": (
            "tiny/test_training.py: a_killed_run_goes_on_and_ends_with_the_same_weights; "
            "tiny/test_own_runs.py: stopped_at_any_line_of_its_writing_it_comes_to_the_same"
        ),
        "opening a file can run no code": (
            "inside/test_loading.py: a_pickle_of_anything_but_numbers_is_refused_and_not_run; "
            "hub/test_faults.py: safetensors_are_preferred_to_a_pickle"
        ),
        "a stream of random numbers that never changes": (
            "tiny/test_shipped_weights.py: the_log_was_written_by_these_weights; "
            "tiny/test_corpus.py: planted_sentences_come_exactly_as_often_and_when_the_plan_says"
        ),
        "its cache is shared with every other program": "hub/test_fetching.py: the_server_speaks_the_hub_s_language",
        "compares every output with the stored one": (
            "test_notebooks.py: no_cell_asks_to_be_compared_less_strictly_or_passes_though_it_fails"
        ),
    },
    "CONTRIBUTING.md": {
        'Nothing is called "utils"': "test_promises.py: nothing_is_called_utils",
        "No test reaches a network or reads a person's own cache": (
            "test_promises.py: no_test_has_a_hub_or_a_cache_of_its_own"
        ),
    },
    "docs/api.md": {
        "never ask the network, even for a model that is not here yet": "hub/test_fetching.py: local_only_does_not_ask",
        "Raises ValueError or TypeError for a prompt that cannot be read": (
            "inside/test_fuzz.py: prompts; "
            "inside/test_tracing.py: a_prompt_that_cannot_be_read_is_refused_in_one_sentence"
        ),
        "nothing above 65,504 fits: a pass that goes beyond is refused": (
            "inside/test_nothing_silently_wrong.py: "
            "numbers_that_grow_too_large_for_their_dtype_are_told_from_broken_weights"
        ),
        "equal to `queries` where nothing rotates": "inside/test_tracing.py: rotation_by_hand",
        "the same lines on every machine where all is well": (
            "checks/test_checks.py: the_environment_is_checked_line_by_line"
        ),
        "the same at each position": (
            "inside/test_interventions.py: a_head_set_to_its_mean_adds_the_same_at_each_position"
        ),
        "without its position a place is patched at every position": "inside/test_fuzz.py: places_and_references",
        "on average, over every position of a reference": (
            "inside/test_interventions.py: means_are_those_of_all_positions_of_all_prompts; "
            "inside/test_fuzz.py: places_and_references"
        ),
        "nan where nothing follows it": "inside/test_compare.py: where_nothing_follows_there_are_no_bits",
        "over every position that has one": (
            "test_measures.py: previous_token_scores_are_the_mean_just_below_the_diagonal"
        ),
        "over every later position": "test_measures.py: first_token_scores",
        "Draw every head of every layer as a thumbnail": (
            "plots/test_plots.py: attention_grid_puts_each_head_in_its_row_and_column"
        ),
        "What every plot needs of an Axes": "plots/test_plots.py: a_given_axes_is_all_that_is_touched",
        "always at the same layer and head": "widgets/test_explorer_browser.py: two_models_move_in_lock_step",
        "when the default cannot be opened": "widgets/test_widgets.py: the_default_is_open_at_once",
        "between them nothing was learned": (
            "widgets/test_scrubber.py: copies_are_not_shown_as_training_unless_asked_for"
        ),
        "and never raise": "checks/test_checks.py: no_check_raises_or_accepts_nonsense",
        "used again whatever the code is now": (
            "training/test_sweep.py: a_label_stands_for_the_measure_whatever_its_code"
        ),
        "what the measure reads and a sweep cannot compare": (
            "training/test_sweep.py: a_version_vouches_only_for_what_cannot_be_seen"
        ),
        "nothing is downloaded": "training/test_audit.py: all_154_branches_are_asked_once_and_then_remembered",
        "every finding is a list of steps": "training/test_audit.py: every_kind_of_finding",
        "nothing is kept on the disk": "training/test_pile.py: nothing_is_kept_on_the_disk",
        "Every error of the course's own that a user can meet": (
            "inside/test_fuzz.py: prompts, arguments_of_the_wrong_kind, load_and_compare; "
            "commands/test_hostile.py: no_command_line_and_no_cache_ends_in_somebody_else_s_exception"
        ),
        "The model's files are there but cannot be read": "inside/test_loading.py: truncated_weights",
        "every second layer looks back only this far": (
            "inside/test_tracing.py: attention_is_the_librarys_and_its_rows_sum_to_one"
        ),
        "and nothing else differs": "tiny/test_tiny_models.py: without_positions_the_two_classes_are_the_same_function",
        "Killed at any moment it goes on where it was and ends with the same weights": (
            "tiny/test_training.py: a_killed_run_goes_on_and_ends_with_the_same_weights; "
            "tiny/test_own_runs.py: stopped_at_any_line_of_its_writing_it_comes_to_the_same"
        ),
        '"my-tiny-pythia" if nothing is said': (
            "tiny/test_own_runs.py: the_command_of_the_readme_trains_one_of_one_s_own"
        ),
        "OSError where it cannot be written": "tiny/test_own_runs.py: a_folder_that_cannot_be_written_is_said",
        "documents it never sees": "tiny/test_corpus.py: held_out_documents_are_never_in_a_batch",
        "for every n from 1 to `longest`": "tiny/test_ngrams.py: probabilities_are_those_of_counting_by_hand",
        "a context never seen says what the shorter one does": (
            "tiny/test_ngrams.py: a_context_never_seen_says_what_the_shorter_one_does"
        ),
    },
    "docs/architecture.md": {
        "may use those below it and none": "test_house.py: imports_point_down",
        "every error that a user can meet, one sentence each": "inside/test_fuzz.py: arguments_of_the_wrong_kind",
        "whatever the network does": "hub/test_faults.py: what_is_here_is_opened_whatever_the_network_does",
        "lists all that is public": "test_docs.py: what_lessons_import_is_public",
        "and what is never written over": (
            "commands/test_lab_command.py: what_was_changed_stays_and_the_new_version_comes_beside_it_once"
        ),
    },
    "pythia_course/commands/lab.py": {
        "nothing that you changed is written over": (
            "commands/test_lab_command.py: what_was_changed_stays_and_the_new_version_comes_beside_it_once, "
            "somebody_else_s_file_of_that_name_stays"
        ),
    },
    "docs/hosting.md": {
        "and never again on that machine": "test_hosting.py: how_often_the_hub_is_asked",
        "for any number of readers": "commands/test_prefetch.py: a_folder_filled_once_serves_a_room_without_a_network",
        "Any stick will do": "commands/test_prefetch.py: a_stick_that_knows_no_links",
        "goes on from any of them": (
            "training/test_workers.py: two_workers_are_killed_and_one_process_comes_to_the_same"
        ),
        "and it never raises": "checks/test_checks.py: no_check_raises_or_accepts_nonsense",
        "for any text nbgrader gives full marks": "test_hosting.py: a_test_cell_shows_a_number_to_grade_with",
        "never with `HF_HUB_OFFLINE=1`": (
            "hub/test_fetching.py: in_offline_mode; training/test_pile.py: offline_is_not_even_tried"
        ),
    },
    "pythia_course/commands/prefetch.py": {
        "what is damaged is fetched anew. Stop it at any moment: the same command goes on": (
            "commands/test_prefetch.py: flipped_bytes_in_the_cache_are_mended, "
            "stopped_with_ctrl_c_it_goes_on_where_it_was"
        ),
    },
}  # fmt: skip
# Sentences with such a word that promise nothing of ours -> what they are.
NO_PROMISE = {
    "README.md": {
        "Every head of a model at a glance": "a caption",
        "every token looks at the one before it": "a picture's alt text",
        "All heads of a model at a glance": "a picture's alt text",
        "at any of 154": "the second half of the sentence above",
        "every figure |": "what a package is for",
        "pip install --no-deps": "what conda needs",
    },
    "CONTRIBUTING.md": {
        "Nothing else in the cell may show the answer": "a rule for authors",
        "lists the sentences that nothing stands behind": "what a command prints",
    },
    "docs/hosting.md": {
        "it costs nothing until it is used": "what a limit is",
        "Nothing is kept": "how Binder works, with its source",
        "nothing is kept |": "how Binder works, with its source",
        "never writes over one": "what cp -n is for",
        "As guarantee, take what": "a setting of Kubernetes",
        "guarantee: ": "a setting of Kubernetes",
        "safe.directory": "a setting of git",
        "whatever joblib is told to use": "how joblib works",
    },
}


def text_of(page):
    """The page on one line; of a command, its help."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if page.endswith(".py"):
        text = re.search(r'ABOUT = """\\\n(.*?)"""', text, re.S)[1]
    return " ".join(re.sub(r"^#{2,}.*$", "", text, flags=re.M).split())


def names(tests):
    """(file, function) of each test in "file: name, name; file: …"."""
    for part in tests.split("; "):
        file, _, functions = part.partition(": ")
        yield from ((file, f"test_{function}") for function in functions.split(", "))


@pytest.mark.parametrize("page", SHOWN)
def test_each_promise_is_in_its_page_and_its_tests_are_there(page):
    text = text_of(page)
    for quote, tests in (SHOWN[page] | NO_PROMISE.get(page, {})).items():
        assert quote in text, f"{page} no longer says: {quote}"
        for file, function in names(tests) if quote in SHOWN[page] else ():
            assert f"def {function}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), f"{quote}: no {function}"


@pytest.mark.parametrize("page", STRONG)
def test_a_word_that_promises_much_has_a_test(page):
    text, known = text_of(page), [*SHOWN.get(page, ()), *NO_PROMISE.get(page, ())]
    spans = [found.span() for quote in known for found in re.finditer(re.escape(quote), text)]
    bare = []
    for found in re.finditer(rf"\b({STRONG[page]})\b", text, re.IGNORECASE):
        if not any(start - 1 <= found.start() and found.end() <= end + 1 for start, end in spans):
            bare.append(text[max(found.start() - 70, 0) : found.end() + 50])
    assert bare == [], "give each a row in SHOWN, or word it so that it promises less"


def test_every_step_of_every_pythia_is_found():
    pythias = [name for name in suite.HUB_IDS if name.startswith("pythia-")]
    places = {find(name, step) for name in pythias for step in suite.steps(name)}
    branches = {"main", *(f"step{step}" for step in suite.PYTHIA_STEPS[:-1])}
    assert {"pythia-160m", "pythia-12b"} <= {*pythias} and len(places) == 154 * len(pythias)
    assert {place.revision for place in places} == branches


def test_make_test_runs_notebooks():
    recipe = re.search(r"^test:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)[1]
    assert "--nbval" in recipe and "notebooks" in recipe


@pytest.mark.parametrize("target", ["browser", "marking"])
def test_tests_that_take_minutes_are_no_part_of_make_test_and_run_on_every_push_to_github(target):
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    assert f"tests/{target}" in options["norecursedirs"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:.*\n\t.* pytest tests/{target}\b", makefile, re.M)
    assert f"make {target}" in (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")


def test_every_log_has_the_loss_by_source_at_each_checkpoint():
    for name in suite.TINY:
        for seed in (0, 1, 2):
            log = logs.training_log(name, seed)
            assert {f"loss_{source}" for source in corpus.SOURCE_NAMES if source != "planted"} <= log.keys()
            assert {step for step in train.CHECKPOINTS if step <= log["step"].max()} <= {*log["step"]}


def test_nothing_is_called_utils():
    assert [path for path in (ROOT / "pythia_course").rglob("*.py") if "util" in path.as_posix().lower()] == []


def test_no_test_has_a_hub_or_a_cache_of_its_own():
    """`conftest` sets both before anything is imported."""
    assert re.match(r"http://127\.0\.0\.1:\d", os.environ["HF_ENDPOINT"])
    assert not {Path(os.environ[name]) for name in ("HF_HOME", "PYTHIA_COURSE_CACHE")} & {*Path.home().iterdir()}
    assert Path.home() not in Path(os.environ["HF_HOME"]).parents or "pythia-course-tests-" in os.environ["HF_HOME"]
