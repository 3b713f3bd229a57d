"""Checks what is in packaging/: the unit by systemd's own tools, the Containerfile by hadolint, and by doing its steps.

    python3 tests/packaging/run.py        after `make package`

There need be no engine of containers: a stage becomes a directory, RUN a shell command in the repository, COPY a copy, and what
the image would start is started. What changes the system (packages, users) is left out, and said. hadolint, a Python package,
goes into target/packaging, and stays there.
"""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CONTAINERFILE = ROOT / "packaging/Containerfile"
UNIT = ROOT / "packaging/qntx-embed.service"


def ok(what):
    print(f"ok {what}")


def run(command, **kwargs):
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, **kwargs)
    if done.returncode != 0:
        sys.exit(f"packaging: {command} failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def unit(scratch):
    if not shutil.which("systemd-analyze"):
        print("skipped: the unit, because systemd-analyze is not installed")
        return
    # Where it will be installed there is nothing here.
    here = scratch / UNIT.name
    here.write_text(UNIT.read_text().replace("/usr/local/bin/qntx-embed", str(ROOT / "target/package/bin/qntx-embed")).replace(
        "Documentation=man:qntx-embed(1)\n", ""))
    done = subprocess.run(["systemd-analyze", "verify", here], capture_output=True, text=True)
    if done.returncode != 0 or done.stderr:
        sys.exit(f"packaging: systemd-analyze verify: {done.stderr}")
    ok("systemd-analyze verify")
    found = run(["systemd-analyze", "security", "--offline=true", here])
    level = float(re.search(r"Overall exposure level for .*: ([\d.]+)", found).group(1))
    if level > 2:
        sys.exit(f"packaging: the unit's exposure is {level}; expected at most 2\n{found}")
    ok(f"systemd-analyze security: exposure {level}")


def hadolint():
    place, wanted = ROOT / "target/packaging", (HERE / "requirements.txt").read_text()
    stamp = place / "installed.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(place, clear=True, with_pip=True)
        run([place / "bin/python", "-m", "pip", "install", "-q", "-r", HERE / "requirements.txt"])
        stamp.write_text(wanted)
    run([place / "bin/hadolint", CONTAINERFILE])
    ok("hadolint")


def instructions():
    text = re.sub(r"\\\n\s*", "", CONTAINERFILE.read_text())
    return [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def image(scratch):
    """Does the steps; gives where the image's root lies, its settings, and what it starts."""
    stage, root = scratch / "stage", scratch / "root"
    settings, start, first = {}, [], True

    def local(path):
        """A path of the build, on this machine."""
        return path.replace("/stage", str(stage)).replace("/src", str(ROOT))

    for word, rest in instructions():
        if word == "FROM":
            first = rest.endswith("AS build")
        elif word == "RUN" and rest.startswith(("apt-get ", "useradd ")):
            print(f"left out: {rest}")
        elif word == "RUN":
            run(["sh", "-c", local(rest)], cwd=ROOT)
            ok(f"RUN {rest}")
        elif word == "COPY" and first:
            print(f"left out: COPY {rest}")  # Go is here, and so is the repository
        elif word == "COPY":
            source, target = rest.removeprefix("--from=build ").split()
            shutil.copytree(local(source), root / target.lstrip("/"), symlinks=True)
            ok(f"COPY {rest}")
        elif word == "ENV" and not first:
            settings.update(pair.split("=", 1) for pair in rest.split())
        elif word in ("ENTRYPOINT", "CMD"):
            start += json.loads(rest)
        elif word not in ("ENV", "WORKDIR", "USER", "VOLUME", "EXPOSE"):
            sys.exit(f"packaging: the test does not know what {word} in the Containerfile does")
    return root, settings, start


def served(scratch):
    root, settings, start = image(scratch)
    data = root / "data"
    data.mkdir()

    def local(value):
        return re.sub(r"^/(?=usr/|data/)", f"{root}/", value)

    environment = {name: value for name, value in os.environ.items() if not name.startswith("QNTX_EMBED_")}
    environment.update((name, local(value)) for name, value in settings.items())
    program = local(start[0])
    made = subprocess.run([program, "key", "--role", "write", "me"], capture_output=True, text=True, check=True, env=environment)
    key = re.search(r"qntx_\S+", made.stderr).group(0)
    (data / "keys.toml").write_text(made.stdout)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [local(word).replace(":8787", f":{address.rpartition(':')[2]}") for word in start]
    running = subprocess.Popen(command, cwd=data, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://{address}/readyz").close()
                break
            except (OSError, urllib.error.HTTPError):
                if running.poll() is not None:
                    sys.exit(f"packaging: {command} ended: {running.stderr.read()}")
                time.sleep(0.05)
        request = urllib.request.Request(f"http://{address}/api/embeddings/info", headers={"Authorization": f"Bearer {key}"})
        info = json.load(urllib.request.urlopen(request))
        if info["model"]["name"] != "all-MiniLM-L6-v2" or info["rows"] != 0:
            sys.exit(f"packaging: {info}")
        try:
            urllib.request.urlopen(f"http://{address}/api/embeddings/info")
            sys.exit("packaging: it lets people in without a key")
        except urllib.error.HTTPError as refused:
            assert refused.code == 401, refused
    finally:
        running.terminate()
        code = running.wait(30)
    if code != 0 or not (data / "qntx-embed.db").exists():
        sys.exit(f"packaging: exit code {code}, {list(data.iterdir())}: {running.stderr.read()}")
    ok(f"{' '.join(start)}")


with tempfile.TemporaryDirectory() as directory:
    scratch = pathlib.Path(directory)
    unit(scratch)
    hadolint()
    served(scratch)
