"""Secrets are nowhere where plain Ansible has not put them: random ones, searched for during a run and after it.

Both arms run the same playbook with everything on that writes: -vvvv, --diff, a log, a cache of facts, MITOPATCH_DEBUG, a syslog.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed import canaries, events, watched
from testbed.canaries import Findings
from testbed.private import private_bench
from testbed.runs import PLAYBOOKS, Arm
from testbed.watched import GATES, Watch, Watched

HOSTS = 3
NAMES = (
    "vault_password", "second_vault_password", "login_password", "become_password", "wrong_password", "included", "inline",
    "option", "covered", "environment_of_task", "item_one", "item_two", "in_lookup", "fact", "cached_fact", "registered", "copied",
    "templated", "job", "raised", "killed", "spilled",
)  # fmt: skip
#: A key may be given as text.
KEYED = ("2.19", "2.20", "2.21")
#: Where a playbook puts secrets with its own words: files of the targets, facts that it keeps.
ASKED_FOR: Findings = {("targets", name) for name in ("copied", "templated", "registered", "fact", "in_lookup")} | {
    ("facts", "cached_fact")
}
SHOWN = ("stdout", "stderr", "log", "argv", "environ", "syslog")


@pytest.fixture(scope="module")
def watch(bundle_active: str) -> Iterator[Watch]:
    """Targets with passwords, canaries, and what it takes to look for them."""
    secrets = canaries.fresh(NAMES)
    programs = ("sudo", "su", "unshare", "setpriv", "mount", "sshpass", "ssh")

    def make(directory: Path) -> watched.WatchedBed:
        return watched.WatchedBed(directory, HOSTS, secrets["login_password"], secrets["become_password"])

    with private_bench(make, programs) as (bench, bed):
        if bed.asks():
            pytest.skip(f"needs a sudo that asks: {bed.asks()}")
        key = (bed.directory / "user_key").read_text()
        secrets["private_key"] = key.splitlines()[2]
        sources = watched.Sources(bed.directory / "sources", secrets, key if bundle_active in KEYED else None)
        yield Watch(bench, bed, sources, canaries.Search(secrets))


def listed(findings: Findings) -> str:
    """Return the findings, one a line."""
    return "\n".join(f"{place}: {name}" for place, name in sorted(findings))


def lines_with_canaries(watch: Watch, one: Watched, length: int) -> set[str]:
    """Return how the lines of outputs and log begin in which a canary stands, without what differs from run to run."""
    texts = [one.run.stdout, one.run.stderr, (one.run.directory / "log").read_text(errors="replace")]
    lines = {line for text in texts for line in text.splitlines() if watch.search.within(line.encode("utf-8", "surrogateescape"))}
    # The log has the time, the process and the user in front.
    bare = (re.sub(r"^[\d-]+ [\d:,]+ p=\d+ u=\w+ n=\w+ .*?\| +", "", line) for line in lines)
    paths = {**one.run.paths, str(one.gates): "<gates>"}
    return {re.sub(r"\d+|(?<=BECOME-SUCCESS-)\w+", "0", events.clean_text(line, paths).strip())[:length] for line in bare}


def both(
    watch: Watch, *args: str, playbook: str = "canaries.yml", gates: Collection[str] = GATES, **options: Any
) -> tuple[Watched, Watched]:
    """Run the playbook in both arms and look at both; each gate was passed by somebody who was looked at."""
    arms: tuple[Arm, ...] = ("plain", "mitopatch")
    config = {"defaults": {"fact_caching": "jsonfile", "fact_caching_connection": "facts", **options.pop("defaults", {})}}
    plain, patched = (watch(arm, f"secrets/{playbook}", *args, hosts=HOSTS, near=2, config=config, **options) for arm in arms)
    for one in (plain, patched):
        assert "TASK [In a lookup]" in one.run.stdout, one.run.stdout[-3000:] + one.run.stderr
        assert set(gates) <= one.passed, f"nobody was looked at there: {set(gates) - one.passed}"
    assert "A worker was found in a dead state" in plain.run.stdout + plain.run.stderr
    assert "the end" in patched.run.stdout, patched.run.stdout[-3000:] + patched.run.stderr
    assert "MP201" in patched.run.stderr
    unreachable = [event for event in patched.run.events if event["event"] == "unreachable" and not event.get("ignored")]
    assert patched.run.rc == 0, unreachable
    return plain, patched


def assert_nothing_new(watch: Watch, plain: Watched, patched: Watched, length: int = 1000) -> None:
    """Fail where a canary is in a place, or in a line of text, where plain Ansible has none."""
    for one in (plain, patched):
        assert {(place.split()[0], name) for place, name in one.findings} >= ASKED_FOR, "not seen what a playbook has put there"
    more = patched.findings - plain.findings
    assert not more, f"only in the patched run:\n{listed(more)}\nin {patched.run.directory}"
    lines = lines_with_canaries(watch, patched, length) - lines_with_canaries(watch, plain, length)
    assert not lines, f"only in the patched run:\n{lines}"


def test_nowhere(watch: Watch, bundle_active: str) -> None:
    """Whatever plain Ansible shows of a secret (an environment is in the arguments of a shell), no place is added to it."""
    plain, patched = both(watch, "-vvvv", "--diff", variables={"signum": 9})
    assert_nothing_new(watch, plain, patched)
    # The playbook is one that shows nothing, but for what is known of plain Ansible: an environment, what a lookup raises.
    known = {"environment_of_task", "raised"}
    if bundle_active in KEYED:  # from 2.19: errors of tasks under no_log, and warnings with an option that is secret, are shown
        known |= {"covered", "option"}
    shown = {name for place, name in plain.findings | patched.findings if place.split()[0] in SHOWN} - known
    assert not shown, f"{shown}:\n" + "\n".join(sorted(lines_with_canaries(watch, plain, 1000)))
    for one in (plain, patched):
        assert not watch.search.cores(one.run.directory, watch.bed.home), "nothing has crashed"


def test_nowhere_with_debugging(watch: Watch, bundle_active: str) -> None:
    """ANSIBLE_DEBUG has the controller tell much more, also of variables; MITOPATCH_CHECK compares each of them."""
    env = {"ANSIBLE_DEBUG": "1", "MITOPATCH_CHECK": "1"}
    plain, patched = both(watch, variables={"signum": 9}, env=env)
    # There arguments and results are told as Python writes them, keys in an order of their own: how a line begins, counts.
    assert_nothing_new(watch, plain, patched, length=40)


def test_variables_that_differ_are_named_and_not_shown(watch: Watch, bundle_active: str) -> None:
    """MP210 ends the run and names the variables whose values, secret ones, differ."""
    secret = watch.sources.directory / "different"
    secret.write_text(watch.search.canaries["spilled"])
    config = {"defaults": {"vars_plugins": PLAYBOOKS / "secrets/plugins/vars"}}
    env = {"TESTBED_DIFFERENT": str(secret), "MITOPATCH_CHECK": "1"}
    one = watch("mitopatch", "secrets/different.yml", "-vvvv", hosts=HOSTS, near=2, config=config, env=env)
    shown = one.run.stdout + one.run.stderr
    assert one.run.rc == 1, shown
    assert "MP210" in shown
    assert re.search(r"\bdifferent\b.*\bdifferent_list\b", shown, re.DOTALL), shown
    assert not one.findings, listed(one.findings)


def test_an_image_of_memory_holds_what_it_may(watch: Watch, bundle_active: str) -> None:
    """Where the system writes cores, those of workers hold what a fork's of plain Ansible does, those of targets their own tasks'.

    In plain Ansible a module is a process of its own. Here it shares one with the tasks before it on that host and account.
    """
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern not in ("core", "core.%p"):
        pytest.skip(f"cores do not go to the directory of who crashes: {pattern}")
    images: list[dict[str, set[str]]] = []
    arms: tuple[Arm, ...] = ("plain", "mitopatch")
    try:
        for arm in arms:
            one = watch(arm, "secrets/cores.yml", hosts=HOSTS, near=2)
            assert "TASK [In a lookup]" in one.run.stdout, one.run.stdout + one.run.stderr
            images.append(watch.search.cores(one.run.directory, watch.bed.home))
    finally:
        # Of what crashes on this machine, where the playbook stands.
        for path in (PLAYBOOKS / "secrets").iterdir():
            if canaries.CORE.fullmatch(path.name):
                path.unlink()
    plain, patched = images
    assert {"targets/module-h02", "targets/module-n01", "targets/worker"} <= set(plain), "the test would pass whatever happens"
    # What the same interpreter was given before: also to hand it on to root's, with the password to become root.
    earlier = {"targets/module-n01": {"covered", "option", "copied"}}
    earlier["targets/module-h02"] = {*earlier["targets/module-n01"], "become_password"}
    for place, names in patched.items():
        more = names - plain.get(place, set()) - earlier.get(place, set())
        assert not more, f"{place}: {sorted(more)}"
    # A shell that ends as the module did gives the words for it (targets/endings.py): it may leave an image, without any secret.
    assert {place for place in patched if patched[place]} == {place for place in plain if plain[place]}


def test_a_leak_is_found_wherever_it_is(watch: Watch, bundle_active: str) -> None:
    """The proof of the search: deliberate leaks in the patched run, each in another place, some of them coded."""
    one = watch("mitopatch", "secrets/spill.yml", hosts=HOSTS, near=2)
    assert one.run.rc == 0, one.run.stdout + one.run.stderr
    places = {place.split(" (")[0] for place, name in one.findings if name == "spilled"}
    assert places >= {*SHOWN, "events", "local_tmp", "home", "tmp", "facts", "targets"}
    assert places >= {f"target: {place}" for place in ("remote_tmp", "near_tmp", "async", "near_async")}
    assert {name for _, name in one.findings} == {"spilled"}
