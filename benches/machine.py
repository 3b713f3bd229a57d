"""What a run was made with: the processor, and the versions of all that took part."""
import os
import platform
import re
import subprocess
from pathlib import Path

import prepare


def processor():
    cpu, flags = platform.processor() or platform.machine(), ""
    try:
        text = Path("/proc/cpuinfo").read_text()
        cpu = re.search(r"model name\s*:\s*(.+)", text).group(1)
        flags = re.search(r"flags\s*:\s*(.+)", text).group(1)
    except (OSError, AttributeError):
        pass
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (OSError, ValueError):
        memory = 0
    sets = [f for f in ("avx2", "avx512f", "avx512_vnni", "amx_tile") if f in flags.split()]
    return dict(cpu=cpu, sets=sets, cores=os.cpu_count(), memory_gb=round(memory), system=platform.platform())


def versions(onnxruntime, programs):
    names = {p.name for p in programs}
    result = {
        "libqntx_embed": "%s, commit %s" % (found_in(prepare.ROOT / "Cargo.toml", r'^version = "(.+)"'),
                                            first_line("git", "describe", "--always", "--dirty")),
        "ONNX Runtime": found_in_text(Path(onnxruntime).name, r"(\d+\.\d+\.\d+)") or Path(onnxruntime).name,
    }
    if "fastembed" in names:
        result["fastembed"] = found_in(prepare.manifest("fastembed"), r'^fastembed = .*"=(.+?)"')
    if "hugot" in names:
        result["hugot"] = found_in(prepare.HERE / "peers" / "hugot" / "go.mod", r"/hugot v(\S+)")
    result["Python"] = first_line(str(prepare.VENV_PYTHON), "--version").replace("Python ", "")
    for file in sorted(prepare.HERE.glob("requirements*.txt"), reverse=True):
        if "torch" not in file.name or "sentence-transformers" in names:
            pins = re.findall(r"^(\S+)==(\S+)$", file.read_text(), re.MULTILINE)
            result.update({"onnxruntime (Python)" if name == "onnxruntime" else name: pin for name, pin in pins})
    result["rustc"] = first_line("rustc", "--version").replace("rustc ", "")
    result["go"] = first_line("go", "version").replace("go version go", "")
    return result


def found_in(file, pattern):
    return found_in_text(file.read_text("utf-8"), pattern)


def found_in_text(text, pattern):
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else None


def first_line(*command):
    try:
        return subprocess.check_output(command, cwd=str(prepare.ROOT), universal_newlines=True,
                                       stderr=subprocess.DEVNULL).strip().splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"
