"""Random sequences of what changes variables: worker and controller agree before each task, and the results are plain Ansible's.

``MITOPATCH_EXAMPLES`` sets how many playbooks are made (each runs patched, and one host at a time plain and patched),
``MITOPATCH_SEED`` which; without them they are the same few every time. An example that fails is left in the directory that
the message names.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from testbed.compare import assert_same

from . import programs
from .conftest import Local

EXAMPLES = int(os.environ.get("MITOPATCH_EXAMPLES") or 2)
SEED = os.environ.get("MITOPATCH_SEED") or None


def test_worker_and_controller_agree(local: Local) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=SEED is None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(programs.programs())
    def agree(program: dict[str, Any]) -> None:
        options = {"args": program["args"], "config": program["config"], "timeout": 600}
        # The names of roles are a list made of a set: its order is that of the hashes.
        env = {"PYTHONHASHSEED": "0"}
        checking = {"MITOPATCH_CHECK": "all", "MITOPATCH_WORKERS": str(program["workers"])}
        both = local.run(program["files"], env={**env, **checking}, **options)
        assert "MP2" not in both.text, f"{both.text}\nin {both.directory}"
        assert both.workers, both.text
        # One host at a time: with more, groups and shared facts are in the order in which hosts finish, in both arms.
        options["args"] = [*options["args"], "-f", "1"]
        checked = local.run(program["files"], env={**env, **checking}, **options)
        assert "MP2" not in checked.text, f"{checked.text}\nin {checked.directory}"
        plain = local.run(program["files"], "plain", env=env, **options)
        assert_same(plain, checked)

    (agree if SEED is None else seed(int(SEED))(agree))()
