"""What tests need of a machine, and what is said where it is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from borealis_bootstrap import testing
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.progress import Progress
from borealis_bootstrap.testing import NEEDS, install_needs, missing_needs


def test_what_is_there_is_not_missing() -> None:
    assert missing_needs(root=True, which=lambda name: f"/bin/{name}") == []


def test_what_only_root_can_use_is_not_asked_of_others() -> None:
    everything = {need.program for need in missing_needs(root=True, which=lambda name: None)}
    without_root = {need.program for need in missing_needs(root=False, which=lambda name: None)}
    assert everything == {need.program for need in NEEDS}
    assert "ip" in everything - without_root


def test_without_root_what_is_missing_is_named_with_its_reason() -> None:
    missing = missing_needs(root=False, which=lambda name: None if name == "git" else "/bin/x")
    with pytest.raises(CannotGoOn, match=r"git \(tests that work on a fresh clone\): apt-get install git"):
        install_needs(missing, Progress(quiet=True), root=False)


def test_without_apt_root_is_told_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CannotGoOn, match="apt-get install iproute2"):
        install_needs([need for need in NEEDS if need.program == "ip"], Progress(quiet=True), root=True)


def test_every_need_says_why() -> None:
    assert all(need.reason and need.package for need in NEEDS)


def test_what_is_installed_bare_leaves_out_what_debian_recommends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[list[str]] = []
    held: list[bool] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command[1:])
        held.append(os.access(tmp_path / "policy-rc.d", os.X_OK))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(testing, "POLICY", tmp_path / "policy-rc.d")
    install_needs([need for need in NEEDS if need.program in {"wine", "git"}], Progress(quiet=True), root=True)
    assert ran == [
        ["update", "-q"],
        ["install", "-q", "-y", "git"],
        ["install", "-q", "-y", "--no-install-recommends", "wine", "wine64"],
    ]
    assert held == [True, True, True], "no server is started while it is installed"
    assert not (tmp_path / "policy-rc.d").exists()


def test_a_policy_that_is_somebodys_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("mine")
    monkeypatch.setattr(testing, "POLICY", policy)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0, "", ""))
    install_needs([need for need in NEEDS if need.program == "git"], Progress(quiet=True), root=True)
    assert policy.read_text() == "mine"
