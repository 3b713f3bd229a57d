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
    result = library()
    result["ONNX Runtime"] = found_in_text(Path(onnxruntime).name, r"(\d+\.\d+\.\d+)") or Path(onnxruntime).name
    if "fastembed" in names:
        result["fastembed"] = found_in(prepare.manifest("fastembed"), r'^fastembed = .*"=(.+?)"')
    if "hugot" in names:
        result["hugot"] = found_in(prepare.HERE / "peers" / "hugot" / "go.mod", r"/hugot v(\S+)")
    result.update(python())
    if "sentence-transformers" in names:
        result.update(pins(prepare.TORCH))
    result.update({"onnxruntime (Python)" if name == "onnxruntime" else name: pin
                   for name, pin in pins(prepare.REQUIREMENTS).items()})
    result.update(compilers())
    return result


def search_versions(programs):
    names = {p.name for p in programs}
    result = library()
    if "chromem" in names:
        result["chromem-go"] = found_in(prepare.HERE / "peers" / "chromem" / "go.mod", r"/chromem-go v(\S+)")
    result.update(python())
    result["numpy"] = pins(prepare.REQUIREMENTS)["numpy"]
    result.update(pins(prepare.SEARCH))
    result.update(compilers())
    return result


def library():
    return {"libqntx_embed": "%s, commit %s" % (found_in(prepare.ROOT / "Cargo.toml", r'^version = "(.+)"'),
                                                first_line("git", "describe", "--always", "--dirty"))}


def python():
    return {"Python": first_line(str(prepare.VENV_PYTHON), "--version").replace("Python ", "")}


def pins(requirements):
    return dict(re.findall(r"^(\S+)==(\S+)$", requirements.read_text(), re.MULTILINE))


def compilers():
    return {"rustc": first_line("rustc", "--version").replace("rustc ", ""),
            "go": first_line("go", "version").replace("go version go", "")}


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
