# SPDX-License-Identifier: MIT
"""The program as it is built by default is hard to turn against its user."""
import json
import platform
import subprocess

import pytest

import sanitizing
from mounting import BINARY, BUILD

pytestmark = pytest.mark.skipif(sanitizing.sanitizers_of(BUILD) != "none",
                                reason="sanitizers have their own ways")


def output(*command):
    return subprocess.run([*command, BINARY], capture_output=True, text=True,
                          check=True).stdout


def test_addresses_are_random_and_tables_read_only():
    dynamic = output("readelf", "-dW")
    assert "BIND_NOW" in dynamic and "PIE" in dynamic
    segments = output("readelf", "-lW")
    assert "GNU_RELRO" in segments
    stack, = (line for line in segments.splitlines() if "GNU_STACK" in line)
    assert " RW " in stack  # and no E


def test_calls_are_fortified():
    optimization = next(
        option["value"] for option in json.loads(
            (BUILD / "meson-info/intro-buildoptions.json").read_text())
        if option["name"] == "optimization")
    if optimization in ("plain", "0", "g"):
        pytest.skip("fortified calls need optimisation")
    assert "__vsnprintf_chk" in output("readelf", "--dyn-syms", "-W")


def test_stacks_are_guarded():
    assert "__stack_chk_fail" in output("readelf", "--dyn-syms", "-W")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86's words")
def test_jumps_have_landing_places():
    assert "endbr64" in output("objdump", "-d", "--disassemble=main")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86's words")
def test_large_frames_touch_each_page_of_the_stack():
    """A frame of some pages (log_write's, main's) is probed page by page."""
    code = output("objdump", "-d", "--no-show-raw-insn")
    assert any("$0x0,(%rsp)" in line for line in code.splitlines())
